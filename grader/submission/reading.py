"""Read a submitted file: hostile bytes in, cells out. Nothing but the cells' types and sources is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.safe_io import NotAFile, TooLarge, TooManyValues, parse_json, read_below, read_untrusted_file
from grader.verdicts import ParticipantFault, Verdict

MAX_NOTEBOOK_BYTES = 16 << 20
MAX_CELLS = 10_000
MAX_LINES = 200_000  # of all cells
LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


@dataclass(frozen=True)
class Cell:
    """One cell of a submitted notebook: its number from 1, its type ("code", "markdown", ...), its source."""

    number: int
    kind: str
    source: str


def fault(message: str) -> ParticipantFault:
    """Make the fault of a file that is not a submission."""
    return ParticipantFault(Verdict.PRESENTATION_ERROR, message)


def read_file(path: Path, below: Path | None = None) -> bytes:
    """Read a submitted file: a regular one of at most 16 MiB, never through a symbolic link.

    Args:
        path: where it lies.
        below: a trusted folder above it: no folder between the two may be a link either.

    Raises:
        ParticipantFault: it is something else.
        OSError: it is missing or unreadable, or a folder on the way is a link.
    """
    try:
        if below is None:
            return read_untrusted_file(path, MAX_NOTEBOOK_BYTES)
        return read_below(below, path.relative_to(below), MAX_NOTEBOOK_BYTES)
    except NotAFile:
        raise fault("the submission is a link, a folder, a pipe or the like; submit the .ipynb file itself") from None
    except TooLarge as error:
        raise fault(
            f"the notebook holds {error.size / (1 << 20):.1f} MiB, {MAX_NOTEBOOK_BYTES >> 20} are allowed; "
            "clear the outputs (Edit, Clear Outputs of All Cells) and save it again"
        ) from None


def read_cells(raw: bytes) -> list[Cell]:
    """Read the cells of a notebook file.

    Raises:
        ParticipantFault: it is not a Jupyter notebook of format 4.
    """
    try:
        notebook = parse_json(raw)
    except TooManyValues as error:
        raise fault(
            f"the notebook holds {error}; clear the outputs (Edit, Clear Outputs of All Cells) and save it again"
        ) from None
    except ValueError as error:
        raise fault(f"this is not a Jupyter notebook: not JSON ({error}); submit the .ipynb file itself") from None
    if isinstance(notebook, dict) and "worksheets" in notebook:
        raise fault("this notebook has the old format 3; open it in Jupyter and save it again")
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise fault("this is JSON, but not a Jupyter notebook: it has no list of cells")
    if len(cells) > MAX_CELLS:
        raise fault(f"this notebook has {len(cells):,} cells, {MAX_CELLS:,} are allowed: delete those you do not need")
    read = [Cell(number, *cell_parts(number, cell)) for number, cell in enumerate(cells, 1)]
    lines = sum(cell.source.count(end) for cell in read for end in LINE_ENDS)
    if lines > MAX_LINES:
        raise fault(f"this notebook has {lines:,} lines, {MAX_LINES:,} are allowed: delete what you do not need")
    return read


def cell_parts(number: int, cell: Any) -> tuple[str, str]:
    """Return the type and the source of one JSON cell, or raise `ParticipantFault`."""
    source = cell.get("source", "") if isinstance(cell, dict) else None
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise fault(f"cell {number} has no source text: this is not a valid Jupyter notebook")
    return str(cell.get("cell_type")), source.removeprefix("\ufeff")  # a byte-order mark that was pasted along
