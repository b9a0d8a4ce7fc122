"""Which of a participant's submissions count. Pure functions; the rules are those that Kaggle made known.

Public board: the best submission counts, or the last one. Final ranking: the submissions that the participant chose,
up to two or what the contest allows, else as many of the best on the public board (or the last one, where the last
counts); of these the best on the final split. Only so many submissions per day count, days in UTC; one that failed by
our own fault is not among them. Nothing counts that was submitted before the opening or after the closing.
"""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from grader.contest.store import Received, utc_text
from grader.contest_file import Policy
from grader.grading import Record
from grader.verdicts import Verdict

NOT_GRADED = "not graded"
OK = Verdict.OK.value


@dataclass(frozen=True)
class Candidate:
    """A submission with what it reached on one split.

    Attributes:
        submission: what was handed in.
        records: one finished grading per training seed; fewer where some are missing.
        wanted: how many training seeds it is to be graded with.
        failed: whether it was graded, and every time failed by our own fault.
        runs: the names of the run folders of `records`.
    """

    submission: Received
    records: tuple[Record, ...]
    wanted: int = 1
    failed: bool = False
    runs: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """The verdict; over several seeds the first that is not `OK`."""
        if len(self.records) < self.wanted:
            return Verdict.INFRASTRUCTURE_ERROR.value if self.failed else NOT_GRADED
        return next((record.verdict.value for record in self.records if record.verdict is not Verdict.OK), OK)

    @property
    def means(self) -> tuple[float, ...]:
        """The mean BAC of the two models with each seed; empty unless all seeds ended `OK`."""
        if self.verdict != OK:
            return ()
        return tuple(record.bac_mean for record in self.records if record.bac_mean is not None)

    @property
    def bac_mean(self) -> float | None:
        """The mean BAC over models and seeds; None without a valid result."""
        return statistics.fmean(self.means) if self.means else None

    @property
    def bac(self) -> tuple[float, float] | None:
        """The BAC of each model, the mean over the seeds; None without a valid result."""
        if not self.means:
            return None
        first, second = zip(*(record.bac for record in self.records if record.bac is not None), strict=True)
        return statistics.fmean(first), statistics.fmean(second)

    @property
    def deviation(self) -> float | None:
        """The sample standard deviation of the means over the seeds; None with fewer than two."""
        return statistics.stdev(self.means) if len(self.means) > 1 else None


def in_time_order(candidates: list[Candidate]) -> list[Candidate]:
    """Return the candidates in the order of their times; equal times in the order in which they were received."""
    return sorted(candidates, key=lambda candidate: (candidate.submission.submitted_at, candidate.submission.id))


def outside_of(submission: Received, opening: datetime | None, closing: datetime | None) -> str | None:
    """Say what a submission missed, "before the opening" or "after the closing"; None where it came in time."""
    if opening is not None and submission.submitted_at < utc_text(opening):
        return "before the opening"
    if closing is not None and submission.submitted_at > utc_text(closing):
        return "after the closing"
    return None


def within_daily_limit(candidates: list[Candidate], limit: int | None) -> list[Candidate]:
    """Return one participant's candidates that count: of each UTC day the first `limit`; all of them with None.

    Submissions that failed by our own fault neither count nor use up the limit.
    """
    used: Counter[str] = Counter()
    counting = []
    for candidate in in_time_order(candidates):
        if candidate.failed and not candidate.records:
            continue
        day = candidate.submission.submitted_at[:10]
        used[day] += 1
        if limit is None or used[day] <= limit:
            counting.append(candidate)
    return counting


def by_score(candidates: list[Candidate]) -> list[Candidate]:
    """Return the candidates with a valid result, best first; of equal ones the earlier first."""
    valid = [(candidate.bac_mean, candidate) for candidate in in_time_order(candidates)]
    scored = [(score, candidate) for score, candidate in valid if score is not None]
    return [candidate for _, candidate in sorted(scored, key=lambda pair: -pair[0])]


def counted(candidates: list[Candidate], policy: Policy) -> Candidate | None:
    """Return the one of a participant's candidates that counts; None where there is none.

    With `Policy.BEST` and no valid result it is the last one, which tells what went wrong.
    """
    if policy is Policy.BEST and (ranked := by_score(candidates)):
        return ranked[0]
    return in_time_order(candidates)[-1] if candidates else None


def finalists(candidates: list[Candidate], policy: Policy, choices: int) -> list[Received]:
    """Return a participant's submissions for the final ranking, from their candidates on the public board.

    Args:
        candidates: what they reached there.
        policy: which one counts there.
        choices: how many of the best compete where they chose none.
    """
    chosen = [candidate.submission for candidate in in_time_order(candidates) if candidate.submission.final]
    if chosen:
        return chosen
    if policy is Policy.BEST and (ranked := by_score(candidates)):
        return [candidate.submission for candidate in ranked[:choices]]
    last = counted(candidates, policy)
    return [last.submission] if last else []
