"""Whose turn is it? What a batch grades of what was received, and in which order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from grader.contest.batch import Job
from grader.contest.policy import Candidate, within_daily_limit
from grader.contest.store import Kind, Received, Store
from grader.verdicts import Verdict


def within_limit(
    submissions: Iterable[Received], store: Store, limit: int | None
) -> tuple[list[Received], list[Received]]:
    """Divide submissions into those that are graded, and those beyond their participant's daily limit.

    Every submission in the store counts, as on the boards: of each UTC day the first `limit`. One that failed by our
    own fault uses up nothing, and is graded again.
    """
    if limit is None:
        return list(submissions), []
    failures: dict[int, bool] = {}
    for grading in store.gradings():
        ours = grading.record.verdict is Verdict.INFRASTRUCTURE_ERROR
        failures[grading.submission_id] = ours and failures.get(grading.submission_id, True)
    candidates: dict[str, list[Candidate]] = defaultdict(list)
    for received in store.submissions():
        if received.kind is Kind.PARTICIPANT:
            failed = failures.get(received.id, False)
            candidates[received.participant].append(Candidate(received, (), failed=failed))
    graded = {number for number, failed in failures.items() if failed}
    for own in candidates.values():
        graded |= {candidate.submission.id for candidate in within_daily_limit(own, limit)}
    chosen: list[Received] = []
    beyond: list[Received] = []
    for submission in submissions:
        limited = submission.kind is Kind.PARTICIPANT and submission.id not in graded
        (beyond if limited else chosen).append(submission)
    return chosen, beyond


def in_turns(waiting: list[list[Job]]) -> list[list[Job]]:
    """Order groups of equal jobs so that participants take turns: first everybody's oldest, then everybody's next.

    Training seeds stay one after another. A group that several share is the turn of who came first.
    """
    seeds: dict[int, int] = {}
    for group in waiting:
        seeds.setdefault(group[0].key.seed, len(seeds))
    taken: Counter[tuple[int, str, str]] = Counter()
    turns: list[tuple[int, int, str, int, list[Job]]] = []
    for group in sorted(waiting, key=lambda group: oldest(group)[:2]):
        time, number, owner = oldest(group)
        seed = seeds[group[0].key.seed]
        turns.append((seed, taken[seed, *owner], time, number, group))
        taken[seed, *owner] += 1
    return [group for *_, group in sorted(turns, key=lambda turn: turn[:4])]


def oldest(group: list[Job]) -> tuple[str, int, tuple[str, str]]:
    """Return the time, the number and the owner of the oldest submission of a group."""
    first = min((job.submission for job in group), key=lambda submission: (submission.submitted_at, submission.id))
    return first.submitted_at, first.id, (first.kind.value, first.participant)
