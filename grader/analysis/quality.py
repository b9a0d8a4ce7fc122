"""How good a run's selections were: purity, clean recall, and the data values that they imply.

Needs the clean labels, so it is for the organizer only. Pure functions of arrays; `grader.grading.unpack_selections`
reads the selections of a run, `grader.analysis.oracle.read_truth` the clean labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from competition.task.constants import BATCH_SIZE, NUM_CLASSES

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SelectionQuality:
    """What was selected, compared with the truth. A class is a noisy label; both models count alike.

    Attributes:
        purity: share of right labels among all that was selected, repeats counted (the small-loss papers' label
            precision); NaN where nothing was selected.
        clean_recall: share of the rightly labelled samples that a model selected at least once in an epoch, mean over
            models and epochs; NaN where no label is right.
        purity_by_class, clean_recall_by_class: the same per epoch and class, float64 [epochs, classes].
        frequency: the share of epochs and models in which a sample was selected, float64 [N], 0 to 1: its implied data
            value. Repeats do not count here: they balance the classes, and would rank a repeated class, with its wrong
            labels, above the other.
    """

    purity: float
    clean_recall: float
    purity_by_class: Floats
    clean_recall_by_class: Floats
    frequency: Floats


def selection_counts(selections: Sequence[tuple[Integers, Integers]], samples: int, batch_size: int) -> Integers:
    """Count how often each model selected each sample in each epoch, int64 [epochs, 2, samples].

    Args:
        selections: per step, both models' indices into the batch; batches come in file order, epoch after epoch.

    Raises:
        ValueError: the steps are not whole epochs of so many samples, or an index lies outside its batch.
    """
    starts = range(0, samples, batch_size)
    if not selections or len(selections) % len(starts):
        raise ValueError(
            f"{len(selections)} steps are not whole epochs of {len(starts)} batches: do run and data belong together?"
        )
    counts = np.zeros((len(selections) // len(starts), 2, samples), np.int64)
    for step, pair in enumerate(selections):
        epoch, batch = divmod(step, len(starts))
        in_batch = counts[epoch, :, starts[batch] : starts[batch] + batch_size]
        for model, indices in enumerate(pair):
            if len(indices) and indices.max() >= in_batch.shape[1]:
                raise ValueError(f"step {step} selects index {indices.max()} of a batch of {in_batch.shape[1]}")
            in_batch[model] = np.bincount(indices, minlength=in_batch.shape[1])
    return counts


def share(part: npt.ArrayLike, whole: npt.ArrayLike) -> Floats:
    """Divide, with NaN for a share of nothing."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    quotient = np.full(part.shape, np.nan)
    np.divide(part, whole, out=quotient, where=whole > 0)
    return quotient


def selection_quality(
    selections: Sequence[tuple[Integers, Integers]], noisy: Integers, clean: Integers, batch_size: int = BATCH_SIZE
) -> SelectionQuality:
    """Compare a run's selections with the truth.

    Args:
        selections: per step, both models' int64 indices into the batch; batches come in file order.
        noisy, clean: int64 [N], the labels in file order.

    Raises:
        ValueError: see `selection_counts`.
    """
    counts = selection_counts(selections, len(noisy), batch_size)
    right = noisy == clean
    of_class = noisy[:, None] == np.arange(NUM_CLASSES)
    right_of_class = of_class & right[:, None]
    picked = counts.sum(axis=1)
    learned_from = (counts > 0).mean(axis=1)  # [epochs, N]: the share of models that selected the sample
    return SelectionQuality(
        purity=float(share(picked[:, right].sum(), picked.sum())),
        clean_recall=float(share(learned_from[:, right].sum(), len(counts) * right.sum())),
        purity_by_class=share(picked @ right_of_class, picked @ of_class),
        clean_recall_by_class=share(
            learned_from @ right_of_class, np.tile(right_of_class.sum(axis=0), (len(counts), 1))
        ),
        frequency=learned_from.mean(axis=0),
    )
