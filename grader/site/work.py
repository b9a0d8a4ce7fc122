"""Grades what the site has received, as it comes: the one part of the site that opens the data.

It runs in a process of its own, which `grader serve` starts, and takes its work from the store: the uploads that wait,
in the order of the queue. The gradings are those of `grader batch`. Beside each it writes the participant's report, and
after it the board that all may see, so that the web process needs neither data nor models. Whatever ends it, the next
one goes on: an upload is done when its grading is in the store.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from grader import pages
from grader.contest import (
    ENDS,
    FINAL,
    Board,
    Crew,
    Event,
    Grading,
    Reuse,
    Rules,
    SiteStore,
    Step,
    Workers,
    both_boards,
    find_graded,
    freeze_of,
    grade_waiting,
    make_board,
    make_jobs,
    note_phase,
    pause_of,
    require_fit,
    require_sandbox,
    results_csv,
    results_of,
    stated_rules,
    stated_settings,
)
from grader.contest_file import Contest
from grader.options import say
from grader.safe_io import plain_line, write_whole
from grader.site.asked import grade_if_asked, publish_if_asked
from grader.site.reports import report_file, results_file
from grader.verdicts import InfrastructureError

POLL_SECONDS = 0.5
LOCK_TRIES = 10
BOARD_SECONDS = 5.0  # so often, at most, the board is made anew


class Desk:
    """The worker's place: what it grades with.

    Args:
        contest: the contest.
        store: its open store.
        workers: who computes.
    """

    def __init__(self, contest: Contest, store: SiteStore, workers: Workers) -> None:
        self._contest, self._store, self._workers = contest, store, workers
        self._settings = stated_settings(contest)
        self._reuse = Reuse(store, contest.runs, contest.data)
        self._unreported = iter(store.gradings())
        self._shown: object = None
        self._board_due = 0.0

    def step(self) -> bool:
        """Do the next piece of work; say whether there was any."""
        busy = publish_if_asked(self._contest, self._store)
        if pause_of(self._store.events()) is None:
            busy |= grade_if_asked(self._contest, self._store, self._reuse, self._workers, self._report)
            numbers = self._store.queue()[: self._workers.count]
            busy |= self._grade(numbers) if numbers else self._report_older()
        self._show_board()
        return busy

    def _grade(self, numbers: list[int]) -> bool:
        """Grade uploads; say whether one of them is done."""
        store, ended = self._store, False
        waiting = [submission for number in numbers if (submission := store.submission(number)) is not None]
        jobs = make_jobs(waiting, self._settings, [self._settings.seed])
        if self._contest.grading.ray_address is None:  # else it may be another machine, which has no store
            place = str(self._contest.store.resolve())
            tells = [partial(note_phase, place, job.submission.id) for job in jobs]
            jobs = [
                replace(job, settings=replace(job.settings, tell=tell)) for job, tell in zip(jobs, tells, strict=True)
            ]

        def tell(event: Event) -> None:
            nonlocal ended
            number = event.job.submission.id
            if event.step is Step.STARTED:
                store.begin(number, datetime.now(UTC))
            elif event.step in ENDS:
                ended = True
                if graded := store.finished(event.job.submission, event.job.key):
                    self._report(graded)
                store.end(number, datetime.now(UTC))

        grade_waiting(find_graded(jobs, store, self._reuse, tell), store, self._reuse, self._workers, self._runs, tell)
        return ended

    @property
    def _runs(self) -> Path:
        return self._contest.runs

    def _report(self, grading: Grading) -> None:
        """Write the participant's report of a grading into its run folder, where it is not there yet."""
        file = report_file(self._runs, grading.run)
        if file.exists():
            return
        try:
            report = pages.make_report(
                self._runs / grading.run, self._contest.data, for_organizer=False, store=self._contest.store
            )
            file.parent.mkdir(exist_ok=True)
            write_whole(file, pages.report_page(report))
        except (InfrastructureError, OSError) as error:
            say(f"notice: the report of {grading.run} cannot be written: {plain_line(str(error))}", err=True)

    def _report_older(self) -> bool:
        """Write one report of those that were missing when the work began; say whether there was one."""
        for grading in self._unreported:
            public = (grading.key.split, grading.key.train) == (self._settings.split, self._settings.train)
            if public and (self._runs / grading.run).is_dir() and not report_file(self._runs, grading.run).exists():
                self._report(grading)
                return True
        return False

    def _show_board(self) -> None:
        """Make the board anew where something has changed, but not all the time."""
        now = time.monotonic()
        if now < self._board_due:
            return
        changes = self._store.changes()
        if changes == self._shown:
            return
        rules = stated_rules(self._contest, self._store)
        split, title = self._settings.split, self._contest.title
        if frozen := freeze_of(self._store.events()):
            board = make_board(self._store, self._runs, split, replace(rules, frozen=frozen.cut), title)
            self._store.show_board(board_json(board), datetime.fromisoformat(frozen.at))
        else:
            board = make_board(self._store, self._runs, split, rules, title)
            self._store.show_board(board_json(board), datetime.now(UTC))
        self._write_results(rules)
        self._shown, self._board_due = changes, now + BOARD_SECONDS

    def _write_results(self, rules: Rules) -> None:
        """Write what organizers download: the boards as they are, whatever is frozen."""
        try:
            boards = both_boards(self._store, self._runs, rules, stated_rules(self._contest, self._store, FINAL))
            write_whole(results_file(self._contest.store), results_csv(results_of(self._store, boards)))
        except (ValueError, InfrastructureError, OSError) as error:
            say(f"notice: the results cannot be written: {plain_line(str(error))}", err=True)


def board_json(board: Board) -> str:
    """Write what everybody may see of the public board: ranks and whole points, no balanced accuracy.

    With each row goes the number of the submission that counts, by which its participant's own page marks it.
    """
    names = ("rank", "tied", "participant", "reference", "imitates", "points", "submissions", "last")
    rows = []
    for row in board.standings.rows:
        counted = None if row.reference else board.counted.get(row.participant)
        shown = {name: getattr(row, name) for name in names}
        rows.append(shown | {"counted": counted and counted.submission.id})
    return json.dumps(rows)


@contextmanager
def alone(store: Path) -> Iterator[None]:
    """Be the only one who grades for the site with this store; the lock goes with the process, however it ends.

    Raises:
        InfrastructureError: somebody else is.
    """
    with open(store.with_suffix(".worker"), "w") as stream:
        for _ in range(LOCK_TRIES):  # the organizers' page holds it for a moment, to see whether we are here
            with suppress(OSError):
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(0.1)
        else:
            raise InfrastructureError(f"another process grades for the site already, with the store {store}")
        yield


def work(contest: Contest) -> NoReturn:
    """Grade until the process is ended.

    Raises:
        InfrastructureError: there is no sandbox or no data, or a result cannot be kept.
    """
    require_sandbox(contest.grading.sandbox)
    crew = Crew(contest.grading.workers, contest.grading.ray_address, contest.grading.num_gpus)
    console = Console(stderr=True)
    with alone(contest.store), SiteStore(contest.store) as store:
        require_fit(contest, store, contest.data)
        store.wait_again(failed=True)
        started: AbstractContextManager[Workers] = crew.start(stated_settings(contest), console)
        with started as workers:
            desk = Desk(contest, store, workers)
            while True:
                if not desk.step():
                    time.sleep(POLL_SECONDS)
