"""What one epoch did: counted batch by batch, and shown as a bar meanwhile."""

from competition.task.constants import NUM_CLASSES
from competition.task.metric import Accuracy

# LOCKED CELL [epoch]: what an epoch did, counted batch by batch.
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import torch
from tqdm import tqdm


@dataclass(frozen=True)
class Epoch:
    """What one epoch did, per model.

    Attributes:
        train_loss: mean loss of the samples that the model learned from; None where it learned from none.
        val_bac: balanced accuracy on the validation set after the epoch.
        val_recall: recall of each class there.
        kept: of each class, by its label in the file, how many different samples the model learned from.
        alike: whether both models were given the same selection in every batch.
    """

    train_loss: tuple[float | None, ...]
    val_bac: tuple[float, ...]
    val_recall: tuple[tuple[float, ...], ...]
    kept: tuple[tuple[int, ...], ...]
    alike: bool


class Tally:
    """Counts what the models learn from in one epoch."""

    def __init__(self, models: int) -> None:
        self._losses: list[list[torch.Tensor]] = [[] for _ in range(models)]
        self._counts: list[list[int]] = [[] for _ in range(models)]
        self._kept = torch.zeros(models, NUM_CLASSES, dtype=torch.int64)
        self._alike = True

    def selected(self, targets: torch.Tensor, selections: Sequence[torch.Tensor]) -> None:
        """Count the selections of a batch, one int64 [n] for each model; its labels are int64 [B]."""
        self._alike = self._alike and all(torch.equal(selections[0], other) for other in selections[1:])
        for which, selection in enumerate(selections):
            self._kept[which] += targets[selection.unique()].bincount(minlength=NUM_CLASSES)

    def learned(self, which: int, loss: torch.Tensor, count: int) -> None:
        """Count a step of a model on `count` samples with their mean loss, float32 [], which stays on its device."""
        self._losses[which].append(loss)
        self._counts[which].append(count)

    def _mean_loss(self, which: int) -> float | None:
        """Return the mean loss of the samples that a model learned from; None where there were none."""
        if not self._counts[which]:
            return None
        losses = torch.stack(self._losses[which]).tolist()
        total = sum(loss * count for loss, count in zip(losses, self._counts[which], strict=True))
        return float(total / sum(self._counts[which]))

    def epoch(self, scores: Sequence[Accuracy]) -> Epoch:
        """Sum up, with the models' scores on the validation set."""
        return Epoch(
            train_loss=tuple(map(self._mean_loss, range(len(self._counts)))),
            val_bac=tuple(score.bac for score in scores),
            val_recall=tuple(score.recall for score in scores),
            kept=tuple(tuple(counts) for counts in self._kept.tolist()),
            alike=self._alike,
        )


def epoch_bar(epoch: int, epochs: int, batches: int, stream: TextIO | None) -> "tqdm[Any]":
    """Make the progress bar of an epoch, counted from 0; without a stream it stays unseen."""
    return tqdm(
        total=batches,
        desc=f"epoch {epoch + 1}/{epochs}",
        disable=stream is None,
        file=stream,
        mininterval=0.5,
        bar_format="{desc} {bar:20} {elapsed}, {remaining} left{postfix}",
    )
