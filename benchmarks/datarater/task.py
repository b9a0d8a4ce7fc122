"""Images, labels, and what is known of them: the split that is spoilt in part, the held-out one, the test one."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from torch import nn

COMPONENTS = 48


@dataclass(frozen=True)
class Samples:
    """Images float32 [N, C, H, W] between 0 and 1; labels int64 [N], or float32 targets [N]."""

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, rows: torch.Tensor) -> Samples:
        """Return the samples of these rows."""
        return Samples(self.images[rows], self.labels[rows])

    def to(self, device: torch.device) -> Samples:
        """Return the same on another device."""
        return Samples(self.images.to(device), self.labels.to(device))


class Whitening(nn.Module):
    """Principal components of variance 1: images [..., C, H, W] -> float32 [..., K]; no parameters."""

    mean: torch.Tensor
    axes: torch.Tensor

    def __init__(self, pixels: np.ndarray, components: int = COMPONENTS) -> None:
        super().__init__()
        pca = PCA(min(components, *pixels.shape), random_state=0).fit(pixels)
        scale = np.sqrt(np.maximum(pca.explained_variance_, 1e-12))[:, None]
        self.register_buffer("mean", torch.tensor(pca.mean_, dtype=torch.float32))
        self.register_buffer("axes", torch.tensor(pca.components_ / scale, dtype=torch.float32))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the components."""
        return F.linear(images.flatten(-3) - self.mean, self.axes)


@dataclass(frozen=True)
class Task:
    """What a rater is learned and judged on.

    Attributes:
        train: the samples to rate, spoilt in part.
        held_out, test: clean samples, which the rater learns from, and which classifiers are judged on.
        spoilt: bool [N], which training samples are spoilt; no rater sees it.
        level: float32 [N], how much of each: 0 for a clean one, 1 for all of its pixels.
        classes: number of classes C.
    """

    train: Samples
    held_out: Samples
    test: Samples
    spoilt: np.ndarray
    level: np.ndarray
    classes: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    @cached_property
    def whitening(self) -> Whitening:
        """Principal components of the training and the held-out images."""
        pixels = torch.cat([self.train.images, self.held_out.images]).flatten(1)
        return Whitening(pixels.numpy())

    def encoder(self) -> Whitening:
        """Return those components as the first part of a model, which may go to another device."""
        return deepcopy(self.whitening)

    def features(self, samples: Samples) -> np.ndarray:
        """Return the principal components of samples, float32 [N, K]."""
        return np.asarray(self.whitening(samples.images))

    @cached_property
    def held_out_model(self) -> LogisticRegression:
        """A logistic regression on the principal components of the held-out split alone."""
        model = LogisticRegression(C=0.1, max_iter=1000)
        return model.fit(self.features(self.held_out), self.held_out.labels.numpy())

    def held_out_probabilities(self, samples: Samples) -> torch.Tensor:
        """p_val(x): class probabilities of samples by that model, float32 [N, C]."""
        model = self.held_out_model
        return self.spread(model.predict_proba(self.features(samples)), model.classes_)

    def spread(self, probabilities: np.ndarray, classes: np.ndarray) -> torch.Tensor:
        """Return probabilities of all C classes, float32 [N, C], where some have no sample to learn from."""
        whole = np.zeros((len(probabilities), self.classes), np.float32)
        whole[:, classes] = probabilities
        return torch.from_numpy(whole)

    def disagreement_of(self, samples: Samples) -> torch.Tensor:
        """d = |one-hot(y) - p_val(x)|, float32 [N, C]."""
        return (F.one_hot(samples.labels, self.classes) - self.held_out_probabilities(samples)).abs()

    @cached_property
    def disagreement(self) -> torch.Tensor:
        """That of the training samples."""
        return self.disagreement_of(self.train)
