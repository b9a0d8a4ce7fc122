"""Inner models and raters. One's own is a function of the same form: a task in, a fresh module out.

An inner model or classifier maps images float [B, C, H, W] to logits float [B, classes]. A rater maps (images, labels
int64 [B], disagreement float [B, classes]) to scores float [B]; it may ignore what it likes. The paper's rater and the
guide's see the image alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.datarater.task import Task
from competition.errors import SourceError

MakeModel = Callable[[Task], nn.Module]


def convolutions(channels: int) -> nn.Sequential:
    """Two convolutions of stride 2 to 8 and 16 channels: images [..., C, H, W] -> features [..., 16 H/4 W/4]."""
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(-3),
    )


def convolved(task: Task) -> int:
    """Return how many features `convolutions` make."""
    _, height, width = task.shape
    return 16 * math.ceil(height / 4) * math.ceil(width / 4)


def mlp(task: Task) -> nn.Module:
    """Inner model: 48 principal components, one hidden layer of 64."""
    features = len(task.whitening.axes)
    return nn.Sequential(task.encoder(), nn.Linear(features, 64), nn.ReLU(), nn.Linear(64, task.classes))


def pixel_mlp(task: Task) -> nn.Module:
    """Inner model or classifier: all pixels, one hidden layer of 128."""
    return nn.Sequential(nn.Flatten(-3), nn.Linear(math.prod(task.shape), 128), nn.ReLU(), nn.Linear(128, task.classes))


def cnn(task: Task) -> nn.Module:
    """Inner model or classifier: two convolutions and a linear layer."""
    return nn.Sequential(convolutions(task.shape[0]), nn.Linear(convolved(task), task.classes))


def toy_cnn(task: Task) -> nn.Module:
    """Inner model of the guide's size: convolutions to 16 and 32 channels, each halved, and a hidden layer of 128."""
    channels, *sides = task.shape
    if min(sides) < 10:
        raise SourceError("ToyCNN needs images of at least 10 x 10 pixels")
    height, width = (((side - 2) // 2 - 2) // 2 for side in sides)
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(-3),
        nn.Linear(32 * height * width, 128),
        nn.ReLU(),
        nn.Linear(128, task.classes),
    )


class ImageRater(nn.Module):
    """Sees the image alone."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, images: torch.Tensor, labels: torch.Tensor, disagreement: torch.Tensor) -> torch.Tensor:
        """Return scores, float [B]."""
        return torch.as_tensor(self.layers(images)).squeeze(-1)


class LabelRater(nn.Module):
    """Sees features of the image, at `scale` of their size, with the label and the disagreement; one hidden layer.

    So it starts from label and disagreement, and is slow to learn single images by heart.
    """

    def __init__(self, encoder: nn.Module, features: int, classes: int, scale: float) -> None:
        super().__init__()
        self.encoder, self.classes, self.scale = encoder, classes, scale
        self.layers = nn.Sequential(nn.Linear(features + 2 * classes, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, images: torch.Tensor, labels: torch.Tensor, disagreement: torch.Tensor) -> torch.Tensor:
        """Return scores, float [B]."""
        one_hot = F.one_hot(labels, self.classes).to(images.dtype)
        seen = torch.cat([self.scale * self.encoder(images), one_hot, disagreement], 1)
        return torch.as_tensor(self.layers(seen)).squeeze(1)


def image_cnn(task: Task) -> nn.Module:
    """Rater: the image alone, two convolutions and a linear layer, as the guide's."""
    return ImageRater(convolutions(task.shape[0]), nn.Linear(convolved(task), 1))


def image_mlp(task: Task) -> nn.Module:
    """Rater: the image alone, 48 principal components and a hidden layer of 64."""
    return ImageRater(task.encoder(), nn.Linear(len(task.whitening.axes), 64), nn.ReLU(), nn.Linear(64, 1))


def label_mlp(task: Task) -> nn.Module:
    """Rater: 48 principal components, label and disagreement; that of `reference_solutions/datarater_filter.py`."""
    return LabelRater(task.encoder(), len(task.whitening.axes), task.classes, scale=0.1)


def label_cnn(task: Task) -> nn.Module:
    """Rater: two convolutions, label and disagreement."""
    return LabelRater(convolutions(task.shape[0]), convolved(task), task.classes, scale=1.0)


INNER_MODELS: dict[str, MakeModel] = {"mlp": mlp, "pixel_mlp": pixel_mlp, "cnn": cnn, "ToyCNN": toy_cnn}
RATERS: dict[str, MakeModel] = {
    "image_cnn": image_cnn,
    "image_mlp": image_mlp,
    "label_mlp": label_mlp,
    "label_cnn": label_cnn,
}
