"""Where a call stands in the training."""

from competition.task.constants import BATCH_SIZE

# LOCKED CELL [position]: where in the training your function is.
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Position:
    """Where one call of `your_select_indices` stands in the training; everything counts from 0.

    Attributes:
        call: 0 to NUM_EPOCHS * len(train_loader) - 1.
        epoch: 0 to NUM_EPOCHS - 1.
        batch: 0 to len(train_loader) - 1.
        samples: the places of the batch's samples in ``train_loader.dataset``, a slice.
    """

    call: int
    epoch: int
    batch: int
    samples: slice


_current: Position | None = None


def position() -> Position:
    """Tell a solution where it is: to be called by `your_select_indices`, or by what that calls.

    Raises:
        RuntimeError: no call is running.
    """
    if _current is None:
        raise RuntimeError("position() is known only while your_select_indices is called, not at the top of the cell")
    return _current


def position_of(call: int, samples: int) -> Position:
    """Return where a call stands, from its number since the training's start and the number of training samples."""
    epoch, batch = divmod(call, -(-samples // BATCH_SIZE))
    return Position(call, epoch, batch, slice(batch * BATCH_SIZE, min((batch + 1) * BATCH_SIZE, samples)))


@contextmanager
def at(where: Position) -> Iterator[None]:
    """Make `position` return `where` in the body."""
    global _current
    _current = where
    try:
        yield
    finally:
        _current = None
