"""Image pools: where a build takes its images, clean labels and difficulties from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

FASHION_FILE = Path(__file__).with_name("fashion_mnist.npz")
LICENSE_FILE = Path(__file__).with_name("LICENSE-fashion-mnist.txt")
FASHION_CLASS_1 = (2, 4, 6)  # pullover, coat, shirt; the rest of the pool (T-shirt/top, dress) is class 0


@dataclass(frozen=True)
class Pool:
    """Images with clean labels.

    Attributes:
        name: where they come from, for the manifest.
        images: uint8 [N, H, W], grey.
        labels: int64 [N], clean, 0 or 1.
        difficulty: float32 [N], higher is harder, any scale; None where nobody measured it.
        for_test: bool [N], True where an image may stand in a test split only, False where in train or val only;
            None where any image may stand anywhere.
        origins: one name per image, plain, for error messages.
        classes: the names of class 0 and of class 1 in the source.
        noisy: int64 [N], the labels that annotators gave, 0 or 1; None where labels are to be flipped.
        bits: how many bits of grey the source's values take; of more than eight, the upper eight are kept.
    """

    name: str
    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    difficulty: npt.NDArray[np.float32] | None
    for_test: npt.NDArray[np.bool_] | None
    origins: list[str]
    classes: tuple[str, str] = ("0", "1")
    noisy: npt.NDArray[np.int64] | None = None
    bits: int = 8


def fashion_pool() -> Pool:
    """Load the embedded pool: 18,800 Fashion-MNIST images, 28 x 28 (made by `competition.pool.make_pool`)."""
    with np.load(FASHION_FILE) as arrays:
        return Pool(
            name="fashion",
            images=arrays["images"],
            labels=np.isin(arrays["category"], FASHION_CLASS_1).astype(np.int64),
            difficulty=arrays["difficulty"],
            for_test=arrays["in_test"],
            origins=[
                f"{'t10k' if test else 'train'}[{row}]"
                for test, row in zip(arrays["in_test"], arrays["row"], strict=True)
            ],
        )
