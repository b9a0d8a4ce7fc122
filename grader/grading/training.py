"""Train both models against a notebook in its sandbox.

The notebook's kernel starts, and loads its libraries and data, while the trainer does the same. All that it runs until
then is ours: it rings, and its solution cell waits until the trainer is ready too. Then the clocks begin.

The channel decides: all batches answered validly is `OK`, whatever the notebook does afterwards. If it ends early, the
verdict is the first of: a limit that was hit, a fault that the notebook reported, a machine that was too slow,
`RuntimeError`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from competition.notebook import BELL, notebook_text, notebook_to_serve
from grader.grading.artifacts import Artifacts
from grader.grading.data_folder import DataFolder
from grader.grading.listening import ChannelEnded, Listener
from grader.grading.settings import Settings
from grader.safe_io import parse_json, plain_message
from grader.sandbox import (
    INPUT_NOTEBOOK,
    Job,
    ParticipantClock,
    Watchdog,
    gateway_folder,
    quota_used_up,
    run_notebook,
)
from grader.submission import Submission
from grader.verdicts import InfrastructureError, ParticipantFault, SandboxLost, Verdict

if TYPE_CHECKING:
    from competition.task.epoch import Epoch
    from competition.task.model import SmallMobileNet
    from grader.grading.trainer import Splits

ATTEMPTS = 3
FAREWELL_SECONDS = 20.0
SAID = 500  # characters of what it printed last, to tell why it ended
DEADLINE_SLACK_SECONDS = 30.0  # the watchdog, on however busy a machine, is to end it before the gateway does


@dataclass(frozen=True)
class Training:
    """What the trusted trainer has when the sandbox is dead.

    Attributes:
        fault: why the channel ended early, ours where the machine was too slow; None when every batch was answered
            validly.
        artifacts: what to keep.
        seconds, clock_seconds, answer_seconds: see `Record`.
    """

    fault: ParticipantFault | InfrastructureError | None
    artifacts: Artifacts
    seconds: float = 0.0
    clock_seconds: float = 0.0
    answer_seconds: float = 0.0


def error_in_notebook(executed: bytes | None) -> str | None:
    """Find the first error in an executed notebook's outputs: hostile JSON in, one text out, or None."""
    try:
        notebook = parse_json(executed or b"null")
        for cell in notebook["cells"]:
            for output in cell.get("outputs", []):
                if output.get("output_type") == "error":
                    return "\n".join(map(str, output["traceback"]))
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    return None


def early_end(executed: bytes | None, answered: int) -> ParticipantFault:
    """Make the fault of a notebook that ended before every batch was answered, and told no reason."""
    error = error_in_notebook(executed)
    if error is not None:
        return ParticipantFault(Verdict.RUNTIME_ERROR, plain_message(error))
    return ParticipantFault(
        Verdict.RUNTIME_ERROR,
        f"the notebook or its kernel ended after {answered} answered batches, before the training was over; "
        "remove what ends it early, such as sys.exit, exit or os._exit, and catch crashes of native code",
    )


def run_training(submission: Submission, folder: DataFolder, splits: Splits, settings: Settings) -> Training:
    """Run the notebook in its sandbox and train against it; when this returns, nothing of the sandbox lives.

    Args:
        splits: ``train`` and ``val``, or empty: then they are opened and added.

    Raises:
        InfrastructureError: the sandbox cannot be made, or the data is unreadable or changed.
        SandboxLost: the sandbox did not start, or was killed from outside.
    """
    settings.note("starting")
    started = time.monotonic()
    limits = settings.limits
    clock = ParticipantClock()
    fault: ParticipantFault | InfrastructureError | None
    reported: ParticipantFault | None = None
    complete = False
    models: list[SmallMobileNet] = []
    history: list[Epoch] = []
    with gateway_folder() as socket_folder:
        (socket_folder / INPUT_NOTEBOOK).write_text(
            notebook_text(notebook_to_serve(submission.solution)), encoding="utf-8"
        )
        job = Job(
            gateway=socket_folder,
            train=folder.folder_of(settings.train) / settings.train,
            val=folder.public / "val",
            device=settings.device,
            threads=settings.threads,
            limits=limits,
            image=settings.image,
        )
        with Listener(socket_folder / Path(BELL).name) as bell, run_notebook(settings.backend, job) as running:
            with Watchdog(running, limits, clock) as watchdog:
                from grader.grading.gateway import Gateway  # torch is loaded beside the notebook's kernel
                from grader.grading.trainer import get_ready, train_against

                try:
                    get_ready(splits, folder, settings)
                except cuda_failures() as error:
                    raise SandboxLost(f"the GPU failed before the notebook began: {first_line(error)}") from None
                with Gateway(socket_folder, clock, limits) as gateway:
                    try:
                        bell.accept(watchdog.deadline, running.alive).close()
                        watchdog.begin()
                        models, history = train_against(
                            gateway, watchdog.deadline + DEADLINE_SLACK_SECONDS, running.alive, splits, settings
                        )
                        complete = True
                    except ParticipantFault as error:
                        reported = error
                    except ChannelEnded:
                        pass
                    seconds = time.monotonic() - started
                running.wait(min(FAREWELL_SECONDS, watchdog.deadline - time.monotonic()))
            running.stop()
            breach = watchdog.breach or running.breach()
            executed = running.executed(limits.output_bytes)
            output = running.captured()
            if complete:
                fault = None
            elif breach is not None and (reported is None or isinstance(breach, ParticipantFault)):
                fault = breach
            elif running.is_full() and (reported is None or reported.verdict is Verdict.RUNTIME_ERROR):
                fault = quota_used_up(limits)
            elif reported is not None:
                fault = reported
            elif reason := running.lost():
                raise SandboxLost(f"{reason}; grade again")
            elif not clock.read().begun:
                said = (
                    error_in_notebook(executed) or output.decode(errors="replace").strip()[-SAID:] or "it said nothing"
                )
                raise SandboxLost(f"the notebook ended before its solution cell began: {plain_message(said)}")
            else:
                fault = early_end(executed, len(gateway.selections))
    artifacts = Artifacts(submission.raw, executed, output, models, gateway.selections, gateway.losses, history)
    reading = clock.read()
    return Training(fault, artifacts, seconds, reading.seconds, reading.answers)


def first_line(error: Exception) -> str:
    """Return what an exception says first."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def cuda_failures() -> tuple[type[Exception], ...]:
    """Return the exceptions by which a CUDA device fails."""
    import torch  # slow to load; whoever caught something that may be one has loaded it

    return torch.OutOfMemoryError, torch.AcceleratorError


def train_with_retries(submission: Submission, folder: DataFolder, splits: Splits, settings: Settings) -> Training:
    """Run the training; try again, at most twice, where the sandbox is lost or a CUDA device fails.

    Raises:
        InfrastructureError: see `run_training`; or the device fails without the submission too.
    """
    failure = ""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return run_training(submission, folder, splits, settings)
        except SandboxLost:
            if attempt == ATTEMPTS:
                raise
        except cuda_failures() as error:
            failure = first_line(error)
    from grader.grading.trainer import get_ready

    try:
        get_ready(splits, folder, settings)
    except cuda_failures():
        raise InfrastructureError(f"the GPU fails: {failure}; check it with nvidia-smi and grade again") from None
    fault = ParticipantFault(
        Verdict.MEMORY_LIMIT,
        f"the training lost the GPU {ATTEMPTS} times, with this notebook only; use less GPU memory ({failure})",
    )
    return Training(fault, Artifacts(submission.raw))
