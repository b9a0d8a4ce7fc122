"""An ImageNet Inception-v3 as the encoder, from a file of weights that the user brings: nothing is downloaded."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torchvision.models import inception_v3

from benchmarks.images_and_labels import as_images
from reference_solutions.dvrl_filter import InceptionV3

MOST_BYTES = 1 << 30  # torchvision's file has 109 MB


class PretrainedInception(InceptionV3):
    """The pooled features of an ImageNet Inception-v3: images -> float32 [N, 2048].

    Args:
        weights: torchvision's state dict of `inception_v3`, saved by torch (``.pth``) or as ``.safetensors``.

    Raises:
        ValueError: the file is missing, or holds something else; nothing in it is executed.
    """

    def __init__(self, weights: Path) -> None:
        self.network = inception_v3(weights=None, init_weights=False).eval()
        try:
            self.network.load_state_dict(read_state(weights))
        except (RuntimeError, TypeError, AttributeError) as error:
            reason = str(error).splitlines()[0][:200]
            raise ValueError(f"{weights} holds no weights of torchvision's inception_v3: {reason}") from None
        self.network.fc = nn.Identity()

    def transform(self, images: Any) -> npt.NDArray[np.float32]:
        """Return the features of images of any size; numbers other than unsigned bytes must go from 0 to 1.

        Raises:
            ValueError: they are no images.
        """
        pixels = as_images(images)
        if pixels.dim() != 4 or pixels.min() < 0 or pixels.max() > 1:
            raise ValueError("an image encoder needs images, as unsigned bytes or as numbers from 0 to 1")
        features: npt.NDArray[np.float32] = super().transform(pixels)
        return features


def read_state(weights: Path) -> dict[str, torch.Tensor]:
    """Read a state dict without executing anything in it.

    Raises:
        ValueError: the file is missing, too large, or no state dict.
    """
    try:
        if weights.stat().st_size > MOST_BYTES:
            raise ValueError(f"{weights} has more than {MOST_BYTES} bytes: it holds no Inception-v3")
        if weights.suffix == ".safetensors":
            return load_file(weights)
        state = torch.load(weights, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ValueError(f"{weights} cannot be read: {error.strerror or error}") from None
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise ValueError(f"{weights} is no file of weights: {reason}") from None
    if not isinstance(state, dict):
        raise ValueError(f"{weights} holds a {type(state).__name__}, not a state dict")
    return state
