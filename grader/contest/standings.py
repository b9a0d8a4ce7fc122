"""Who stands where: the rows of a leaderboard, from the counted results of all participants. Pure functions.

Ranks come from the unrounded mean BAC, since points saturate at a BAC of 0.8. Equal means share a rank.

Over several training seeds a row lies within the noise of the participant above it when the difference of their means
is smaller than its standard error, sqrt((s1^2 + s2^2) / K), with the sample deviations s1 and s2 over K seeds each.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace

from competition.task.points import performance
from grader.contest.names import poses_as_reference
from grader.contest.policy import NOT_GRADED, Candidate
from grader.safe_io import csv_cell


@dataclass(frozen=True)
class Standing:
    """One row of a leaderboard.

    Attributes:
        rank: 1 is the best; equal means share it. None for references and for who has no valid result.
        participant: a participant's or a reference solution's name: their words, never to be trusted in a page.
        reference: whether this is a reference solution, shown for comparison and never ranked.
        points: 0 to 100; None without a valid result.
        bac: mean balanced accuracy of model 1 and of model 2 over the training seeds; None without a valid result.
        bac_mean: the mean of both, which makes the rank.
        deviation: sample standard deviation of the runs' means over the training seeds; None with a single seed.
        seeds: how many training seeds `bac_mean` is the mean of.
        verdict: of the counted submission.
        submissions: how many were received.
        last: time of the last submission, ISO 8601, UTC.
        tied: whether somebody else has the same rank.
        within_noise: whether the distance to the next better rank is less than the noise of the training seeds.
        shift: public rank minus this rank, positive for a rise; None where there is no public rank to compare with.
    """

    rank: int | None
    participant: str
    reference: bool
    points: int | None
    bac: tuple[float, float] | None
    bac_mean: float | None
    deviation: float | None
    seeds: int
    verdict: str
    submissions: int
    last: str
    tied: bool
    within_noise: bool
    shift: int | None

    @property
    def imitates(self) -> bool:
        """Whether this is a participant whose name could be taken for a reference solution's mark."""
        return not self.reference and poses_as_reference(self.participant)


@dataclass(frozen=True)
class Standings:
    """A leaderboard.

    Attributes:
        title: of the contest.
        split: "test_a" for the public board, "test_b" for the final ranking.
        rows: best first; references stand where their mean BAC places them, those without a result last.
        bound: the oracle's mean BAC on the split; None where it was not measured.
        made: when, ISO 8601, UTC.
    """

    title: str
    split: str
    rows: tuple[Standing, ...]
    bound: float | None
    made: str


@dataclass(frozen=True)
class Contender:
    """A participant or a reference before the ranking.

    Attributes:
        participant, reference, submissions, last: see `Standing`.
        counted: the submission that counts; None where none does.
        public_rank: on the public board; None where there is none.
    """

    participant: str
    reference: bool
    submissions: int
    last: str
    counted: Candidate | None
    public_rank: int | None = None


def unranked(contender: Contender) -> Standing:
    """Make the row of a contender, still without what depends on the others."""
    counted = contender.counted
    bac_mean = counted.bac_mean if counted else None
    return Standing(
        rank=None,
        participant=contender.participant,
        reference=contender.reference,
        points=performance(bac_mean) if bac_mean is not None else None,
        bac=counted.bac if counted else None,
        bac_mean=bac_mean,
        deviation=counted.deviation if counted else None,
        seeds=len(counted.records) if counted else 0,
        verdict=counted.verdict if counted else NOT_GRADED,
        submissions=contender.submissions,
        last=contender.last,
        tied=False,
        within_noise=False,
        shift=contender.public_rank,  # becomes the shift when the rank is known
    )


def row_order(row: Standing) -> tuple[float, str, str]:
    """Sort the best first, equal ones by the earlier last submission, then by name; those without a result last."""
    return (-row.bac_mean if row.bac_mean is not None else math.inf, row.last, row.participant)


def within_noise(better: Standing, worse: Standing) -> bool:
    """Say whether two means differ by less than the standard error of their difference."""
    if better.bac_mean is None or worse.bac_mean is None or better.deviation is None or worse.deviation is None:
        return False
    error = math.sqrt(better.deviation**2 / better.seeds + worse.deviation**2 / worse.seeds)
    return better.bac_mean - worse.bac_mean < error


def rank_rows(contenders: Sequence[Contender]) -> tuple[Standing, ...]:
    """Rank the participants, and place the references among them."""
    rows = sorted(map(unranked, contenders), key=row_order)
    ranked = [row for row in rows if not row.reference and row.bac_mean is not None]
    scores = [row.bac_mean for row in ranked]
    finished: dict[str, Standing] = {}
    for row in ranked:
        rank = scores.index(row.bac_mean) + 1
        above = ranked[rank - 2] if rank > 1 else None
        finished[row.participant] = replace(
            row,
            rank=rank,
            tied=scores.count(row.bac_mean) > 1,
            within_noise=above is not None and within_noise(above, row),
            shift=row.shift - rank if row.shift is not None else None,
        )
    return tuple(
        finished[row.participant] if not row.reference and row.participant in finished else replace(row, shift=None)
        for row in rows
    )


def public_ranks(rows: Sequence[Standing]) -> dict[str, int]:
    """Return the ranks of a board by participant."""
    return {row.participant: row.rank for row in rows if row.rank is not None}


def standings_json(standings: Standings) -> str:
    """Return a whole leaderboard as the text of a JSON object, to be kept."""
    return json.dumps(asdict(standings))


def standings_from(text: str) -> Standings:
    """Return the leaderboard that `standings_json` wrote."""
    found = json.loads(text)
    rows = [Standing(**row | {"bac": row["bac"] and tuple(row["bac"])}) for row in found["rows"]]
    return Standings(**found | {"rows": tuple(rows)})


def standings_csv(standings: Standings) -> str:
    """Return the board as the text of a CSV: one column per attribute of `Standing`, figures unrounded."""
    names = [field.name for field in fields(Standing)]
    columns = [column for name in names for column in (("bac_1", "bac_2") if name == "bac" else (name,))]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for row in standings.rows:
        cells: list[object] = []
        for name in names:
            value = getattr(row, name)
            if name == "bac":
                cells += value or (None, None)
            elif isinstance(value, bool):
                cells.append(int(value))
            elif isinstance(value, str):
                cells.append(csv_cell(value))
            else:
                cells.append(value)
        writer.writerow(cells)
    return stream.getvalue()
