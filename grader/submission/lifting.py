"""Lift the one solution cell out of a notebook's cells. Pure."""

from __future__ import annotations

from competition.notebook import MAX_CELL_BYTES
from competition.task.cells import FUNCTION_NAME, SOLUTION_MARKER, defines_function, has_marker
from grader.submission.reading import Cell, fault

NAMED_AT_MOST = 10


def lift(cells: list[Cell]) -> Cell:
    """Find the one solution cell: the one with the marker, or where none has it, the one that defines the function.

    Raises:
        ParticipantFault: there is none, there are two, it is no code cell, or it is too long.
    """
    found = [cell for cell in cells if has_marker(cell.source)]
    if not found:
        found = [cell for cell in cells if cell.kind == "code" and defines_function(cell.source)]
        if not found:
            raise fault(f"no solution cell: no cell has the line '{SOLUTION_MARKER}', and none defines {FUNCTION_NAME}")
        if len(found) > 1:
            raise fault(
                f"no cell has the line '{SOLUTION_MARKER}', and {numbers(found)} each define {FUNCTION_NAME}: put the "
                "line above the one that is to be graded"
            )
    if len(found) > 1:
        raise fault(f"more than one solution cell ({numbers(found)}): keep one, delete the marker line of the others")
    [cell] = found
    if cell.kind != "code":
        raise fault(f"the solution cell (cell {cell.number}) is a {cell.kind} cell: change its type to Code")
    try:
        size = len(cell.source.encode())
    except UnicodeEncodeError:
        raise fault("the solution cell holds characters that are not valid Unicode; delete them") from None
    if size > MAX_CELL_BYTES:
        raise fault(f"the solution cell holds {size:,} bytes, at most {MAX_CELL_BYTES:,} are allowed; shorten it")
    return cell


def numbers(cells: list[Cell]) -> str:
    """Name cells by their numbers; of many, the first."""
    shown = [str(cell.number) for cell in cells[:NAMED_AT_MOST]]
    return f"cells {', '.join(shown[:-1])} and {shown[-1]}" if len(cells) <= NAMED_AT_MOST else f"{len(cells):,} cells"
