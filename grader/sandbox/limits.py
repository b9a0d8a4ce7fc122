"""The limits of a grading, and the faults of those who break them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from grader.sandbox.clock import Reading
from grader.verdicts import InfrastructureError, ParticipantFault, Verdict

MIB = 1 << 20
PARTICIPANT_SECONDS = 280.0
GPU_GUARD, CPU_GUARD = 360.0, 1800.0  # seconds: the notebook's clock, and the training's own work
OFF_TURN_SHARE = 0.1  # of the guard; see `guard_struck`
TASKS_PER_PROCESS = 8  # a process is counted with its threads too, and then this much more is allowed


@dataclass(frozen=True)
class Limits:
    """What one grading may use.

    Attributes:
        seconds: the participant's clock: how long the training may wait for the notebook, all waits together.
        guard: wall clock of both together, the notebook's turns and the training's, from when both are ready; as long
            again may that take.
        memory_bytes: memory of all its processes together. A control group counts the files in /tmp and /dev/shm too;
            the watchdog counts what the processes have mapped, each page shared out among those that map it.
        processes: how many processes may live at once.
        scratch_bytes: all files it writes; /tmp, where its working folder is, holds them.
        shm_bytes: /dev/shm.
        files: how many files and folders it may have, in /tmp and in /dev/shm each: even empty ones take memory.
        output_bytes: of each file that is copied out.
    """

    seconds: float = PARTICIPANT_SECONDS
    guard: float = CPU_GUARD
    memory_bytes: int = 8192 * MIB
    processes: int = 128
    scratch_bytes: int = 512 * MIB
    shm_bytes: int = 256 * MIB
    files: int = 1 << 16
    output_bytes: int = 16 * MIB


def default_limits(device: str, seconds: float | None = None, guard: float | None = None) -> Limits:
    """Return the task's limits on `device`, "cpu" or "cuda".

    Args:
        seconds: replaces the participant's clock.
        guard: replaces the guard, which otherwise grows with a longer clock: the training's own time stays.
    """
    limits = Limits(guard=GPU_GUARD if device == "cuda" else CPU_GUARD)
    if seconds is not None:
        limits = replace(limits, seconds=seconds, guard=limits.guard + max(seconds - limits.seconds, 0.0))
    return limits if guard is None else replace(limits, guard=guard)


def too_slow(limits: Limits, reading: Reading, batches: int | None) -> ParticipantFault:
    """Make the fault of a notebook whose clock has run out; `batches` are those of one epoch, where they are known."""
    call = reading.waits - (reading.pending is None)  # counted from 1; the first wait was for the connection
    if call < 1:
        text = f"the notebook had not come to its first call after {reading.seconds:.1f} s of the {limits.seconds:g} s "
        text += "that it may take; do less at the top of your solution cell"
        return ParticipantFault(Verdict.TIME_LIMIT, text)
    place = f" (epoch {(call - 1) // batches + 1}, batch {(call - 1) % batches + 1})" if batches else ""
    ended = "returned too late" if reading.pending is None else f"had not returned after {reading.pending:.1f} s"
    if reading.start > reading.seconds - reading.start:
        advice = "do less at the top of your solution cell"
    else:
        advice = "make your function faster, or do its work once instead of in every call"
    return ParticipantFault(
        Verdict.TIME_LIMIT,
        f"call {call}{place} {ended}; of the {limits.seconds:g} s that your notebook may take, {reading.start:.1f} s "
        f"went before the first call and {reading.answers:.1f} s into calls that returned; {advice}",
    )


def guard_struck(limits: Limits, reading: Reading, off_turn: float) -> ParticipantFault | InfrastructureError:
    """Tell whose fault it is that the whole grading took too long, although the participant's clock kept its limit.

    Work out of turn delays the training by no more than its own CPU time. Up to a tenth of the guard, nine tenths had
    passed without it: then the machine was too slow. Beyond that, it is the notebook's. An honest one has next to none.

    Args:
        off_turn: CPU seconds that the notebook worked while it was not its turn.
    """
    if off_turn > OFF_TURN_SHARE * limits.guard:
        return ParticipantFault(
            Verdict.TIME_LIMIT,
            f"the whole grading took longer than {limits.guard:g} s, and your notebook used {off_turn:.1f} s of CPU "
            "time while it was not its turn, which slows the training down; let no thread or process work beside your "
            "function",
        )
    return InfrastructureError(
        f"the machine was too slow: the whole grading took longer than {limits.guard:g} s, and of that the notebook "
        f"took only {reading.seconds:.1f} s of the {limits.seconds:g} s that it may; grade again alone, or with fewer "
        "workers"
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
