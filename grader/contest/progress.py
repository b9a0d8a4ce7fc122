"""How a batch looks while it runs: a live table with a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from types import TracebackType

from rich.box import SIMPLE
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from grader.contest.batch import ENDS, Event, Job, Step
from grader.grading import Record
from grader.safe_io import plain_name, plain_text
from grader.verdicts import Verdict

SHOWN = 12  # finished gradings that the live table shows, the latest
SPEED_SECONDS = 24 * 3600.0  # the remaining time is estimated from the whole batch so far


def shown_result(record: Record) -> Text:
    """Write verdict and score in a few words."""
    if record.bac_mean is None:
        return Text(record.verdict.value, "red")
    return Text(f"{record.verdict.value}  {record.points:3d} points  BAC {record.bac_mean:.4f}", "green")


class BatchView:
    """Shows the events of a batch; a context manager, as a live table needs an end.

    Args:
        console: where to show them.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._finished: deque[tuple[Event, Record]] = deque(maxlen=SHOWN)
        self._running: dict[tuple[int, int], tuple[Job, float]] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("remaining"),
            TimeRemainingColumn(),
            console=console,
            speed_estimate_period=SPEED_SECONDS,
        )
        self._bar = self._progress.add_task("gradings", total=None)
        self._done = self._total = 0
        live = Live(get_renderable=self._render, console=console, refresh_per_second=2, transient=True)
        self._live = live if console.is_terminal else None

    def __enter__(self) -> BatchView:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def expect(self, gradings: int) -> None:
        """Say how many gradings are still to come; the bar and its estimate begin here."""
        self._total, self._done = gradings, 0
        self._progress.reset(self._bar, total=gradings)

    def tell(self, event: Event) -> None:
        """Show an event."""
        job, record = event.job, event.record
        place = (job.submission.id, job.key.seed)
        if event.step is Step.STARTED:
            self._running[place] = (job, time.monotonic())
        else:
            self._running.pop(place, None)
        if event.step in ENDS and record is not None:
            self._finished.append((event, record))
            self._done += 1
            self._progress.update(self._bar, completed=self._done if self._total else 0)
        if self._live is None and record is not None:
            self._console.print(self._line(event, record), soft_wrap=True)

    def _line(self, event: Event, record: Record) -> Text:
        count = f"[{self._done}/{self._total}] " if self._total and event.step in ENDS else ""
        name = plain_name(event.job.submission.participant)
        line = Text(f"{count}{name} {plain_name(event.job.submission.path.name)}, seed {event.job.key.seed}: ")
        line.append_text(shown_result(record))
        line.append(f", {record.seconds:.1f} s" if event.step is Step.GRADED else f", {event.step.value}")
        if record.verdict is Verdict.INFRASTRUCTURE_ERROR:
            line.append(f": {' '.join(plain_text(record.message).split())}")
        return line

    def _render(self) -> Group:
        table = Table("participant", "file", "seed", "result", "seconds", "", box=SIMPLE, expand=False)
        for event, record in self._finished:
            submission = event.job.submission
            table.add_row(
                Text(plain_name(submission.participant)),
                Text(plain_name(submission.path.name)),
                str(event.job.key.seed),
                shown_result(record),
                f"{record.seconds:.0f}",
                "" if event.step is Step.GRADED else event.step.value,
            )
        for job, started in self._running.values():
            table.add_row(
                Text(plain_name(job.submission.participant)),
                Text(plain_name(job.submission.path.name)),
                str(job.key.seed),
                "",
                f"{time.monotonic() - started:.0f}",
                "training",
            )
        return Group(table, self._progress)
