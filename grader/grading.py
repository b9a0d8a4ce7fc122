"""Grade one submission: the whole way from a notebook's bytes to a record.

    bytes -> solution cell -> pristine notebook -> sandbox <-> gateway <-> training -> (sandbox dead)
          -> test split -> record

The data is opened and verified while the notebook's kernel starts.

The channel decides: all batches answered validly is `OK`, whatever the notebook does afterwards. If it ends early, the
verdict is the first of: a limit that was hit, a fault that the notebook reported, `RuntimeError`.
"""

from __future__ import annotations

import json
import platform
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from competition.build import is_training_draw
from competition.manifest import Split
from competition.notebook import graft, notebook_text, template_sha256
from competition.task.constants import NUM_THREADS, SEED
from competition.task.data import make_loader
from competition.task.metric import performance
from competition.task.model import SmallMobileNet
from competition.task.selection import SelectIndices
from competition.task.training import Epoch, train_two_models
from grader.gateway import ChannelEnded, Gateway
from grader.limits import Limits, Watchdog, default_limits, quota_used_up
from grader.plain_text import plain_message
from grader.record import Artifacts, Record
from grader.sandbox import (
    DEFAULT_IMAGE,
    INPUT_NOTEBOOK,
    Backend,
    Job,
    Running,
    gateway_folder,
    run_notebook,
)
from grader.submission import Submission, read_submission
from grader.trainer import (
    DataFolder,
    data_sha256,
    evaluate,
    find_data,
    open_verified,
    warm_up,
)
from grader.verdicts import InfrastructureError, ParticipantFault, SandboxLost, Verdict

Splits = dict[str, Split]
LIBRARIES = ("torch", "torchvision", "numpy", "scikit-learn", "scipy", "pandas", "papermill", "ipykernel")
ATTEMPTS = 3
CUDA_FAILURES = (torch.OutOfMemoryError, torch.AcceleratorError)
FAREWELL_SECONDS = 20.0
DEADLINE_SLACK_SECONDS = 5.0  # the watchdog is to find the time limit broken before the gateway does


@dataclass(frozen=True)
class Settings:
    """How to grade.

    Attributes:
        data: the data folder.
        split: "val", "test_a" or "test_b".
        train: which training draw: "train", the public one, or "redraw-1" and so on.
        seed: the training's seed, 0 to 2**32 - 1.
        device: "cpu" or "cuda".
        threads: CPU threads of the training, and of the notebook; another number gives other bits.
        backend: how the notebook is isolated.
        image: the image of a container; other backends need none.
        seconds: wall clock for the whole grading; None for the task's own limit.
        progress: whether to draw progress bars.
    """

    data: Path
    split: str
    train: str = "train"
    seed: int = SEED
    device: str = "cpu"
    threads: int = NUM_THREADS
    backend: Backend = Backend.BWRAP
    image: str = DEFAULT_IMAGE
    seconds: float | None = None
    progress: bool = False

    @property
    def limits(self) -> Limits:
        """The limits of this grading."""
        return default_limits(self.device, self.seconds)


@dataclass(frozen=True)
class Training:
    """What the trusted trainer has when the sandbox is dead.

    Attributes:
        fault: why the channel ended early; None when every batch was answered validly.
        artifacts: what to keep.
        seconds, answer_seconds: see `Record`.
    """

    fault: ParticipantFault | None
    artifacts: Artifacts
    seconds: float
    answer_seconds: float


