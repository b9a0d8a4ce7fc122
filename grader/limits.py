"""The limits of a grading, and the watchdog that enforces those which the kernel does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType

import psutil

from grader.verdicts import ParticipantFault, Verdict

MIB = 1 << 20
GPU_SECONDS = 300.0
CPU_SECONDS = 1800.0
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Limits:
    """What one grading may use.

    Attributes:
        seconds: wall clock for the whole grading, the trainer's work included.
        memory_bytes: proportional set size of all its processes together.
        processes: how many processes may live at once.
        scratch_bytes: all files it writes; /tmp, where its working folder is, holds them.
        shm_bytes: /dev/shm.
        output_bytes: how much of stdout and stderr is kept, and of each file that is copied out.
    """

    seconds: float
    memory_bytes: int = 8192 * MIB
    processes: int = 128
    scratch_bytes: int = 512 * MIB
    shm_bytes: int = 256 * MIB
    output_bytes: int = 16 * MIB


def default_limits(device: str, seconds: float | None = None) -> Limits:
    """Return the task's limits on `device` ("cpu" or "cuda"); `seconds` replaces the wall clock."""
    limits = Limits(GPU_SECONDS if device == "cuda" else CPU_SECONDS)
    return limits if seconds is None else replace(limits, seconds=seconds)


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


class Watchdog:
    """Watches a process tree from a thread, as long as its context lasts, and kills it when it breaks a limit.

    Attributes:
        breach: the fault of the first broken limit, None as long as there is none.
    """

    def __init__(self, root_pid: int, limits: Limits, kill: Callable[[], None]) -> None:
        self.breach: ParticipantFault | None = None
        self.deadline = time.monotonic() + limits.seconds
        self._root_pid, self._limits, self._kill = root_pid, limits, kill
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
                self._kill()
                return

    def _find_breach(self) -> ParticipantFault | None:
        limits = self._limits
        if time.monotonic() > self.deadline:
            return ParticipantFault(
                Verdict.TIME_LIMIT,
                f"the grading took longer than {limits.seconds:g} s; make your function faster, or do its work once "
                "instead of in every call",
            )
        try:
            processes = psutil.Process(self._root_pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return None
        if len(processes) > limits.processes:
            return ParticipantFault(
                Verdict.RUNTIME_ERROR, f"more than {limits.processes} processes at once; start fewer"
            )
        used = sum(memory_of(process) for process in processes)
        if used > limits.memory_bytes:
            return ParticipantFault(
                Verdict.MEMORY_LIMIT,
                f"the notebook used {used // MIB:,} MiB of memory, {limits.memory_bytes // MIB:,} MiB are allowed",
            )
        return None
