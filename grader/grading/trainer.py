"""The trusted side's use of the task: open verified data, train against a notebook, score models on a split."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file

from competition.errors import DataError
from competition.splits import Split, open_split
from competition.task.constants import BATCH_SIZE
from competition.task.data import TaskDataset, make_loader
from competition.task.epoch import Epoch
from competition.task.metric import predict_and_evaluate
from competition.task.model import SmallMobileNet
from competition.task.points import performance
from competition.task.selection import MAX_REPEATS
from competition.task.training import train_two_models
from grader.grading.data_folder import DataFolder, combined_sha256
from grader.grading.gateway import Gateway
from grader.grading.record import Record
from grader.grading.settings import Settings
from grader.verdicts import InfrastructureError

Splits = dict[str, Split]


def open_verified(data: DataFolder, split: str) -> Split:
    """Open a split and compare it with its manifest.

    Raises:
        InfrastructureError: it is missing, unreadable or changed.
    """
    try:
        return open_split(data.folder_of(split), split, verify=data.verify)
    except DataError as error:
        raise InfrastructureError(str(error)) from None


def open_training_splits(folder: DataFolder, train: str = "train") -> Splits:
    """Open and verify what a training needs: ``train``, from the given draw, and ``val``; see `open_verified`."""
    return {"train": open_verified(folder, train), "val": open_verified(folder, "val")}


def data_sha256(splits: dict[str, Split]) -> str:
    """Return one checksum for several splits."""
    return combined_sha256([split.sha256 for split in splits.values()])


def load_models(run: Path) -> list[SmallMobileNet]:
    """Load a run's two models."""
    models = []
    for which in (1, 2):
        model = SmallMobileNet()
        model.load_state_dict(load_file(run / f"model_{which}.safetensors"))
        models.append(model.to(memory_format=torch.channels_last))
    return models


def warm_up(splits: Splits, settings: Settings) -> None:
    """Train one epoch on `settings.device`, most of it with nothing selected, so that torch reserves what that takes.

    On a GPU a notebook may take all the memory that is left, also what CUDA would load its kernels into at their first
    use: so this is the training itself, with its largest step.
    """
    largest = torch.arange(BATCH_SIZE).repeat(MAX_REPEATS)

    def first_call_alone(targets: torch.Tensor, losses: list[torch.Tensor]) -> list[torch.Tensor]:
        nonlocal largest
        picked, largest = largest[largest < len(targets)], largest[:0]
        return [picked, picked]

    train_two_models(
        make_loader(splits["train"].dataset),
        make_loader(splits["val"].dataset),
        first_call_alone,
        device=torch.device(settings.device),
        threads=settings.threads,
        epochs=1,
        progress=None,
    )


def get_ready(splits: Splits, folder: DataFolder, settings: Settings) -> None:
    """Open and verify what a training needs, unless `splits` has it, and reserve the memory of a GPU.

    Raises:
        InfrastructureError: see `open_verified`; or torch cannot use the GPU.
    """
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise InfrastructureError("torch cannot use the GPU here: look at 'nvidia-smi', or grade with --device cpu")
    if not splits:
        splits.update(open_training_splits(folder, settings.train))
    if settings.device == "cuda":
        warm_up(splits, settings)


def train_against(
    gateway: Gateway, deadline: float, alive: Callable[[], bool], splits: Splits, settings: Settings
) -> tuple[list[SmallMobileNet], list[Epoch]]:
    """Train both models, asking the notebook behind `gateway` for every selection.

    Args:
        deadline, alive: see `Gateway.accept`.

    Raises:
        ParticipantFault: see `Gateway.select_indices`.
        ChannelEnded: likewise.
    """
    batches, validation = make_loader(splits["train"].dataset), make_loader(splits["val"].dataset)
    gateway.clock.batches = len(batches)
    settings.note("solution cell")
    gateway.accept(settings.seed, deadline, alive)

    def select_indices(targets: torch.Tensor, losses: list[torch.Tensor]) -> list[torch.Tensor]:
        epoch, batch = divmod(len(gateway.selections), len(batches))
        if batch == 0:
            settings.note(f"epoch {epoch + 1} of {settings.epochs}")
        return gateway.select_indices(targets, losses)

    result = train_two_models(
        batches,
        validation,
        select_indices,
        seed=settings.seed,
        device=torch.device(settings.device),
        threads=settings.threads,
        epochs=settings.epochs,
        progress=sys.stderr if settings.progress else None,
    )
    gateway.finish()
    return result


def evaluate(models: list[SmallMobileNet], dataset: TaskDataset) -> tuple[float, float]:
    """Return the balanced accuracy of both models on a split."""
    first, second = (predict_and_evaluate(model, make_loader(dataset)) for model in models)
    return first, second


def scored(draft: Record, models: list[SmallMobileNet], folder: DataFolder, splits: Splits) -> Record:
    """Score trained models on the draft's split, which is opened only now, and complete the record.

    Raises:
        InfrastructureError: the split is missing or changed.
    """
    split = splits.get(draft.split) or open_verified(folder, draft.split)
    bac = evaluate(models, split.dataset)
    bac_mean = sum(bac) / len(bac)
    return replace(draft, points=performance(bac_mean), bac=bac, bac_mean=bac_mean, split_sha256=split.sha256)


def rescored(record: Record, run: Path, folder: DataFolder, splits: Splits) -> Record | None:
    """Score a run's stored models on the record's split; None where the run has lost them.

    Args:
        splits: those that are open already; the record's is added.

    Raises:
        InfrastructureError: the split is missing or changed.
    """
    try:
        models = load_models(run)
    except FileNotFoundError:
        return None
    if record.split not in splits:
        splits[record.split] = open_verified(folder, record.split)
    torch.set_num_threads(record.threads)
    return scored(record, [model.to(record.device) for model in models], folder, splits)
