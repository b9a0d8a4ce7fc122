"""A watchdog over the limits that the kernel leaves to us: the clocks, and memory and tasks without a control group."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Protocol

import psutil

from grader.sandbox.clock import OffTurnWork, ParticipantClock
from grader.sandbox.limits import (
    TASKS_PER_PROCESS,
    Limits,
    guard_struck,
    too_many_processes,
    too_much_memory,
    too_slow,
)
from grader.verdicts import InfrastructureError, ParticipantFault

POLL_SECONDS = 0.2


def memory_of(process: psutil.Process) -> int:
    """Return the memory of a process in bytes: its proportional share of what it maps, or 0 when it is gone."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0
    except (psutil.AccessDenied, AttributeError):
        try:
            return int(process.memory_info().rss)
        except psutil.Error:
            return 0


def threads_of(process: psutil.Process) -> int:
    """Return how many threads a process has, 0 when it is gone.

    Counted by the kernel's folder of them, where there is one: a status file tells it behind the name of the process,
    which may be any text.
    """
    try:
        return len(list(Path(f"/proc/{process.pid}/task").iterdir()))
    except OSError:
        pass
    try:
        return process.num_threads()
    except psutil.Error:
        return 0


class CpuSeen:
    """The CPU time of a changing set of processes: the larger of two lower bounds.

    One is what those that live have worked, and their ended children that they waited for. The other is what each was
    seen to work while it lived: a child that nobody waits for is in no parent's time.
    """

    def __init__(self) -> None:
        self._last: dict[psutil.Process, float] = {}
        self._worked = 0.0

    def look(self, processes: list[psutil.Process]) -> float:
        """Return the CPU time of all that were ever looked at, in seconds."""
        living, last = 0.0, {}
        for process in processes:
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            own = float(times.user + times.system)
            living += own + float(times.children_user + times.children_system)
            self._worked += max(own - self._last.get(process, 0.0), 0.0)
            last[process] = own
        self._last = last
        return max(living, self._worked)


class Watched(Protocol):
    """What a watchdog needs to know of a running notebook, and to do to it."""

    @property
    def pid(self) -> int:
        """The process from which its whole tree descends."""

    @property
    def kernel_limits(self) -> bool:
        """Whether somebody else, such as the kernel, limits memory and tasks."""

    def breach(self) -> ParticipantFault | None:
        """Return the fault of a limit that was broken, as far as its backend can tell."""

    def cpu_seconds(self) -> float | None:
        """Return the CPU time of all its processes so far, None where only its process tree tells."""

    def kill(self) -> None:
        """Kill the notebook and all its processes."""


class Watchdog:
    """Watches a notebook from a thread, as long as its context lasts, and kills it when it breaks a limit.

    Attributes:
        breach: the fault of the first broken limit, ours where the machine was too slow; None as long as there is none.
        deadline: `time.monotonic()` at which the guard strikes; see `begin`.
    """

    def __init__(self, watched: Watched, limits: Limits, clock: ParticipantClock) -> None:
        self.breach: ParticipantFault | InfrastructureError | None = None
        self.deadline = time.monotonic() + limits.guard
        self._watched, self._limits, self._clock = watched, limits, clock
        self._off_turn = OffTurnWork(clock, os.cpu_count() or 1)
        self._seen = CpuSeen()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def begin(self) -> None:
        """Let the guard begin anew: notebook and training are ready, which took as long as it may take at most."""
        self.deadline = time.monotonic() + self._limits.guard

    def __enter__(self) -> Watchdog:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(POLL_SECONDS):
            try:
                self.breach = self._find_breach()
            except Exception as error:  # a notebook that nobody watches has no limits
                self.breach = InfrastructureError(f"the watchdog cannot watch: {error!r}; grade again")
            if self.breach is not None:
                self._watched.kill()
                return

    def _find_breach(self) -> ParticipantFault | InfrastructureError | None:
        reading = self._clock.read()
        if reading.seconds > self._limits.seconds:
            return too_slow(self._limits, reading, self._clock.batches)
        try:
            processes = psutil.Process(self._watched.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            processes = []
        self._off_turn.look(lambda: self._cpu_seconds(processes))
        if time.monotonic() > self.deadline:
            return guard_struck(self._limits, reading, self._off_turn.seconds)
        return self._watched.breach() or self._processes_breach(processes)

    def _cpu_seconds(self, processes: list[psutil.Process]) -> float:
        used = self._watched.cpu_seconds()
        return self._seen.look(processes) if used is None else used

    def _processes_breach(self, processes: list[psutil.Process]) -> ParticipantFault | None:
        if len(processes) > self._limits.processes:
            return too_many_processes(self._limits)
        if self._watched.kernel_limits:
            return None
        if sum(threads_of(process) for process in processes) > self._limits.processes * TASKS_PER_PROCESS:
            return too_many_processes(self._limits)
        used = sum(memory_of(process) for process in processes)
        return too_much_memory(self._limits, used) if used > self._limits.memory_bytes else None
