"""A batch that somebody watches: who grades, the live table, what is said at the end or when it is stopped."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from grader.contest.batch import ENDS, Event, Job, Step, find_graded, grade_waiting, make_jobs
from grader.contest.bound import grade_oracle
from grader.contest.events import pause_of
from grader.contest.progress import BatchView
from grader.contest.reuse import Reuse
from grader.contest.store import Received, Store
from grader.contest.turns import in_turns
from grader.contest.workers import InProcess, RayWorkers, Workers
from grader.grading import Record, Settings
from grader.options import INTERRUPTED, fail, say
from grader.sandbox import Backend, bwrap_problem, confined_problem, socket_problem
from grader.verdicts import InfrastructureError, Verdict


@contextmanager
def unless_stopped() -> Iterator[None]:
    """Turn a fault of ours, or Ctrl-C, into one line and its exit status."""
    try:
        yield
    except InfrastructureError as error:
        raise fail(error.message) from None
    except KeyboardInterrupt:
        say("stopped: what was graded is kept, and the same command goes on from here", err=True)
        raise typer.Exit(INTERRUPTED) from None


def require_sandbox(backend: Backend) -> None:
    """Raise `InfrastructureError` where the wanted sandbox does not work here, or no socket can be made."""
    problems = {Backend.BWRAP: bwrap_problem, Backend.CONFINED: confined_problem}
    if backend in problems and (problem := problems[backend]()):
        raise InfrastructureError(f"no sandbox: {problem}")
    if problem := socket_problem(Path(tempfile.gettempdir())):
        raise InfrastructureError(problem)


@dataclass(frozen=True)
class Crew:
    """Who grades: this process, or workers on Ray.

    Attributes:
        workers: gradings at once; None for one, or with a cluster for as many as it holds.
        ray_address: a running cluster's; None for one of our own where several workers are wanted.
        num_gpus: GPUs of one grading on Ray; None for one where the device is a GPU.
    """

    workers: int | None
    ray_address: str | None
    num_gpus: float | None

    def start(self, settings: Settings, console: Console) -> AbstractContextManager[Workers]:
        """Start them, and say how long it took."""
        if self.ray_address is None and (self.workers or 1) == 1:
            return nullcontext(InProcess())
        gpus = self.num_gpus if self.num_gpus is not None else float(settings.device == "cuda")
        ray = RayWorkers(self.workers, threads=settings.threads, gpus=gpus, address=self.ray_address)
        console.print(f"{ray.count} workers on Ray, which took {ray.startup_seconds:.1f} s to start")
        return ray


@dataclass(frozen=True)
class Night:
    """Everything that a batch needs besides the submissions.

    Attributes:
        store: the open store.
        runs: the folder of the run folders.
        settings: how to grade.
        seeds: with which training seeds.
        crew: who grades.
        console: where it is watched.
    """

    store: Store
    runs: Path
    settings: Settings
    seeds: tuple[int, ...]
    crew: Crew
    console: Console

    def grade(self, submissions: list[Received], *, oracle: bool) -> Counter[Verdict]:
        """Grade submissions, and the oracle where it is wanted; return how often each verdict was given.

        Raises:
            InfrastructureError: grading is paused; or see `grade_waiting` and `grade_oracle`.
        """
        reuse = Reuse(self.store, self.runs, self.settings.data)
        verdicts = self._grade_jobs(make_jobs(submissions, self.settings, list(self.seeds)), reuse)
        if oracle:
            grade_oracle(self.store, reuse, self.runs, self.settings, list(self.seeds), self._show_oracle)
        return verdicts

    def _grade_jobs(self, jobs: list[Job], reuse: Reuse) -> Counter[Verdict]:
        """Grade all jobs under a live table, and print and return how often each verdict was given."""
        ends: dict[Job, tuple[Step, Verdict]] = {}
        with BatchView(self.console) as view:

            def tell(event: Event) -> None:
                view.tell(event)
                if event.step in ENDS and event.record is not None:
                    ends[event.job] = (event.step, event.record.verdict)

            waiting = in_turns(find_graded(jobs, self.store, reuse, tell))
            if waiting:
                self._require_going(sum(map(len, waiting)))
                view.expect(sum(map(len, waiting)))
                with self.crew.start(self.settings, self.console) as workers:
                    grade_waiting(waiting, self.store, reuse, workers, self.runs, tell)
        verdicts = Counter(verdict for _, verdict in ends.values())
        steps = Counter(step for step, _ in ends.values())
        if jobs:
            self.console.print(
                Text(
                    f"done: {', '.join(f'{count} {step.value}' for step, count in steps.items())}; "
                    f"{', '.join(f'{count} {verdict.value}' for verdict, count in verdicts.items())}"
                )
            )
        if len(ends) < len(jobs):
            self._require_going(len(jobs) - len(ends))
        return verdicts

    def _require_going(self, left: int) -> None:
        """Raise `InfrastructureError` where grading is paused, with so many gradings left."""
        if pause := pause_of(self.store.events()):
            raise InfrastructureError(
                f"grading is paused since {pause.at}, with {left} left: 'grader resume', then the same command goes on"
            )

    def _show_oracle(self, seed: int, record: Record) -> None:
        self.console.print(f"oracle, seed {seed}: BAC {record.bac_mean or 0.0:.4f} on {record.split}")
