"""Where images come from: the IDX files of MNIST or Fashion-MNIST, an .npz file, a folder of pictures, one's own.

A source is a function of the path that ``--images`` names, which returns the images and labels of a training part and
of a test part; see `Parts`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch

from benchmarks.controls import FOLDS
from benchmarks.datarater.corruptions import Spoiling, spoil
from benchmarks.datarater.streams import Stream, numpy_stream
from benchmarks.datarater.task import Samples, Task
from benchmarks.images_and_labels import as_images, as_labels
from competition.errors import SourceError
from competition.pool.make_pool import DEFAULT_FOLDER, read_part
from competition.pool.pictures import read_picture

Parts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Training images, training labels, test images, test labels. Images: uint8 from 0 to 255 or float from 0 to 1,
[N, H, W], [N, H, W, C] or [N, C, H, W] with C = 1 or 3; labels: integers from 0, [N] or [N, 1]."""

Source = Callable[[Path], Parts]
FEWEST = 10  # training images per class
EMBEDDED = "competition/pool/fashion_mnist.npz"


@dataclass(frozen=True)
class Sizes:
    """How many images are used.

    Attributes:
        images: of the training part, for training and held-out split together; 0 takes all.
        test: of the test part; 0 takes all.
        train_split_ratio: the training split's share (the guide's parameter).
    """

    images: int = 4_000
    test: int = 10_000
    train_split_ratio: float = 0.75


def as_samples(images: np.ndarray, labels: np.ndarray) -> Samples:
    """Return images and labels as samples.

    Raises:
        SourceError: see `as_images` and `as_labels`; or images are features, or of another kind or range.
    """
    try:
        shaped, numbered = as_images(images), as_labels(labels, len(images))
    except ValueError as error:
        raise SourceError(str(error)) from None
    if shaped.dim() == 2:
        raise SourceError(f"images must be [N, H, W], [N, C, H, W] or [N, H, W, C], not features {list(shaped.shape)}")
    in_range = np.issubdtype(images.dtype, np.floating) and shaped.min() >= 0 and shaped.max() <= 1
    if images.dtype != np.uint8 and not in_range:
        raise SourceError("images must be uint8, or float from 0 to 1")
    return Samples(shaped, numbered)


def read_idx_folder(folder: Path) -> Parts:
    """Read the four ``*-ubyte.gz`` files of MNIST or Fashion-MNIST."""
    (train, train_labels), (test, test_labels) = (read_part(folder, prefix) for prefix in ("train", "t10k"))
    return train, train_labels, test, test_labels


def read_arrays(path: Path) -> Parts:
    """Read an .npz file: ``images``; ``labels`` or ``category``; ``in_test`` bool [N].

    Without ``in_test`` every fifth image is a test image. Labels are numbered anew from 0, in their order.
    """
    with np.load(path, allow_pickle=False) as file:
        if "images" not in file or not {"labels", "category"} & set(file):
            raise SourceError(f"{path}: it needs arrays 'images' and 'labels', and has {', '.join(file) or 'none'}")
        images, labels = file["images"], file["labels" if "labels" in file else "category"]
        in_test = file["in_test"] if "in_test" in file else np.arange(len(labels)) % 5 == 4
    if not len(images) == len(labels) == len(in_test):
        raise SourceError(f"{path}: {len(images)} images and {len(labels)} labels")
    labels = np.unique(labels, return_inverse=True)[1]
    return images[~in_test], labels[~in_test], images[in_test], labels[in_test]


def read_pictures(folder: Path) -> Parts:
    """Read a folder with a folder of grey pictures of one size for each class; every fifth picture is a test image."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    files = [(label, path) for label, here in enumerate(classes) for path in sorted(here.iterdir())]
    if len(classes) < 2 or not files:
        raise SourceError(f"{folder}: neither four *-ubyte.gz files nor a folder of pictures for each class")
    images = [np.asarray(read_picture(folder, f"{path.parent.name}/{path.name}").convert("L")) for _, path in files]
    if len({image.shape for image in images}) > 1:
        raise SourceError(f"{folder}: the pictures differ in size")
    stack, labels = np.stack(images), np.array([label for label, _ in files])
    in_test = np.arange(len(labels)) % 5 == 4
    return stack[~in_test], labels[~in_test], stack[in_test], labels[in_test]


def read_images(path: Path) -> Parts:
    """Read whatever stands at a path.

    Raises:
        SourceError: nothing does, or something else; the message says what can.
    """
    if path.is_file():
        try:
            return read_arrays(path)
        except (ValueError, OSError, TypeError, BadZipFile) as error:  # no .npz file; or one with objects, thus code
            raise SourceError(f"{path}: no .npz file of arrays ({error})") from None
    if any(path.glob("*-ubyte.gz")):
        try:
            return read_idx_folder(path)
        except (OSError, EOFError, ValueError) as error:
            raise SourceError(f"{path}: not the four files of MNIST or Fashion-MNIST ({error})") from None
    if path.is_dir():
        return read_pictures(path)
    raise SourceError(
        f"{path} is missing: apt-get install dataset-fashion-mnist, or name with --images the folder of the four "
        f"*-ubyte.gz files, an .npz file (such as {EMBEDDED}, five of the ten classes) or a folder of pictures"
    )


SOURCES: dict[str, Source] = {"fashion_mnist": read_images, "mnist": read_images}
DEFAULT_IMAGES = DEFAULT_FOLDER


def read_samples(source: Source, path: Path) -> tuple[Samples, Samples]:
    """Read the training and the test part.

    Raises:
        SourceError: they cannot be used.
    """
    train, train_labels, test, test_labels = (np.asarray(part) for part in source(path))
    parts = as_samples(train, train_labels), as_samples(test, test_labels)
    if parts[0].images.shape[1:] != parts[1].images.shape[1:]:
        raise SourceError("training and test images differ in size")
    return parts


def draw_task(parts: tuple[Samples, Samples], sizes: Sizes, spoiling: Spoiling, seed: int) -> Task:
    """Draw training, held-out and test split, and spoil the training split.

    Raises:
        SourceError: too few images.
    """
    train, test = parts
    generator = numpy_stream(seed, Stream.SPLIT)
    count, tests = (min(asked or len(part), len(part)) for asked, part in ((sizes.images, train), (sizes.test, test)))
    rows = torch.from_numpy(generator.permutation(len(train))[:count])
    first = int(sizes.train_split_ratio * count)
    classes = int(torch.cat([train.labels, test.labels]).max()) + 1
    if classes < 2 or not tests or len(train.at(rows[first:]).labels.unique()) < 2 or first < FEWEST * classes:
        raise SourceError(f"too few images: {first} to train on, {count - first} held out, {tests} to test on")
    spoilt, which, level = spoil(train.at(rows[:first]), classes, spoiling, seed)
    if (fewest := int(spoilt.labels.unique(return_counts=True)[1].min())) < FOLDS:
        raise SourceError(f"too few images: a class has {fewest} to train on, and {FOLDS} folds need as many of each")
    test_rows = torch.from_numpy(generator.permutation(len(test))[:tests])
    return Task(spoilt, train.at(rows[first:]), test.at(test_rows), which, level, classes)
