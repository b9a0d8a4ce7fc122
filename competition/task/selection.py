"""What a selection function may return, and the one way of calling it."""

from competition.task.errors import NotebookError
from competition.task.position import at, position_of
from competition.task.reproducibility import isolated_random_state

# LOCKED CELL [selection]: what your function may return.
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

SelectIndices = Callable[[torch.Tensor, list[torch.Tensor]], Any]
MAX_REPEATS = 4  # a selection may be at most this many times as long as its batch


class PresentationError(NotebookError):
    """The selection function returned something that is not a pair of index lists."""


def normalise_indices(returned: Any, batch_size: int, model: int) -> torch.Tensor:
    """Turn one model's selection into int64 indices on the CPU.

    Accepts a tensor, an array or a list of integers in [0, batch_size), in any order, repeats allowed; a mask of length
    batch_size, bool or, as torch has it, uint8; anything of length zero. Raises `PresentationError` on everything else.
    """
    expected = (
        f"expected a 1-D list, array or tensor of integers from 0 to {batch_size - 1}, "
        f"or a boolean mask of length {batch_size}"
    )
    complaint = f"your_select_indices: the selection for model {model} "
    try:
        array = returned.detach().cpu().numpy() if isinstance(returned, torch.Tensor) else np.asarray(returned)
    except Exception as error:
        raise PresentationError(f"{complaint}is a {type(returned).__name__} ({error}); {expected}") from None
    if array.ndim != 1:
        shown = type(returned).__name__ if array.ndim == 0 else f"{type(returned).__name__} of shape {array.shape}"
        raise PresentationError(f"{complaint}is a {shown}; {expected}")
    if len(array) == 0:
        return torch.empty(0, dtype=torch.int64)
    if array.dtype == np.bool_ and len(array) != batch_size:
        raise PresentationError(f"{complaint}is a boolean mask of length {len(array)}; {expected}")
    if array.dtype == np.bool_ or (array.dtype == np.uint8 and len(array) == batch_size):
        array = np.flatnonzero(array)
    if not np.issubdtype(array.dtype, np.integer):
        raise PresentationError(f"{complaint}has values of type {array.dtype}; {expected}")
    if len(array) > MAX_REPEATS * batch_size:
        raise PresentationError(
            f"{complaint}has {len(array)} indices; at most {MAX_REPEATS} x the batch size = {MAX_REPEATS * batch_size}"
        )
    outside = array[(array < 0) | (array >= batch_size)]
    if len(outside):
        hint = "; an index is a place in the batch, not in the data set" if outside[0] >= batch_size else ""
        raise PresentationError(f"{complaint}holds the index {outside[0]}; {expected}{hint}")
    return torch.from_numpy(array.astype(np.int64))


def normalise_selection(returned: Any, batch_size: int) -> list[torch.Tensor]:
    """Turn what `your_select_indices` returned into two int64 index tensors, or raise `PresentationError`."""
    what, expected = f"a {type(returned).__name__}", "two selections: [indices for model 1, indices for model 2]"
    if returned is None:
        raise PresentationError(f"your_select_indices returned None; expected {expected}; is its return missing?")
    try:
        if isinstance(returned, (tuple, list)):
            what += f" of {len(returned)}"
        if isinstance(returned, (dict, set, str, bytes)):  # two of their elements are no two selections
            raise TypeError
        first, second = returned
    except Exception:
        raise PresentationError(f"your_select_indices returned {what}; expected {expected}") from None
    return [normalise_indices(first, batch_size, 1), normalise_indices(second, batch_size, 2)]


def may_be_a_mask(returned: Any, batch_size: int) -> bool:
    """Say whether a selection is integers that look like a mask: as many as the batch has samples, all 0 or 1."""
    try:
        array = np.asarray(returned)
        return array.shape == (batch_size,) and array.dtype.kind == "i" and batch_size > 2 and set(array) <= {0, 1}
    except Exception:
        return False


def call_select_indices(
    select_indices: SelectIndices,
    targets: torch.Tensor,
    losses: list[torch.Tensor],
    *,
    seed: int,
    call: int,
    samples: int,
) -> list[torch.Tensor]:
    """Call `select_indices` on copies, in a random state of its own, and return two int64 index tensors.

    Args:
        targets: int64 [B], the batch's labels, on the CPU.
        losses: two float32 [B], each model's cross-entropy per sample, on the CPU.
        seed: the training's seed; together with `call`, the number of the batch since its start, it seeds the call.
        samples: of the training set; `call` and this say where the batch stands, see `position`.
    """
    with isolated_random_state(seed, call), at(position_of(call, samples)):
        returned = select_indices(targets.clone(), [loss.clone() for loss in losses])
        return normalise_selection(returned, len(targets))
