"""What stands on the platform's board: numbers alone, so that a verdict is a code there and a sentence in the page."""

from __future__ import annotations

import math
from dataclasses import dataclass

from grader.grading import Record
from grader.verdicts import InfrastructureError, Verdict

CODES = {
    Verdict.OK: 0,
    Verdict.PRESENTATION_ERROR: 1,
    Verdict.RUNTIME_ERROR: 2,
    Verdict.TIME_LIMIT: 3,
    Verdict.MEMORY_LIMIT: 4,
    Verdict.OUTPUT_LIMIT: 5,
}


@dataclass(frozen=True)
class Column:
    """A column of the platform's board.

    Attributes:
        key: its name in ``scores.json``.
        title: what stands above it.
        sorting: "desc" where more is better, else "asc".
        precision: digits behind the point.
    """

    key: str
    title: str
    sorting: str
    precision: int


COLUMNS = (  # the first one ranks, the others break ties
    Column("bac", "Balanced accuracy", "desc", 4),
    Column("points", "Points", "desc", 0),
    Column("verdict", "Verdict code", "asc", 0),
    Column("seconds", "Seconds of the notebook", "asc", 1),
)


def scores_of(record: Record) -> dict[str, float]:
    """Return the scores of a grading by column; a participant's fault has a BAC and points of 0.

    Raises:
        InfrastructureError: the grading failed by our own fault, so that it has none.
    """
    if record.verdict is Verdict.INFRASTRUCTURE_ERROR:
        raise InfrastructureError(record.message)
    scores = {
        "bac": record.bac_mean or 0.0,
        "points": record.points or 0,
        "verdict": CODES[record.verdict],
        "seconds": record.clock_seconds,
    }
    if not all(map(math.isfinite, scores.values())):
        raise InfrastructureError(f"the scores are not all numbers: {scores}")
    return scores
