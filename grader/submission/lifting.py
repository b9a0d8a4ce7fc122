"""Lift the one solution cell out of a notebook's cells. Pure."""

from __future__ import annotations

from competition.notebook import MAX_CELL_BYTES, SOLUTION_MARKER, first_line
from grader.submission.reading import Cell, fault

FUNCTION_NAME = "your_select_indices"


def lift(cells: list[Cell]) -> Cell:
    """Find the one solution cell.

    Raises:
        ParticipantFault: there is none, there are two, it is no code cell, or it is too long.
    """
    marked = [cell for cell in cells if first_line(cell.source) == SOLUTION_MARKER]
    if not marked:
        candidates = [cell.number for cell in cells if cell.kind == "code" and f"def {FUNCTION_NAME}" in cell.source]
        hint = f"; cell {candidates[0]} defines {FUNCTION_NAME}, is it the one?" if candidates else ""
        raise fault(f"no solution cell: its first line must be '{SOLUTION_MARKER}', put it back{hint}")
    if len(marked) > 1:
        numbers = " and ".join(str(cell.number) for cell in marked)
        raise fault(f"more than one solution cell (cells {numbers}): keep one, delete the marker line of the others")
    [cell] = marked
    if cell.kind != "code":
        raise fault(f"the solution cell (cell {cell.number}) is a {cell.kind} cell: change its type to Code")
    try:
        size = len(cell.source.encode())
    except UnicodeEncodeError:
        raise fault("the solution cell holds characters that are not valid Unicode; delete them") from None
    if size > MAX_CELL_BYTES:
        raise fault(f"the solution cell holds {size:,} bytes, at most {MAX_CELL_BYTES:,} are allowed; shorten it")
    return cell
