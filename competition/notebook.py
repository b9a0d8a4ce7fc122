"""Build the starter notebook from `story.md` and the task's modules, and graft solution cells into it.

`story.md` is the notebook from top to bottom. Text becomes markdown cells, a new one at each heading. A fence
``python locked NAME`` becomes a locked cell with the text of ``task/NAME.py``; ``python locked NAME: SENTENCE`` one
with the fence's own code, or with that of the modules which a line ``MODULES: ...`` names. ``python folded`` likewise,
but shown folded, with its first line for a title. ``python solution`` becomes the one editable cell. Cells are known by
their marker line, since editors lose ids and tags.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from competition.errors import CellError
from competition.manifest import public_sha256, read_manifest
from competition.story import opening_of, whole_story
from competition.task.cells import SOLUTION_MARKER, has_marker, locked_name

NOTEBOOK_FILE = "starter_notebook.ipynb"
SERVE_MAGIC = "%%solution"
BELL = "gateway/ring"
WAIT = f"""# The grader's cell: it tells that the kernel has started; the next one starts when the training is ready.
__import__("socket").socket(1).connect({BELL!r})  # AF_UNIX; no names are left
while not __import__("os").path.exists(GATEWAY_SOCKET):
    __import__("time").sleep(0.01)"""
MAX_CELL_BYTES = 64 * 1024
FOLDED = {"jupyter": {"source_hidden": True}, "cellView": "form"}  # for JupyterLab and VS Code, for Colab

_FOLDER = Path(__file__).parent
_FENCE = re.compile(r"^```python (?:(locked|folded) (\w+)(?:: (.+?))?|solution)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_MODULES = re.compile(r"MODULES: (.*)\n")
_HEADING = re.compile(r"^(?=#+ )", re.MULTILINE)
_DRIVE_ID = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class Origin:
    """What an organizer's own notebook knows of the data.

    Attributes:
        data_sha256: the checksums of ``train`` and ``val``; see `competition.task.data.split_sha256`.
        drive_ids, zip_sha256: where their zip files are downloaded from, and these files' checksums.
        opening: how the story begins; None for the kit's own; see `competition.story`.
    """

    data_sha256: dict[str, str]
    drive_ids: dict[str, str] = field(default_factory=dict)
    zip_sha256: dict[str, str] = field(default_factory=dict)
    opening: str | None = None


def origin_of(
    public: Path, drive_ids: dict[str, str] | None = None, zip_sha256: dict[str, str] | None = None
) -> Origin:
    """Return what a notebook for this public part of the data knows of it; see `Origin`.

    Raises:
        DataError: its manifest is missing.
        SourceError: its story is none.
    """
    checksums = public_sha256(read_manifest(public))
    return Origin(checksums, drive_ids or {}, zip_sha256 or {}, opening_of(public))


def module_text(name: str) -> str:
    """Return the locked part of ``task/NAME.py``: its marker line and everything below."""
    module = (_FOLDER / "task" / f"{name}.py").read_text(encoding="utf-8")
    return module[module.index(f"# LOCKED CELL [{name}]: ") :].rstrip("\n")


def locked_text(name: str, sentence: str | None, body: str) -> str:
    """Return the text of a locked cell that a fence describes."""
    if sentence is None:
        return module_text(name)
    if modules := _MODULES.match(body):
        body = "\n\n\n".join(module_text(module).partition("\n")[2].strip("\n") for module in modules[1].split())
    return f"# LOCKED CELL [{name}]: {sentence}\n{body.rstrip()}"


def origin_text(origin: Origin) -> str:
    """Return the text of the locked cell ``source`` with an organizer's own values.

    Raises:
        CellError: an id is not one.
    """
    for drive_id in origin.drive_ids.values():
        if not _DRIVE_ID.fullmatch(drive_id):
            raise CellError(f"{drive_id!r} is not a Google Drive id: give the part of the link behind /d/ or id=")
    text = module_text("source")
    for name, values in (
        ("DRIVE_IDS", origin.drive_ids),
        ("ZIP_SHA256", origin.zip_sha256),
        ("DATA_SHA256", origin.data_sha256),
    ):
        if values:
            text = re.sub(rf"^{name} = {{.*?}}", f"{name} = {json.dumps(values)}", text, flags=re.MULTILINE)
    return text


def build_notebook(origin: Origin | None = None) -> NotebookNode:
    """Build the starter notebook, always the same for the same sources.

    Args:
        origin: what the locked cell ``source`` is to know of the data; None for a notebook that takes any.
    """
    story = whole_story(origin.opening if origin else None)
    cells: list[NotebookNode] = []

    def add_text(text: str) -> None:
        for topic in filter(None, map(str.strip, _HEADING.split(text))):
            cell = new_markdown_cell(topic, id=f"text-{len(cells)}")
            cell.metadata.update(editable=False, deletable=False)
            cells.append(cell)

    end = 0
    for fence in _FENCE.finditer(story):
        add_text(story[end : fence.start()])
        end = fence.end()
        kind, name, sentence, body = fence.groups()
        if kind is None:
            cell = new_code_cell(f"{SOLUTION_MARKER}\n{body.rstrip()}", id="solution")
            cell.metadata.update(deletable=False)
        else:
            text = locked_text(name, sentence, body)
            if name == "source" and origin is not None:
                text = origin_text(origin)
            cell = new_code_cell(text, id=f"locked-{name}")
            cell.metadata.update(editable=False, deletable=False)
            if kind == "folded":
                cell.source = f"# @title {cell.source.removeprefix('# ')}"
                cell.metadata.update(FOLDED)
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


def locked_cells() -> dict[str, str]:
    """Return the texts of the starter's locked cells, by their names."""
    texts = (cell.source for cell in build_notebook().cells)
    return {name: text for text in texts if (name := locked_name(text)) is not None}


