"""Fashion-MNIST with the names of its classes, drawn into a labelled start, a pool and held-out images."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from benchmarks.fashion_mnist import read_fashion
from competition.pool.make_pool import DEFAULT_FOLDER

START, POOL, HELD_OUT = 1_000, 4_000, 400
NAMES = (
    *("T-shirt", "trousers", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)  # Fashion-MNIST's classes 0 to 9
EMBEDDED = "competition/pool/fashion_mnist.npz"

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fashion:
    """All images of a source: uint8 [N, 28, 28] and int64 [N] of both parts, and the classes' names."""

    train: npt.NDArray[np.uint8]
    train_labels: Labels
    test: npt.NDArray[np.uint8]
    test_labels: Labels
    names: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """One draw.

    Attributes:
        start, pool, held_out: float32 [N, 28, 28], from 0 to 1; the held-out images come from the test part.
        start_labels, pool_labels, held_out_labels: int64 [N], all right.
        names: of the classes.
    """

    start: Images
    start_labels: Labels
    pool: Images
    pool_labels: Labels
    held_out: Images
    held_out_labels: Labels
    names: tuple[str, ...]


def add_images_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--images``."""
    parser.add_argument(
        "--images",
        type=Path,
        default=DEFAULT_FOLDER,
        metavar="PATH",
        help="the folder of Fashion-MNIST's four *-ubyte.gz files (default: where dataset-fashion-mnist puts them), or "
        f"{EMBEDDED}: the five embedded classes of ten",
    )


def read_images(path: Path) -> Fashion:
    """Read the four files of Fashion-MNIST, or an .npz file in the form of the embedded pool.

    Raises:
        SystemExit: they cannot be read; one sentence says what to do.
    """
    if path.suffix != ".npz":
        try:
            return Fashion(*read_fashion(path, "train"), *read_fashion(path, "t10k"), NAMES)
        except SystemExit as error:
            raise SystemExit(f"{error}; or take the five embedded classes: --images {EMBEDDED}") from None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            images, category, in_test = (arrays[name] for name in ("images", "category", "in_test"))
        found, labels = np.unique(category, return_inverse=True)
        names = tuple(NAMES[number] for number in found)
        return Fashion(images[~in_test], labels[~in_test], images[in_test], labels[in_test], names)
    except (OSError, ValueError, KeyError, IndexError, TypeError, BadZipFile) as error:
        raise SystemExit(f"error: {path} cannot be read as a pool such as {EMBEDDED}: {error}") from None


def draw_task(fashion: Fashion, seed: int, start: int = START, pool: int = POOL, held_out: int = HELD_OUT) -> Task:
    """Draw start and pool from the training part, the held-out images from the test part.

    Raises:
        SystemExit: there are not so many, or the start lacks a class.
    """
    if start + pool > len(fashion.train) or held_out > len(fashion.test):
        raise SystemExit(
            f"error: {start + pool:,} and {held_out:,} images are needed, there are {len(fashion.train):,} to train on "
            f"and {len(fashion.test):,} to test on"
        )
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(fashion.train), start + pool, replace=False)
    tests = rng.choice(len(fashion.test), held_out, replace=False)
    images, labels = scaled(fashion.train[rows]), fashion.train_labels[rows]
    if len(np.unique(labels[:start])) < len(fashion.names):
        raise SystemExit(f"error: the {start} labelled images at the start lack a class: draw more, or another seed")
    return Task(
        *(images[:start], labels[:start], images[start:], labels[start:]),
        *(scaled(fashion.test[tests]), fashion.test_labels[tests], fashion.names),
    )


def scaled(images: npt.NDArray[np.uint8]) -> Images:
    """Return images uint8 as float32 from 0 to 1."""
    return images.astype(np.float32) / 255