def error_in_notebook(executed: bytes | None) -> str | None:
    """Find the first error in an executed notebook's outputs: hostile JSON in, one text out, or None."""
    try:
        notebook: Any = json.loads(executed or b"null")
        for cell in notebook["cells"]:
            for output in cell.get("outputs", []):
                if output.get("output_type") == "error":
                    return "\n".join(map(str, output["traceback"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    return None


def early_end(executed: bytes | None, answered: int) -> ParticipantFault:
    """Make the fault of a notebook that ended before every batch was answered, and told no reason."""
    error = error_in_notebook(executed)
    if error is not None:
        return ParticipantFault(Verdict.RUNTIME_ERROR, f"your notebook raised an error:\n{plain_message(error)}")
    return ParticipantFault(
        Verdict.RUNTIME_ERROR,
        f"the notebook or its kernel ended after {answered} answered batches, before the training was over; "
        "remove what ends it early, such as sys.exit, exit or os._exit, and catch crashes of native code",
    )


def train_against(
    gateway: Gateway, running: Running, watchdog: Watchdog, opening: Future[Splits], settings: Settings
) -> tuple[list[SmallMobileNet], list[Epoch]]:
    """Train both models, asking the notebook behind `gateway` for every selection.

    Raises:
        ParticipantFault: see `Gateway.select_indices`.
        ChannelEnded: likewise.
        InfrastructureError: the data is unreadable or changed.
    """
    splits = opening.result()
    gateway.accept(settings.seed, watchdog.deadline + DEADLINE_SLACK_SECONDS, running.alive)
    result = train_two_models(
        make_loader(splits["train"].dataset),
        make_loader(splits["val"].dataset),
        gateway.select_indices,
        seed=settings.seed,
        device=torch.device(settings.device),
        threads=settings.threads,
        progress=settings.progress,
    )
    gateway.finish()
    return result


def run_training(submission: Submission, folder: DataFolder, opening: Future[Splits], settings: Settings) -> Training:
    """Run the notebook in its sandbox and train against it; when this returns, nothing of the sandbox lives.

    Raises:
        InfrastructureError: the sandbox cannot be made, or the data is unreadable or changed.
        SandboxLost: the sandbox did not start, or was killed from outside.
    """
    started = time.monotonic()
    limits = settings.limits
    fault: ParticipantFault | None = None
    complete = False
    models: list[SmallMobileNet] = []
    history: list[Epoch] = []
    with gateway_folder() as socket_folder, Gateway(socket_folder) as gateway:
        (socket_folder / INPUT_NOTEBOOK).write_text(notebook_text(graft(submission.solution)), encoding="utf-8")
        job = Job(
            gateway=socket_folder,
            train=folder.folder_of(settings.train) / settings.train,
            val=folder.public / "val",
            device=settings.device,
            threads=settings.threads,
            limits=limits,
            image=settings.image,
        )
        with run_notebook(settings.backend, job) as running:
            with Watchdog(running, limits) as watchdog:
                try:
                    models, history = train_against(gateway, running, watchdog, opening, settings)
                    complete = True
                except ParticipantFault as error:
                    fault = error
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
            elif breach is not None:
                fault = breach
            elif running.is_full() and (fault is None or fault.verdict is Verdict.RUNTIME_ERROR):
                fault = quota_used_up(limits)
            elif fault is None:
                if reason := running.lost():
                    raise SandboxLost(f"{reason}; grade again")
                fault = early_end(executed, len(gateway.selections))
    artifacts = Artifacts(submission.raw, executed, output, models, gateway.selections, gateway.losses, history)
    return Training(fault, artifacts, seconds, gateway.answer_seconds)


def require_splits(settings: Settings, folder: DataFolder) -> None:
    """Find out before a training is spent on it whether every split is there that the grading needs.

    Raises:
        InfrastructureError: one is missing.
    """
    for split in (settings.train, "val", settings.split):
        path = folder.folder_of(split) / split
        if not path.is_dir():
            remedy = "restore it, or build the data again"
            raise InfrastructureError(
                f"{path} is missing: {remedy}{', with --redraw K' if is_training_draw(split) else ''}"
            )


def open_training_splits(folder: DataFolder, train: str = "train") -> Splits:
    """Open and verify what a training needs: ``train``, from the given draw, and ``val``; see `open_verified`."""
    return {"train": open_verified(folder, train), "val": open_verified(folder, "val")}


def train_with_retries(
    submission: Submission, folder: DataFolder, opening: Future[Splits], settings: Settings
) -> Training:
    """Run the training; try again, at most twice, where the sandbox is lost or a CUDA device fails.

    Raises:
        InfrastructureError: see `run_training`; or the device fails without the submission too.
    """
    device = torch.device(settings.device)
    failure = ""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            if device.type == "cuda":
                warm_up(device, opening.result()["train"].dataset)
            return run_training(submission, folder, opening, settings)
        except SandboxLost:
            if attempt == ATTEMPTS:
                raise
        except CUDA_FAILURES as error:
            failure = str(error).splitlines()[0]
    try:
        warm_up(device, opening.result()["train"].dataset)
    except CUDA_FAILURES:
        raise InfrastructureError(f"the GPU fails: {failure}; check it with nvidia-smi and grade again") from None
    fault = ParticipantFault(
        Verdict.MEMORY_LIMIT,
        f"the training lost the GPU {ATTEMPTS} times, with this notebook only; use less GPU memory ({failure})",
    )
    return Training(fault, Artifacts(submission.raw), 0.0, 0.0)


def draft_record(settings: Settings) -> Record:
    """Make the record of a grading that has not begun."""
    return Record(
        verdict=Verdict.OK,
        message="every batch was answered",
        points=0,
        bac=None,
        bac_mean=None,
        split=settings.split,
        train=settings.train,
        seed=settings.seed,
        device=settings.device,
        threads=settings.threads,
        versions={"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        time_limit=settings.limits.seconds,
        seconds=0.0,
        answer_seconds=0.0,
        sandbox=settings.backend.value,
        solution_sha256=None,
        template_sha256=template_sha256(),
        data_sha256=None,
        split_sha256=None,
        notices=(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def scored(draft: Record, models: list[SmallMobileNet], folder: DataFolder, splits: Splits) -> Record:
    """Score trained models on the draft's split, which is opened only now, and complete the record.

    Raises:
        InfrastructureError: the split is missing or changed.
    """
    split = splits.get(draft.split) or open_verified(folder, draft.split)
    bac = evaluate(models, split.dataset)
    bac_mean = sum(bac) / len(bac)
    return replace(draft, points=performance(bac_mean), bac=bac, bac_mean=bac_mean, split_sha256=split.sha256)


def grade(raw: bytes | ParticipantFault, settings: Settings) -> tuple[Record, Artifacts]:
    """Grade a submitted notebook.

    Args:
        raw: the submitted file's bytes, or the fault found while reading it.

    Returns:
        The record, whatever the verdict, and what to keep beside it. Our own bugs propagate.
    """
    draft = draft_record(settings)
    artifacts = Artifacts(submission=raw if isinstance(raw, bytes) else None)
    try:
        if isinstance(raw, ParticipantFault):
            raise raw
        submission = read_submission(raw)
        draft = replace(draft, solution_sha256=submission.solution_sha256, notices=submission.notices)
        folder = find_data(settings.data)
        require_splits(settings, folder)
        with ThreadPoolExecutor(1, "open-data") as pool:
            opening = pool.submit(open_training_splits, folder, settings.train)
            pool.shutdown(wait=False)  # two threads with OpenMP teams would make libgomp sleep where it should spin
            training = train_with_retries(submission, folder, opening, settings)
        draft = replace(draft, data_sha256=data_sha256(opening.result()))
        artifacts = training.artifacts
        draft = replace(draft, seconds=round(training.seconds, 3), answer_seconds=round(training.answer_seconds, 3))
        if training.fault is not None:
            if training.fault.verdict is Verdict.RUNTIME_ERROR:
                open_training_splits(folder, settings.train)  # data that vanished meanwhile is nobody's fault but ours
            raise training.fault
        return scored(draft, artifacts.models, folder, opening.result()), artifacts
    except ParticipantFault as fault:
        return replace(draft, verdict=fault.verdict, message=plain_message(fault.message)), artifacts
    except (InfrastructureError, OSError) as error:
        return replace(draft, verdict=Verdict.INFRASTRUCTURE_ERROR, message=str(error), points=None), artifacts


def grade_trusted(
    select_indices: SelectIndices,
    draft: Record,
    folder: DataFolder,
    splits: Splits,
    settings: Settings,
) -> tuple[Record, Artifacts]:
    """Train with the organizer's own selection function, in this process and without a sandbox, and score it.

    Raises:
        InfrastructureError: the split is missing or changed.
    """
    started = time.monotonic()
    selections: list[list[torch.Tensor]] = []
    seen: list[list[torch.Tensor]] = []

    def keeping(targets: torch.Tensor, losses: list[torch.Tensor]) -> list[torch.Tensor]:
        seen.append(losses)
        selections.append(select_indices(targets, losses))
        return selections[-1]

    models, history = train_two_models(
        make_loader(splits["train"].dataset),
        make_loader(splits["val"].dataset),
        keeping,
        seed=settings.seed,
        device=torch.device(settings.device),
        threads=settings.threads,
        progress=settings.progress,
    )
    draft = replace(draft, seconds=round(time.monotonic() - started, 3), sandbox=Backend.NONE.value)
    return scored(draft, models, folder, splits), Artifacts(
        models=models, selections=selections, losses=seen, history=history
    )
