"""A watchdog over the limits that the kernel leaves to us: time, and without a control group memory and tasks too."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Protocol

import psutil

from grader.sandbox.limits import TASKS_PER_PROCESS, Limits, too_many_processes, too_much_memory, too_slow
from grader.verdicts import ParticipantFault

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
    """Return how many threads a process has, 0 when it is gone."""
    try:
        return process.num_threads()
    except psutil.Error:
        return 0


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

    def kill(self) -> None:
        """Kill the notebook and all its processes."""


class Watchdog:
    """Watches a notebook from a thread, as long as its context lasts, and kills it when it breaks a limit.

    Attributes:
        breach: the fault of the first broken limit, None as long as there is none.
        deadline: `time.monotonic()` at which its time is over.
    """

    def __init__(self, watched: Watched, limits: Limits) -> None:
        self.breach: ParticipantFault | None = None
        self.deadline = time.monotonic() + limits.seconds
        self._watched, self._limits = watched, limits
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

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
            self.breach = self._find_breach()
            if self.breach is not None:
                self._watched.kill()
                return

    def _find_breach(self) -> ParticipantFault | None:
        if time.monotonic() > self.deadline:
            return too_slow(self._limits)
        return self._watched.breach() or self._processes_breach()

    def _processes_breach(self) -> ParticipantFault | None:
        try:
            processes = psutil.Process(self._watched.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return None
        if len(processes) > self._limits.processes:
            return too_many_processes(self._limits)
        if self._watched.kernel_limits:
            return None
        if sum(threads_of(process) for process in processes) > self._limits.processes * TASKS_PER_PROCESS:
            return too_many_processes(self._limits)
        used = sum(memory_of(process) for process in processes)
        return too_much_memory(self._limits, used) if used > self._limits.memory_bytes else None
