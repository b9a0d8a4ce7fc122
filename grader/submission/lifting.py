"""Lift the one solution cell out of a notebook's cells. Pure."""

from __future__ import annotations

from competition.errors import CellError
from competition.lifting import find_solution
from grader.submission.reading import Cell, fault


def lift(cells: list[Cell]) -> Cell:
    """Find the one solution cell; see `competition.lifting.find_solution`.

    Raises:
        ParticipantFault: there is none, there are two, it is no code cell, or it is too long.
    """
    try:
        return cells[find_solution([(cell.kind, cell.source) for cell in cells])]
    except CellError as error:
        raise fault(str(error)) from None
