"""Grades one notebook that somebody hands over and waits for, through a store: the same cell is trained once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from grader.contest.batch import Event, find_graded, grade_waiting, make_jobs
from grader.contest.entries import CELL, identify
from grader.contest.reuse import Reuse
from grader.contest.store import Entry, Kind, Received, Store
from grader.contest.workers import Workers
from grader.grading import Record, Settings
from grader.verdicts import InfrastructureError, Verdict


@dataclass(frozen=True)
class Answer:
    """What became of a notebook.

    Attributes:
        record: the record of its grading.
        run: its run folder.
        trained: whether it was trained for this answer.
    """

    record: Record
    run: Path
    trained: bool


@dataclass(frozen=True)
class OneByOne:
    """Where notebooks are handed over, of whom nothing is known but the platform that they come from.

    Attributes:
        platform: stands for all participants in the store.
        store: the SQLite file.
        runs: the folder of the run folders.
        settings: how to grade.
    """

    platform: str
    store: Path
    runs: Path
    settings: Settings

    def grade(self, raw: bytes, workers: Workers, may_train: Callable[[], bool]) -> Answer | None:
        """Grade a notebook, or find what its solution cell reached before; None where it may not be trained.

        Args:
            raw: the file.
            workers: who grades.
            may_train: asked once, only where a training is needed.

        Raises:
            InfrastructureError: it could not be graded, which is not its fault.
        """
        with Store(self.store) as store:
            submission = self._received(store, raw)
            reuse = Reuse(store, self.runs, self.settings.data)
            ends: list[Record] = []

            def tell(event: Event) -> None:
                if event.record is not None:
                    ends.append(event.record)

            jobs = make_jobs([submission], self.settings, [self.settings.seed])
            waiting = find_graded(jobs, store, reuse, tell)
            if waiting and submission.code.startswith(CELL) and not may_train():
                return None
            grade_waiting(waiting, store, reuse, workers, self.runs, tell)
            record = ends[-1]
            if record.verdict is Verdict.INFRASTRUCTURE_ERROR:
                raise InfrastructureError(record.message)
            finished = store.finished(submission, jobs[0].key)
            assert finished is not None  # it was told of
            return Answer(finished.record, self.runs / finished.run, trained=bool(waiting))

    def _received(self, store: Store, raw: bytes) -> Received:
        """Return the submission that a file is in the store; handed over again, it stays the one that it was."""
        file_sha256, code = identify(raw)
        known = (each for each in store.submissions() if each.file_sha256 == file_sha256)
        if (submission := next(known, None)) is not None:
            return submission
        store.kept.put(file_sha256, raw)
        place = Path(f"{file_sha256[:10]}.ipynb")
        entry = Entry(self.platform, Kind.PARTICIPANT, place, datetime.now(UTC), file_sha256, code)
        return store.receive([entry])[0]
