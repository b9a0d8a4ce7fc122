"""One submission is graded again because an organizer asked: a failure of ours is made good, a result is compared."""

from __future__ import annotations

from pathlib import Path

from grader.contest.batch import Event, Job, checked, grade_waiting, read_task
from grader.contest.reuse import Reuse
from grader.contest.store import Store
from grader.contest.workers import Outcome, Workers
from grader.grading import Record, write_packed_run


def shown(record: Record) -> str:
    """Write what a grading came to in a few words."""
    return record.verdict.value + (f" with a BAC of {record.bac_mean:.4f}" if record.bac_mean is not None else "")


def grade_again(job: Job, store: Store, reuse: Reuse, workers: Workers, runs: Path) -> str:
    """Train one job once more, whatever the store has; return one sentence about what came of it.

    Where there was no finished grading, the new one is kept and counts. Where there was one, that one stays and counts,
    as a grading is never changed: the sentence says whether both agree, and where the new run lies.

    Raises:
        InfrastructureError: a result cannot be kept.
    """
    before = store.finished(job.submission, job.key)
    if before is None:
        records: list[Record] = []

        def tell(event: Event) -> None:
            if event.record is not None:
                records.append(event.record)

        grade_waiting([[job]], store, reuse, workers, runs, tell)
        return f"graded: {shown(records[-1])}" if records else "not graded, as grading is paused"
    task = read_task(0, job, reuse)
    outcome = task
    if not isinstance(task, Outcome):
        [(_, outcome)] = workers.outcomes(iter([task]), 1)
    assert isinstance(outcome, Outcome)
    record = checked(outcome, job).record
    run = write_packed_run(runs, record, outcome.files)
    if (record.verdict, record.bac) == (before.record.verdict, before.record.bac):
        return f"agrees with the first grading, to the last bit: {shown(record)}; run {run.name}"
    return f"does not agree: first {shown(before.record)}, which counts; now {shown(record)}; run {run.name}"
