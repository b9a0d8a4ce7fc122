"""One stream: the novice plans, the gate decides who answers, and the novice learns from what was asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.sag.gate import Setting, threshold
from benchmarks.sag.novice import BATCH_SIZE, Novice
from reference_solutions.sag_gate import query

UPDATE_EVERY = 5  # steps; the first update comes after the sixth


@dataclass(frozen=True)
class Trace:
    """All that happened in a stream of N images in order of time, S steps of 128.

    Attributes:
        rows: int32 [N], which images.
        uncertainty: float32 [N], the novice's.
        gamma: float64 [S], the threshold; infinity where only random queries were made.
        updates: int32 [S], how often the novice had been updated before.
        failed: bool [N], whether its plan was wrong.
        active: bool [N], whether uncertainty alone made it a query.
        queried: bool [N], whether it was one, random queries included.
    """

    rows: npt.NDArray[np.int32]
    uncertainty: npt.NDArray[np.float32]
    gamma: npt.NDArray[np.float64]
    updates: npt.NDArray[np.int32]
    failed: npt.NDArray[np.bool_]
    active: npt.NDArray[np.bool_]
    queried: npt.NDArray[np.bool_]


def run_stream(images: torch.Tensor, labels: torch.Tensor, count: int, setting: Setting, seed: int) -> Trace:
    """Let one novice learn from one stream; streams of one seed show the same images in the same order.

    Args:
        images: float32 [M, 1, 28, 28], labels: int64 [M], on the device that computes.
        count: images in the stream, at least 128; what does not fill a step is left out.
        seed: of everything.
    """
    steps = count // BATCH_SIZE
    order_seed, novice_seed, query_seed, imputation_seed = np.random.SeedSequence(seed).spawn(4)
    query_rng, imputation_rng = np.random.default_rng(query_seed), np.random.default_rng(imputation_seed)
    rows = np.random.default_rng(order_seed).permutation(len(images))[: steps * BATCH_SIZE]
    novice = Novice(images, labels, novice_seed, setting.crop)
    uncertainty, gamma = np.zeros(len(rows)), np.zeros(steps)
    failed, active, queried = np.zeros((3, len(rows)), dtype=bool)
    revealed, update_of = np.zeros((2, len(rows)), dtype=int)  # +1 valid, -1 failed, 0 not asked; updates before
    for step in range(steps):
        now, so_far = slice(step * BATCH_SIZE, (step + 1) * BATCH_SIZE), slice((step + 1) * BATCH_SIZE)
        update_of[now] = max(0, step - 1) // UPDATE_EVERY
        uncertainty[now], failed[now] = novice.predict(rows[now])
        gamma[step] = threshold(uncertainty[so_far], revealed[so_far], update_of[so_far], setting, imputation_rng)
        active[now] = uncertainty[now] >= gamma[step]
        queried[now] = query(uncertainty[now], gamma[step], setting.p_rand, query_rng)
        revealed[now] = np.where(queried[now], np.where(failed[now], -1, 1), 0)
        if step > 0 and step % UPDATE_EVERY == 0 and queried.any():
            novice.update(rows[so_far][queried[so_far]])
    updates = update_of[::BATCH_SIZE].astype(np.int32)
    return Trace(rows.astype(np.int32), uncertainty.astype(np.float32), gamma, updates, failed, active, queried)
