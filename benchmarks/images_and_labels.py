"""What images and labels may look like: one shape comes out, or a sentence that says what does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

CHANNELS = (1, 3)
MOST_CLASSES = 1000


def as_images(images: Any) -> torch.Tensor:
    """Return images or features in one form: float32 [N, C, H, W] with one or three channels, or [N, D].

    Args:
        images: an array or a tensor: features [N, D]; or images [N, H, W], [N, C, H, W] or [N, H, W, C]. Unsigned bytes
            become 0 to 1, other numbers stay what they are.

    Raises:
        ValueError: it is none of these, or not every number is finite.
    """
    found = torch.as_tensor(images).detach() if isinstance(images, torch.Tensor) else from_array(np.asarray(images))
    if found.is_complex() or found.dtype == torch.bool:
        raise ValueError(f"images must be numbers, not {found.dtype}")
    if found.dim() not in (2, 3, 4) or 0 in found.shape:
        raise ValueError(f"images must be [N, D], [N, H, W], [N, C, H, W] or [N, H, W, C], not {list(found.shape)}")
    scale = 255 if found.dtype == torch.uint8 else 1
    if found.dim() == 3:
        found = found.unsqueeze(1)
    elif found.dim() == 4:
        found = channels_first(found)
    found = found.to(torch.float32) / scale
    if not torch.isfinite(found).all():
        raise ValueError("images must be finite numbers; some are not")
    return found.contiguous()


def from_array(array: np.ndarray) -> torch.Tensor:
    """Turn an array of numbers into a tensor; torch knows fewer kinds of integers than NumPy does."""
    if array.dtype.kind not in "iuf":
        raise ValueError(f"images must be numbers, not {array.dtype}")
    return torch.from_numpy(np.array(array) if array.dtype == np.uint8 else array.astype(np.float32))


def channels_first(images: torch.Tensor) -> torch.Tensor:
    """Move the axis of one or three channels to the second place: [N, C, H, W].

    Raises:
        ValueError: neither the second nor the last axis has one or three, or both have.
    """
    first, last = images.shape[1] in CHANNELS, images.shape[3] in CHANNELS
    if first == last:
        raise ValueError(
            f"images must have 1 or 3 channels, as [N, C, H, W] or [N, H, W, C]; from {list(images.shape)} it cannot "
            "be told which axis they are"
        )
    return images if first else images.permute(0, 3, 1, 2)


def as_labels(labels: Any, samples: int) -> torch.Tensor:
    """Return labels as int64 [N], 0 to 999.

    Args:
        labels: integers [N], or [N, 1] as CIFAR-10 has them.
        samples: N.

    Raises:
        ValueError: they are something else, such as one-hot rows.
    """
    array = labels.detach().cpu().numpy() if isinstance(labels, torch.Tensor) else np.asarray(labels)
    if array.dtype.kind not in "iu" or array.shape not in ((samples,), (samples, 1)):
        raise ValueError(
            f"labels must be {samples} integers, [N] or [N, 1], one per image, not {array.dtype} {list(array.shape)}"
        )
    if array.min() < 0 or array.max() >= MOST_CLASSES:
        raise ValueError(f"labels must go from 0 to {MOST_CLASSES - 1}; there are {array.min()} and {array.max()}")
    return torch.from_numpy(array.reshape(-1).astype(np.int64))
