"""The whole way of a submitted file: cells, solution cell, and what to tell its author. Pure.

Everything but the solution cell's source is ignored: metadata, tags, kernelspec, outputs, other cells.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from competition.names import parse
from competition.task.cells import SOLUTION_MARKER, has_marker
from grader.submission.advice import (
    functions_in_ignored_cells,
    installs,
    misplaced_cell_magic,
    missing_function,
    names_from_elsewhere,
    still_the_starter,
    syntax_error,
    wrong_parameters,
)
from grader.submission.comparing import changed_locked_cells
from grader.submission.lifting import lift
from grader.submission.reading import read_cells

UNMARKED = f"it defines the function, and no cell has the line '{SOLUTION_MARKER}', which was to stay"


@dataclass(frozen=True)
class Submission:
    """A notebook from which a solution cell could be lifted.

    Attributes:
        raw: the file as submitted.
        solution: the solution cell's source.
        notices: what a participant should know about the cells that are ignored, one sentence each.
    """

    raw: bytes
    solution: str
    notices: tuple[str, ...]

    @property
    def solution_sha256(self) -> str:
        """The checksum of the solution cell's source."""
        return hashlib.sha256(self.solution.encode()).hexdigest()


def read_submission(raw: bytes) -> Submission:
    """Lift the solution out of a submitted notebook's bytes.

    Raises:
        ParticipantFault: it is not a notebook, or has not exactly one usable solution cell.
    """
    cells = read_cells(raw)
    solution = lift(cells)
    others = [cell for cell in cells if cell is not solution]
    notices = [] if has_marker(solution.source) else [f"cell {solution.number} was taken: {UNMARKED}"]
    notices += still_the_starter(solution.source)
    notices += functions_in_ignored_cells(others)
    notices += changed_locked_cells(cells)
    notices += syntax_error(solution.source)
    notices += [*misplaced_cell_magic(solution.source), *installs(solution.source)]
    tree = parse(solution.source)
    if tree is not None:
        notices += [*missing_function(tree), *wrong_parameters(tree), *names_from_elsewhere(tree, others)]
    return Submission(raw, solution.source, tuple(notices))
