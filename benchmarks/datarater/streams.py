"""A random stream for each kind of chance, so that changing one leaves the others alone.

A stream is found again by its key alone, the seed, the kind and where in the work it is used. So nothing of it has to
be kept in a checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum

import numpy as np
import torch
from torch import nn


class Stream(IntEnum):
    """The kinds of chance."""

    SPLIT = 0  # which images are drawn
    NOISE = 1  # which are spoilt, and how
    RATER = 2  # the rater's first weights
    INNER = 3  # the inner models' first weights
    ORDER = 4  # the batches
    HELD_OUT = 5  # the held-out batches
    ATTACK = 6  # the attack's start
    STEP = 7  # what a model draws in its forward pass, such as dropout
    CLASSIFIER = 8  # the classifier's first weights
    CLASSIFIER_ORDER = 9  # its batches
    DROP = 10  # the control that drops at random


def numpy_stream(*key: int) -> np.random.Generator:
    """Return NumPy's generator for a key (seed, stream, place...)."""
    return np.random.default_rng(np.random.SeedSequence(key))


def torch_seed(*key: int) -> int:
    """Return a seed of 63 bits for a key."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))


def torch_stream(*key: int) -> torch.Generator:
    """Return torch's generator for a key, on the CPU."""
    return torch.Generator().manual_seed(torch_seed(*key))


@contextmanager
def drawing_from(*key: int) -> Iterator[None]:
    """Let torch's global generators start from a key, and put them back at the end: layers know no other."""
    with torch.random.fork_rng():
        torch.manual_seed(torch_seed(*key))
        yield


def made(make: Callable[[], nn.Module], *key: int) -> nn.Module:
    """Make a module whose first weights are drawn from the stream of a key."""
    with drawing_from(*key):
        return make()


class Order:
    """Batches of rows, pass after pass, each pass in another order; batch k is the same whoever asks, and when.

    Args:
        count: number of samples N.
        batch_size: at most N is used.
        key: of the stream, without the pass.

    A short last batch, in which each sample would weigh more, is left out.
    """

    def __init__(self, count: int, batch_size: int, *key: int) -> None:
        self.count, self.key = count, key
        self.batch_size = min(batch_size, count)
        self.per_pass = count // self.batch_size
        self._pass, self._rows = -1, torch.empty(0, dtype=torch.int64)

    def rows(self, batch: int) -> torch.Tensor:
        """Return the rows of a batch, int64 [B]."""
        turn, place = divmod(batch, self.per_pass)
        if turn != self._pass:
            self._pass, self._rows = turn, torch.randperm(self.count, generator=torch_stream(*self.key, turn))
        return self._rows[place * self.batch_size : (place + 1) * self.batch_size]
