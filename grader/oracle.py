"""The organizer's oracle: it trains on the truly clean samples, both classes equally often.

It reads `private/train_truth.csv`, so it is a bound for every selection that must guess, and never a submission.
"""

from __future__ import annotations

import csv
from pathlib import Path

import torch

from competition.build import TRUTH_COLUMNS, truth_file
from competition.task.data import TaskDataset
from competition.task.selection import SelectIndices
from grader.verdicts import InfrastructureError


def read_truth(private: Path, train: TaskDataset, draw: str = "train") -> torch.Tensor:
    """Return the clean labels of the training set, int64 [N], in file order.

    Args:
        train: the training set.
        draw: which draw it is, "train" or "redraw-1".

    Raises:
        InfrastructureError: the truth file is missing or belongs to other data.
    """
    path = private / truth_file(draw)
    try:
        with open(path, newline="") as stream:
            clean = {row[TRUTH_COLUMNS[0]]: int(row[TRUTH_COLUMNS[1]]) for row in csv.DictReader(stream)}
        return torch.tensor([clean[name] for name in train.files], dtype=torch.int64)
    except (OSError, KeyError, ValueError) as error:
        raise InfrastructureError(f"{path} does not fit the training data ({error}): build the data again") from None


def oracle_select_indices(clean: torch.Tensor) -> SelectIndices:
    """Make a selection function that keeps the samples whose label is right and repeats the rarer class.

    Args:
        clean: int64 [N], the clean labels in file order; the function counts its calls to know where it is.
    """
    start = 0

    def select_indices(targets: torch.Tensor, losses: list[torch.Tensor]) -> list[torch.Tensor]:
        nonlocal start
        right = clean[start : start + len(targets)] == targets
        start = (start + len(targets)) % len(clean)
        classes = [torch.nonzero(right & (targets == label)).flatten() for label in (0, 1)]
        if min(len(members) for members in classes) == 0:
            return [torch.cat(classes)] * 2
        longest = max(len(members) for members in classes)
        return [torch.cat([members.repeat(-(-longest // len(members)))[:longest] for members in classes])] * 2

    return select_indices
