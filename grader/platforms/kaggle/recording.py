"""The cell of the starter notebook for Kaggle that writes ``submission.csv`` when a whole training ends.

It stands behind the solution and changes no locked cell: it puts itself in the place of the training among the locked
names. At home it is a cell like any other, which the grader ignores.
"""

from competition.task.constants import NUM_EPOCHS
from competition.task.data import Batches
from competition.task.epoch import Epoch
from competition.task.model import SmallMobileNet
from competition.task.selection import SelectIndices, normalise_selection
from competition.task.solution_cell import Solution, locked
from grader.platforms.kaggle.packed import ROWS, SUBMISSION_COLUMNS, SUBMISSION_FILE, pack_lists

# PLATFORM CELL [recording]: writes submission.csv at the end of each whole training.
import csv
from collections.abc import Callable
from typing import Any

import torch

Trained = tuple[list[SmallMobileNet], list[Epoch]]
train_alone: Callable[..., Trained] = locked.setdefault("train_alone", locked["train_two_models"])


def train_and_write(
    train_loader: Batches, val_loader: Batches, select_indices: SelectIndices, **options: Any
) -> Trained:
    """Train both models as before; after a whole training with the solution, write what it selected."""
    if not isinstance(select_indices, Solution) or options.get("epochs", NUM_EPOCHS) != NUM_EPOCHS:
        return train_alone(train_loader, val_loader, select_indices, **options)  # also one of the solution's own
    steps: list[list[torch.Tensor]] = []

    def recording(targets: torch.Tensor, losses: list[torch.Tensor]) -> list[torch.Tensor]:
        steps.append(normalise_selection(select_indices(targets, losses), len(targets)))
        return steps[-1]

    result = train_alone(train_loader, val_loader, recording, **options)
    with open(SUBMISSION_FILE, "w", newline="") as stream:
        csv.writer(stream).writerows([SUBMISSION_COLUMNS, *((row, pack_lists(steps)) for row in ROWS)])
    print(f"wrote {SUBMISSION_FILE}: this is what you submit")
    return result


locked["train_two_models"] = train_and_write
