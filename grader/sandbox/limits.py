"""The limits of a grading, and the faults of those who break them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from grader.verdicts import ParticipantFault, Verdict

MIB = 1 << 20
GPU_SECONDS = 300.0
CPU_SECONDS = 1800.0
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
