"""Find the one solution cell among a notebook's cells. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from competition.errors import CellError
from competition.foreign_text import plain_name
from competition.notebook import MAX_CELL_BYTES
from competition.task.cells import FUNCTION_NAME, SOLUTION_MARKER, defines_function, has_marker

NAMED_AT_MOST = 10


def find_solution(cells: Sequence[tuple[str, str]]) -> int:
    """Return the place of the one solution cell: the one with the marker, or else the one that defines the function.

    Args:
        cells: each cell's type ("code", "markdown", ...) and source, in the notebook's order.

    Raises:
        CellError: there is none, there are two, it is no code cell, or it is too long; cells are numbered from 1.
    """
    found = [place for place, (_, source) in enumerate(cells) if has_marker(source)]
    if not found:
        found = [place for place, (kind, source) in enumerate(cells) if kind == "code" and defines_function(source)]
        if not found:
            raise CellError(
                f"no solution cell: no cell has the line '{SOLUTION_MARKER}', and none defines {FUNCTION_NAME}"
            )
        if len(found) > 1:
            raise CellError(
                f"no cell has the line '{SOLUTION_MARKER}', and {numbers(found)} each define {FUNCTION_NAME}: put the "
                "line above the one that is to be graded"
            )
    if len(found) > 1:
        raise CellError(
            f"more than one solution cell ({numbers(found)}): keep one, delete the marker line of the others"
        )
    [place] = found
    kind, source = cells[place]
    if kind != "code":
        raise CellError(f"the solution cell (cell {place + 1}) is a {plain_name(kind)} cell: change its type to Code")
    try:
        size = len(source.encode())
    except UnicodeEncodeError:
        raise CellError("the solution cell holds characters that are not valid Unicode; delete them") from None
    if size > MAX_CELL_BYTES:
        raise CellError(f"the solution cell holds {size:,} bytes, at most {MAX_CELL_BYTES:,} are allowed; shorten it")
    return place


def numbers(places: Sequence[int]) -> str:
    """Name cells by their numbers; of many, how many they are."""
    shown = [str(place + 1) for place in places]
    return f"cells {', '.join(shown[:-1])} and {shown[-1]}" if len(shown) <= NAMED_AT_MOST else f"{len(shown):,} cells"
