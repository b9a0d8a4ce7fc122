"""Train with the organizer's own selection function, such as the oracle: in this process, without a sandbox."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import torch

from competition.task.data import make_loader
from competition.task.selection import SelectIndices
from competition.task.training import train_two_models
from grader.grading.artifacts import Artifacts
from grader.grading.data_folder import DataFolder
from grader.grading.record import Record
from grader.grading.settings import Settings
from grader.grading.trainer import Splits, scored
from grader.sandbox import Backend


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
        progress=sys.stderr if settings.progress else None,
    )
    draft = replace(draft, seconds=round(time.monotonic() - started, 3), sandbox=Backend.NONE.value)
    return scored(draft, models, folder, splits), Artifacts(
        models=models, selections=selections, losses=seen, history=history
    )
