"""What a predictor is rewarded for: each measures probabilities [..., N, C] against labels [N], higher is better."""

from __future__ import annotations

from collections.abc import Callable

import torch

from reference_solutions.dvrl_filter import balanced_log_likelihood


def accuracy(probabilities: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the share of right predictions, one number per leading dimension."""
    return (probabilities.argmax(-1) == y).to(probabilities).mean(-1)


def auc(probabilities: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the area under the ROC curve of each class against the rest, averaged; equal scores count one half.

    For two classes whose probabilities add up to one it is the usual area.
    """
    areas = []
    for label in y.unique():
        if (y == label).all():
            raise ValueError("the area under the curve needs two classes")
        scores = probabilities[..., label]
        own, others = scores[..., y == label].contiguous(), scores[..., y != label].sort(-1).values
        below = torch.searchsorted(others, own) + torch.searchsorted(others, own, right=True)
        areas.append(below.to(scores).mean(-1) / (2 * others.shape[-1]))
    return torch.stack(areas).mean(0)


METRICS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "log_likelihood": balanced_log_likelihood,
    "accuracy": accuracy,
    "auc": auc,
}
