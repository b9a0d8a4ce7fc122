"""Build the starter notebook from `story.md` and the task's modules, and graft solution cells into it.

`story.md` is the notebook from top to bottom: text becomes markdown cells; a fence ``python locked NAME`` becomes a
locked cell, with the text of ``task/NAME.py`` where the fence is empty; the fence ``python solution`` becomes the one
editable cell. Cells are known by their marker line, since editors lose ids and tags.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from competition.errors import CellError

NOTEBOOK_FILE = "starter_notebook.ipynb"
SOLUTION_MARKER = "# SOLUTION CELL: edit below this line, and keep this line."
LOCKED_MARKER = re.compile(r"# LOCKED CELL \[(\w+)\]: .*")
MAX_CELL_BYTES = 64 * 1024

_FOLDER = Path(__file__).parent
_FENCE = re.compile(r"^```python (?:locked (\w+)|(solution))\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_DRIVE_ID = re.compile(r"[\w-]+")


def first_line(source: str) -> str:
    """Return the first line of a cell that is not blank, stripped."""
    return next((line.strip() for line in source.splitlines() if line.strip()), "")


def has_marker(source: str) -> bool:
    """Say whether a cell is marked as the solution: among its leading comments and blank lines."""
    for line in map(str.strip, source.splitlines()):
        if line == SOLUTION_MARKER:
            return True
        if line and not line.startswith("#"):
            return False
    return False


def locked_text(name: str) -> str:
    """Return the text of the locked cell that ``task/NAME.py`` holds: its marker line and everything below."""
    module = (_FOLDER / "task" / f"{name}.py").read_text(encoding="utf-8")
    start = module.index(f"# LOCKED CELL [{name}]: ")
    return module[start:].rstrip("\n")


def source_text(train_id: str, val_id: str, train_sha256: str, val_sha256: str) -> str:
    """Return the text of the locked cell ``source`` with an organizer's own Google Drive ids and checksums.

    Raises:
        CellError: an id is not one.
    """
    text = locked_text("source")
    for name, value in (
        ("TRAIN_ID", train_id),
        ("VAL_ID", val_id),
        ("TRAIN_SHA256", train_sha256),
        ("VAL_SHA256", val_sha256),
    ):
        if not _DRIVE_ID.fullmatch(value):
            raise CellError(f"{value!r} is not a Google Drive id: give the part of the link behind /d/ or id=")
        text = re.sub(rf'^{name} = ".*?"', f'{name} = "{value}"', text, flags=re.MULTILINE)
    return text


def build_notebook(source: str | None = None) -> NotebookNode:
    """Build the starter notebook, always the same for the same sources.

    Args:
        source: text of the locked cell ``source`` (see `source_text`); None keeps the task's own.
    """
    story = (_FOLDER / "story.md").read_text(encoding="utf-8")
    cells: list[NotebookNode] = []

    def add_text(text: str) -> None:
        if text.strip():
            cell = new_markdown_cell(text.strip(), id=f"text-{len(cells)}")
            cell.metadata.update(editable=False, deletable=False)
            cells.append(cell)

    end = 0
    for fence in _FENCE.finditer(story):
        add_text(story[end : fence.start()])
        end = fence.end()
        name, solution, body = fence.groups()
        if solution:
            cell = new_code_cell(f"{SOLUTION_MARKER}\n{body.rstrip()}", id="solution")
            cell.metadata.update(deletable=False)
        else:
            if name == "source" and source is not None:
                text = source
            elif body.strip():
                text = f"# LOCKED CELL [{name}]: edits here change nothing.\n{body.rstrip()}"
            else:
                text = locked_text(name)
            cell = new_code_cell(text, id=f"locked-{name}")
            cell.metadata.update(editable=False, deletable=False)
            if name == "constants":
                cell.metadata.update(tags=["parameters"])
        cells.append(cell)
    add_text(story[end:])
    notebook: NotebookNode = new_notebook(
        cells=cells,
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
    )
    return notebook


def notebook_text(notebook: NotebookNode) -> str:
    """Return the notebook as the text of an ``.ipynb`` file."""
    return str(nbformat.writes(notebook)) + "\n"


def starter_text() -> str:
    """Return the text of ``starter_notebook.ipynb``."""
    return notebook_text(build_notebook())


def template_sha256() -> str:
    """Return the checksum of the code of all locked cells: what a training depends on besides solution and data."""
    locked = [cell.source for cell in build_notebook().cells if LOCKED_MARKER.fullmatch(first_line(cell.source))]
    return hashlib.sha256("\n".join(locked).encode()).hexdigest()


def graft(solution: str) -> NotebookNode:
    """Build a pristine notebook whose solution cell holds `solution`, the cell's source or a solution file's text.

    Raises:
        CellError: the text is over 64 KiB, or is itself a locked cell.
    """
    if len(solution.encode(errors="replace")) > MAX_CELL_BYTES:
        raise CellError(f"the solution cell holds more than {MAX_CELL_BYTES // 1024} KiB: shorten it")
    if LOCKED_MARKER.fullmatch(first_line(solution)):
        raise CellError("this is a locked cell, not a solution: give the file that defines your_select_indices")
    if not has_marker(solution):
        solution = f"{SOLUTION_MARKER}\n{solution}"
    notebook = build_notebook()
    cell = next(cell for cell in notebook.cells if cell.id == "solution")
    cell.source = solution.rstrip("\n")
    return notebook