def starter_solution() -> str:
    """Return the text of the starter's solution cell."""
    return next(str(cell.source) for cell in build_notebook().cells if cell.id == "solution")


def notebook_text(notebook: NotebookNode) -> str:
    """Return the notebook as the text of an ``.ipynb`` file."""
    return str(nbformat.writes(notebook)) + "\n"


def starter_text() -> str:
    """Return the text of ``starter_notebook.ipynb``."""
    return notebook_text(build_notebook())


def template_sha256() -> str:
    """Return the checksum of the code of all locked cells: what a training depends on besides solution and data."""
    return hashlib.sha256("\n".join(locked_cells().values()).encode()).hexdigest()


def graft(solution: str) -> NotebookNode:
    """Build a pristine notebook whose solution cell holds `solution`, the cell's source or a solution file's text.

    Raises:
        CellError: the text is over 64 KiB, or is itself a locked cell.
    """
    if len(solution.encode(errors="replace")) > MAX_CELL_BYTES:
        raise CellError(f"the solution cell holds more than {MAX_CELL_BYTES // 1024} KiB: shorten it")
    if locked_name(solution):
        raise CellError("this is a locked cell, not a solution: give the file that defines your_select_indices")
    if not has_marker(solution):
        solution = f"{SOLUTION_MARKER}\n{solution}"
    notebook = build_notebook()
    cell = next(cell for cell in notebook.cells if cell.id == "solution")
    cell.source = solution.rstrip("\n")
    return notebook


def notebook_to_serve(solution: str) -> NotebookNode:
    """Build the notebook that the grader runs; a magic of the notebook's own takes its solution cell as text.

    That cell waits until the grader's socket is there, once the cell before has connected to the socket `BELL`.

    Raises:
        CellError: see `graft`.
    """
    notebook = graft(solution)
    index = next(index for index, cell in enumerate(notebook.cells) if cell.id == "solution")
    notebook.cells[index].source = f"{SERVE_MAGIC}\n{notebook.cells[index].source}"
    notebook.cells.insert(index, new_code_cell(WAIT, id="wait"))
    return notebook
