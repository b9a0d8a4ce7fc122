"""Grade many submissions: what is finished already is not repeated, and every result is kept the moment it is there.

    entries -> store -> jobs -> (found | derived | waiting) -> workers -> run folder -> store

Each job is one submission under one key. Jobs with the same key, that is with the same solution, are trained once. A
grading that ends in an `InfrastructureError`, as on a machine that was too slow, is repeated once, alone; so is a
`TimeLimitExceeded` among several workers, since functions slow each other down too. Only the repetition counts.
While an organizer has grading paused, no further one begins. Whatever kills a batch, the same call goes on where it
was: a result counts from its row in the store on, which is written after its run folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from grader.contest.events import pause_of
from grader.contest.reuse import Reuse, grading_key, versions_text
from grader.contest.store import Key, Origin, Received, Store
from grader.contest.workers import Outcome, Task, Workers, failed
from grader.grading import Record, Settings, write_packed_run
from grader.verdicts import InfrastructureError, Verdict


class Step(StrEnum):
    """What happened to a job."""

    FOUND = "graded before"
    SAME_SOLUTION = "same solution"
    RESCORED = "rescored"
    STARTED = "started"
    GRADED = "graded now"
    AGAIN = "once more, alone"


ENDS = frozenset((Step.FOUND, Step.SAME_SOLUTION, Step.RESCORED, Step.GRADED))


@dataclass(frozen=True)
class Job:
    """One submission to be graded in one way.

    Attributes:
        submission: whose.
        key: under which conditions its result will be found again.
        settings: how to grade.
    """

    submission: Received
    key: Key
    settings: Settings


@dataclass(frozen=True)
class Event:
    """Something that happened, told while the batch runs.

    Attributes:
        job: to which job.
        step: what.
        record: the record where there is one: of the finished grading, or of the attempt that is repeated.
    """

    job: Job
    step: Step
    record: Record | None


Tell = Callable[[Event], None]


def make_jobs(submissions: list[Received], settings: Settings, seeds: list[int]) -> list[Job]:
    """Make the jobs of all submissions with each training seed.

    Raises:
        InfrastructureError: the data is missing or unfinished.
    """
    key = grading_key(settings, code="")
    return [
        Job(submission, replace(key, code=submission.code, seed=seed), replace(settings, seed=seed))
        for seed in seeds
        for submission in submissions
    ]


def find_graded(jobs: list[Job], store: Store, reuse: Reuse, tell: Tell) -> list[list[Job]]:
    """Tell of every job that needs no training; return the others, those with the same key together.

    Raises:
        InfrastructureError: see `Reuse.derive`.
    """
    waiting: dict[Key, list[Job]] = {}
    for job in jobs:
        finished = store.finished(job.submission, job.key)
        if finished is not None:
            tell(Event(job, Step.FOUND, finished.record))
        elif job.key in waiting:
            waiting[job.key].append(job)
        elif not derive(job, reuse, tell):
            waiting[job.key] = [job]
    return list(waiting.values())


def derive(job: Job, reuse: Reuse, tell: Tell) -> bool:
    """Derive a job's grading from another one and tell of it; say whether there was one."""
    grading = reuse.derive(job.submission, job.key)
    if grading is None:
        return False
    step = Step.RESCORED if grading.origin is Origin.RESCORED else Step.SAME_SOLUTION
    tell(Event(job, step, grading.record))
    return True


def read_task(number: int, job: Job, reuse: Reuse) -> Task | Outcome:
    """Read a job's notebook for a worker; an outcome where it is not there any more."""
    try:
        return Task(number, reuse.notebook(job.submission), job.settings)
    except InfrastructureError as error:
        return failed(job.settings, error.message)


def checked(outcome: Outcome, job: Job) -> Outcome:
    """Return an outcome as it is, or as our failure where it was made under other conditions than the job's."""
    record, key = outcome.record, job.key
    if record.verdict is Verdict.INFRASTRUCTURE_ERROR:
        return outcome
    differing = [
        name
        for name, found, wanted in (
            ("library versions", versions_text(record.versions), key.versions),
            ("template", record.template_sha256, key.template_sha256),
            ("training data", record.data_sha256 or key.data_sha256, key.data_sha256),
            ("split", record.split_sha256 or key.split_sha256, key.split_sha256),
        )
        if found != wanted
    ]
    if not differing:
        return outcome
    message = f"the worker's {' and '.join(differing)} differ from those here: give all machines the same kit and data"
    return failed(job.settings, message)


def grade_waiting(
    waiting: list[list[Job]], store: Store, reuse: Reuse, workers: Workers, runs: Path, tell: Tell
) -> None:
    """Train what `find_graded` left, and keep and tell each result as it comes.

    Raises:
        InfrastructureError: a result cannot be kept. Those kept before stay, and the same call goes on.
    """

    def keep(job: Job, outcome: Outcome) -> None:
        record = replace(outcome.record, file=job.submission.path.name)
        if failed_so_before(job, record, store):
            tell(Event(job, Step.GRADED, record))
            return
        run = write_packed_run(runs, record, outcome.files)
        grading = store.add(job.submission, job.key, record, run.name)
        tell(Event(job, Step.GRADED, grading.record))

    def keep_group(group: list[Job], outcome: Outcome) -> None:
        first, *others = group
        keep(first, outcome)
        for job in others:
            if outcome.record.verdict is Verdict.INFRASTRUCTURE_ERROR:
                keep(job, outcome)
            elif not derive(job, reuse, tell):
                keep(job, failed(job.settings, f"{job.submission.path} was changed or removed: run the batch again"))

    repeated = {Verdict.INFRASTRUCTURE_ERROR} | ({Verdict.TIME_LIMIT} if workers.count > 1 else set())
    again: list[list[Job]] = []
    for group, outcome in compute(waiting, workers.count, workers, reuse, store, tell):
        if outcome.record.verdict in repeated:
            again.append(group)
            tell(Event(group[0], Step.AGAIN, outcome.record))
        else:
            keep_group(group, outcome)
    for group, outcome in compute(again, 1, workers, reuse, store, tell):
        keep_group(group, outcome)


def without_figures(record: Record) -> str:
    """Return a record's message without its numbers, which are measured anew each time."""
    return re.sub(r"\d+(\.\d+)?", "", record.message)


def failed_so_before(job: Job, record: Record, store: Store) -> bool:
    """Say whether a job failed by our own fault, as it did before: that is not kept another time."""
    return record.verdict is Verdict.INFRASTRUCTURE_ERROR and any(
        (kept.key, kept.record.verdict, without_figures(kept.record))
        == (job.key, record.verdict, without_figures(record))
        for kept in store.gradings(job.submission)
    )


def compute(
    groups: list[list[Job]], at_once: int, workers: Workers, reuse: Reuse, store: Store, tell: Tell
) -> Iterator[tuple[list[Job], Outcome]]:
    """Have the first job of each group graded, and yield the groups with their outcomes as they come.

    From the moment when grading is paused no further group is taken.
    """
    unreadable: list[tuple[list[Job], Outcome]] = []

    def tasks() -> Iterator[Task]:
        for number, group in enumerate(groups):
            if pause_of(store.events()):
                return
            task = read_task(number, group[0], reuse)
            if isinstance(task, Outcome):
                unreadable.append((group, task))
            else:
                tell(Event(group[0], Step.STARTED, None))
                yield task

    for number, outcome in workers.outcomes(tasks(), at_once):
        yield groups[number], checked(outcome, groups[number][0])
    yield from unreadable
