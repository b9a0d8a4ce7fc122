"""How images and labels are spoilt. One's own corruption is a function of the same form.

A corruption takes the samples that are to be spoilt, how much of each (float [n], the share of its pixels), the number
of classes and a generator, and returns them spoilt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.datarater.streams import Stream, numpy_stream
from benchmarks.datarater.task import Samples

Corruption = Callable[[Samples, np.ndarray, int, np.random.Generator], Samples]


@dataclass(frozen=True)
class Spoiling:
    """How a training split is spoilt.

    Attributes:
        name: of the corruption, as tables show it.
        corruption: the function.
        probability: share of the samples that is spoilt (the guide's ``corruption_probability``).
        fraction_range: of each of these, a share of the pixels between these two, all equally likely (the guide's
            ``corruption_fraction_range``).
    """

    name: str
    corruption: Corruption
    probability: float
    fraction_range: tuple[float, float]


def chosen_pixels(levels: np.ndarray, pixels: int, generator: np.random.Generator) -> np.ndarray:
    """Choose a share of the pixels of each image, bool [n, pixels]."""
    ranks = generator.random((len(levels), pixels)).argsort(1).argsort(1)
    return np.asarray(ranks < np.floor(levels * pixels)[:, None])


def replace_pixels(samples: Samples, levels: np.ndarray, classes: int, generator: np.random.Generator) -> Samples:
    """Replace a share of the pixels by uniform noise between 0 and 1, in every channel: the guide's corruption."""
    images = samples.images.numpy().copy()
    count, _, height, width = images.shape
    chosen = chosen_pixels(levels, height * width, generator).reshape(count, 1, height, width)
    noise = generator.random(images.shape, np.float32)
    return Samples(torch.from_numpy(np.where(chosen, noise, images)), samples.labels)


def shuffle_pixels(samples: Samples, levels: np.ndarray, classes: int, generator: np.random.Generator) -> Samples:
    """Shuffle a share of the pixels among themselves, with another permutation for each image."""
    images = samples.images.numpy().copy()
    flat = images.reshape(len(images), images.shape[1], -1)
    for image, chosen in zip(flat, chosen_pixels(levels, flat.shape[2], generator), strict=True):
        places = np.flatnonzero(chosen)
        image[:, places] = image[:, generator.permutation(places)]
    return Samples(torch.from_numpy(images), samples.labels)


def flip_labels(samples: Samples, levels: np.ndarray, classes: int, generator: np.random.Generator) -> Samples:
    """Give each sample one of the other labels, all equally likely; the levels play no role."""
    moves = torch.from_numpy(generator.integers(1, classes, len(samples)))
    return Samples(samples.images, (samples.labels + moves) % classes)


CORRUPTIONS: dict[str, Corruption] = {
    "pixels": replace_pixels,
    "shuffle": shuffle_pixels,
    "labels": flip_labels,
}


def spoil(samples: Samples, classes: int, spoiling: Spoiling, seed: int) -> tuple[Samples, np.ndarray, np.ndarray]:
    """Spoil a share of the samples.

    Returns:
        The samples; which are spoilt, bool [N]; how much of each, float32 [N], 0 where clean.
    """
    generator = numpy_stream(seed, Stream.NOISE)
    count = len(samples)
    rows = np.sort(generator.choice(count, round(spoiling.probability * count), replace=False))
    spoilt, level = np.zeros(count, bool), np.zeros(count, np.float32)
    spoilt[rows] = True
    level[rows] = generator.uniform(*spoiling.fraction_range, len(rows))
    places = torch.from_numpy(rows)
    changed = spoiling.corruption(samples.at(places), level[rows], classes, generator)
    images, labels = samples.images.clone(), samples.labels.clone()
    images[places], labels[places] = changed.images, changed.labels
    return Samples(images, labels), spoilt, level
