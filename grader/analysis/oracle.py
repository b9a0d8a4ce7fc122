"""The organizer's oracle: it trains on the truly clean samples, both classes equally often.

It reads `private/train_truth.csv`, so it is a bound for every selection that must guess, and never a submission.
"""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import torch

from competition.manifest import TRUTH_COLUMNS, truth_file
from competition.task.constants import BATCH_SIZE, NUM_EPOCHS
from competition.task.data import TaskDataset
from competition.task.selection import MAX_REPEATS, SelectIndices
from grader.verdicts import InfrastructureError

ANNEALED = 0.3  # the share of the training in which the steps become smaller
RESTING = 0.02  # the share at its end in which there are none


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


def oracle_sha256() -> str:
    """Return the checksum of this module's text, which tells one oracle from another as a cell's tells submissions."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def balanced(classes: list[torch.Tensor]) -> torch.Tensor:
    """Join the indices of each class, int64 [n_k], those of the rarer one repeated as often as it takes."""
    longest = max(len(members) for members in classes)
    if min(len(members) for members in classes) == 0:
        return torch.cat(classes)
    return torch.cat([members.repeat(-(-longest // len(members)))[:longest] for members in classes])


def annealed(chosen: torch.Tensor, targets: torch.Tensor, losses: torch.Tensor, share: float) -> torch.Tensor:
    """Fill `chosen`, int64 [K], up to K / share indices: the easier half of each class, repeated as often as it takes.

    Args:
        targets, losses: [B], of the batch; the losses are those of the model that learns.
        share: the part that `chosen` is to be, above 0 to 1; the selection's largest length may leave it a larger one.
    """
    wanted = (min(MAX_REPEATS * len(targets), int(len(chosen) / share)) - len(chosen)) // 2
    parts = [chosen]
    for label in (0, 1):
        members = chosen[targets[chosen] == label].unique()
        easier = members[losses[members].argsort(stable=True)][: -(-len(members) // 2)]
        if wanted > 0 and len(easier) > 0:
            parts.append(easier.repeat(-(-wanted // len(easier)))[:wanted])
    return torch.cat(parts)


def oracle_select_indices(clean: torch.Tensor) -> SelectIndices:
    """Make a selection function that keeps the samples whose label is right and repeats the rarer class.

    At the constant learning rate of the task a model gets better and worse from step to step, and only the last step
    counts. A bound should not hang on that chance, so the oracle makes its last steps smaller and smaller: it adds
    right samples that the model fits already, whose gradients are small (`annealed`). At the very end it selects
    nothing: the weights rest, while the forward passes bring the statistics of the batch normalisation up to them.

    Args:
        clean: int64 [N], the clean labels in file order; the function counts its calls to know where it is.
    """
    steps = NUM_EPOCHS * -(-len(clean) // BATCH_SIZE)
    start = call = 0

    def select_indices(targets: torch.Tensor, losses: list[torch.Tensor]) -> list[torch.Tensor]:
        nonlocal start, call
        right = clean[start : start + len(targets)] == targets
        start = (start + len(targets)) % len(clean)
        left = 1 - call % steps / steps  # of the training, as a share
        call += 1
        # A step on the few images of a short last batch is mostly chance.
        if left <= RESTING or (left < ANNEALED and len(targets) < BATCH_SIZE):
            return [torch.empty(0, dtype=torch.int64)] * 2
        chosen = balanced([torch.nonzero(right & (targets == label)).flatten() for label in (0, 1)])
        return [annealed(chosen, targets, loss, min(1.0, left / ANNEALED)) for loss in losses]

    return select_indices
