"""The limits of a grading, the faults of those who break them, and the watchdog over those that the kernel leaves."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol

import psutil

from grader.verdicts import ParticipantFault, Verdict

MIB = 1 << 20
GPU_SECONDS = 300.0
CPU_SECONDS = 1800.0
POLL_SECONDS = 0.2
TASKS_PER_PROCESS = 8  # a process is counted with its threads too, and then this much more is allowed


@dataclass(frozen=True)
class Limits:
    """What one grading may use.

    Attributes:
        seconds: wall clock for the whole grading, the trainer's work included.
        memory_bytes: memory of all its processes together. A control group counts the files in /tmp and /dev/shm too;
            the watchdog counts what the processes have mapped, each page shared out among those that map it.
        processes: how many processes may live at once.
        scratch_bytes: all files it writes; /tmp, where its working folder is, holds them.
        shm_bytes: /dev/shm.
        files: how many files and folders it may have, in /tmp and in /dev/shm each: even empty ones take memory.
        output_bytes: of each file that is copied out.
    """

    seconds: float
    memory_bytes: int = 8192 * MIB
    processes: int = 128
    scratch_bytes: int = 512 * MIB
    shm_bytes: int = 256 * MIB
    files: int = 1 << 16
    output_bytes: int = 16 * MIB


def default_limits(device: str, seconds: float | None = None) -> Limits:
    """Return the task's limits on `device` ("cpu" or "cuda"); `seconds` replaces the wall clock."""
    limits = Limits(GPU_SECONDS if device == "cuda" else CPU_SECONDS)
    return limits if seconds is None else replace(limits, seconds=seconds)


def too_slow(limits: Limits) -> ParticipantFault:
    """Make the fault of a grading whose time is over."""
    return ParticipantFault(
        Verdict.TIME_LIMIT,
        f"the grading took longer than {limits.seconds:g} s; make your function faster, or do its work once instead of "
        "in every call",
    )


def too_much_memory(limits: Limits, used: int | None = None) -> ParticipantFault:
    """Make the fault of a notebook that used more memory, in bytes, than it may."""
    amount = "more memory than it may" if used is None else f"{used // MIB:,} MiB of memory"
    return ParticipantFault(
        Verdict.MEMORY_LIMIT, f"the notebook used {amount}: {limits.memory_bytes // MIB:,} MiB are allowed"
    )


def too_many_processes(limits: Limits) -> ParticipantFault:
    """Make the fault of a notebook that started too many processes, or threads."""
    return ParticipantFault(
        Verdict.RUNTIME_ERROR, f"more than {limits.processes} processes at once, or too many threads; start fewer"
    )


def too_many_files(limits: Limits) -> ParticipantFault:
    """Make the fault of a notebook that wrote too many files."""
    return ParticipantFault(
        Verdict.OUTPUT_LIMIT, f"the notebook wrote more than {limits.files:,} files and folders; write fewer"
    )


def quota_used_up(limits: Limits) -> ParticipantFault:
    """Make the fault of a notebook that failed when there was no room left for its files."""
    return ParticipantFault(
        Verdict.OUTPUT_LIMIT,
        f"the notebook filled the {limits.scratch_bytes // MIB} MiB that it may write, or the "
        f"{limits.shm_bytes // MIB} MiB of /dev/shm; write less, or delete files",
    )


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
