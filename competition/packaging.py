"""Files around the notebook: read a solution from a Python file or out of a notebook, write a notebook."""

from __future__ import annotations

import json
from pathlib import Path

from competition.errors import CellError
from competition.foreign_text import plain_line
from competition.lifting import find_solution
from competition.untrusted_file import NotAFile, TooLarge, read_untrusted_file

MAX_SOLUTION_BYTES = 16 << 20  # a notebook with its outputs


def read_solution(path: Path) -> str:
    """Read a solution file: the text of a Python file, or that of the solution cell of a notebook (``.ipynb``).

    Raises:
        CellError: it cannot be read, or is a notebook without one solution cell.
    """
    said = plain_line(str(path))
    try:
        text = read_untrusted_file(path, MAX_SOLUTION_BYTES, follow=True).decode("utf-8-sig")
    except NotAFile:
        raise CellError(f"{said} cannot be read: it is no file") from None
    except TooLarge as error:
        raise CellError(f"{said} cannot be read: {error.size:,} bytes, {MAX_SOLUTION_BYTES:,} are allowed") from None
    except UnicodeDecodeError:
        raise CellError(f"{said} cannot be read: it is not UTF-8 text") from None
    except OSError as error:
        raise CellError(f"{said} cannot be read: {error.strerror}") from None
    if path.suffix.lower() != ".ipynb":
        return text
    try:
        cells = notebook_cells(text)
        return cells[find_solution(cells)][1]
    except CellError as error:
        raise CellError(f"{said}: {error}") from None


def notebook_cells(text: str) -> list[tuple[str, str]]:
    """Return type and source of each cell of a notebook file's text, or raise `CellError` where it is none."""
    try:
        cells = [(str(cell["cell_type"]), cell["source"]) for cell in json.loads(text)["cells"]]
        return [(kind, source if isinstance(source, str) else "".join(source)) for kind, source in cells]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise CellError("this is not a Jupyter notebook of format 4") from None


def write_notebook(path: Path, text: str, source: Path | None = None) -> None:
    """Write a notebook's text over what may be there.

    Args:
        source: the file that the notebook was made from, which is never overwritten.

    Raises:
        CellError: `path` is `source`, under whatever name; or it is no file, or cannot be written.
    """
    said = plain_line(str(path))
    try:
        if source is not None and path.exists() and path.samefile(source):
            raise CellError(f"{said} is the file that was given: name another one with -o")
        if path.exists() and not path.is_file():
            raise CellError(f"{said} is no file: name one with -o")
        path.write_text(text, encoding="utf-8")
    except FileNotFoundError:
        raise CellError(
            f"{plain_line(str(path.parent))}: no such folder; make it, or name another one with -o"
        ) from None
    except OSError as error:
        raise CellError(f"{said} cannot be written: {error.strerror}") from None
