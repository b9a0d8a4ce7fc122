"""Who stands where: the rows of a leaderboard, from the counted results of all participants. Pure functions.

Ranks come from the unrounded mean BAC, since points saturate at a BAC of 0.8. Equal means share a rank.
"""

from __future__ import annotations

from dataclasses import dataclass


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
