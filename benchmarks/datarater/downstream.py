"""Classifiers that learn from what a rater keeps, or from what chance keeps, and how they do, attacked or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.datarater.attack import projected_gradient
from benchmarks.datarater.models import MakeModel
from benchmarks.datarater.parameters import Parameters
from benchmarks.datarater.streams import Stream, made, torch_stream
from benchmarks.datarater.task import Samples, Task


@dataclass(frozen=True)
class Training:
    """How a classifier is trained and judged.

    Attributes:
        epochs, batch_size, rate: of Adam.
        attacked: test images that are attacked.
    """

    epochs: int = 30
    batch_size: int = 128
    rate: float = 1e-3
    attacked: int = 1_000


def train_classifier(
    make: MakeModel, task: Task, ratings: np.ndarray | None, share: float, training: Training, seed: int, device: str
) -> nn.Module:
    """Train a classifier on batches that lack their lowest-rated share; without ratings, a random share.

    The first weights and the order of the batches come from the seed alone, so that trainings differ by the filter.
    """
    samples = task.train.to(torch.device(device))
    model = made(lambda: make(task), seed, Stream.CLASSIFIER).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=training.rate)
    order, drop = torch_stream(seed, Stream.CLASSIFIER_ORDER), torch_stream(seed, Stream.DROP)
    values = None if ratings is None else torch.from_numpy(ratings)
    for _ in range(training.epochs):
        for rows in torch.randperm(len(samples), generator=order).split(training.batch_size):
            scores = torch.rand(len(rows), generator=drop) if values is None else values[rows]
            kept = samples.at(rows[scores.argsort()[int(share * len(rows)) :]].to(device))
            optimizer.zero_grad()
            F.cross_entropy(model(kept.images), kept.labels).backward()
            optimizer.step()
    return model.eval()


@torch.no_grad()
def accuracy(model: nn.Module, samples: Samples) -> float:
    """Return the share of right predictions."""
    return float((model(samples.images).argmax(1) == samples.labels).float().mean())


def judge(
    model: nn.Module, task: Task, parameters: Parameters, training: Training, seed: int, device: str
) -> tuple[float, float]:
    """Return the accuracy on the test split, and that on its first images under attack (`attack_eval_steps` steps)."""
    test = task.test.to(torch.device(device))
    few = Samples(test.images[: training.attacked], test.labels[: training.attacked])
    moved = projected_gradient(
        lambda images: F.cross_entropy(model(images), few.labels, reduction="sum"),
        few.images,
        parameters.attack_eps,
        parameters.attack_step_size,
        parameters.attack_eval_steps,
        torch_stream(seed, Stream.ATTACK),
    )
    return accuracy(model, test), accuracy(model, Samples(moved, few.labels))
