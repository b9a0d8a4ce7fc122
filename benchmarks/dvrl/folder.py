"""A folder with train.npz, valid.npz and test.npz: read within bounds, or made from Fashion-MNIST as the guide's."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from grader.analysis.valuation import ValuationData, read_npz_data
from grader.safe_io import write_whole

NAMES = ("train", "valid", "test")
MOST_BYTES = 2 << 30  # of one file's arrays: CIFAR-10 whole has 184 MB as bytes
SIZES = (4000, 1000, 2000)
NOISE_RATE = 0.2


def read_folder(folder: Path) -> ValuationData:
    """Read the three files; see `read_npz_data`. No array is allocated before its size is known to be bearable.

    Raises:
        ValueError: a file is missing, damaged or too large, lacks an array, or the arrays do not fit each other.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder: name one with train.npz, valid.npz and test.npz")
    for name in NAMES:
        require_bearable(folder / f"{name}.npz")
    try:
        return read_npz_data(folder)
    except (zlib.error, NotImplementedError, RuntimeError, MemoryError) as error:
        raise ValueError(f"{folder}: an array cannot be read: {error}") from None


def require_bearable(path: Path) -> None:
    """Look at the arrays' headers, and refuse a file whose arrays would take too much memory.

    Raises:
        ValueError: it is missing, no such file, or too large.
    """
    try:
        if not path.is_file():
            raise ValueError(f"{path} is missing: the folder needs train.npz, valid.npz and test.npz")
        with zipfile.ZipFile(path) as archive:
            total = sum(max(member.file_size, claimed_bytes(archive, member)) for member in archive.infolist())
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(f"{path} cannot be read as arrays of numbers: {error}") from None
    if total > MOST_BYTES:
        raise ValueError(f"{path}: its arrays take {total} bytes, more than the {MOST_BYTES} that are read here")


def claimed_bytes(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """Return how many bytes an array takes by its own header; 0 where it has none."""
    with archive.open(member) as stream:
        try:
            shape, dtype = read_header(stream)
        except (ValueError, struct.error, SyntaxError, TypeError, OverflowError):
            return 0  # the reading itself says what is wrong with it
    count = 1
    for length in shape:
        count *= int(length)
    return count * dtype.itemsize


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read shape and type of an array in NumPy's own format."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    return shape, dtype


def flip(labels: npt.NDArray[np.int64], classes: int, noise_rate: float, generator: np.random.Generator
         ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:  # fmt: skip
    """Give a share of labels [N] another class, each as likely; return the noisy labels and the wrong ones' places."""
    places = np.sort(generator.choice(len(labels), round(noise_rate * len(labels)), replace=False))
    noisy = labels.copy()
    noisy[places] = (labels[places] + generator.integers(1, classes, len(places))) % classes
    return noisy, places


def make_folder(folder: Path, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], *,
                sizes: tuple[int, ...] = SIZES, noise_rate: float = NOISE_RATE, seed: int = 0) -> None:  # fmt: skip
    """Draw the guide's three sets and write them, images as uint8 [N, H, W, 1] and labels as int64 [N, 1].

    Args:
        folder: is made if need be; files that are there already are left alone.
        images, labels: what to draw from, uint8 [M, H, W] and int64 [M].
        sizes: of train, valid and test.
        noise_rate: the share of training labels that are wrong; ``noise_idx`` in train.npz has their places.

    Raises:
        ValueError: there are too few images, or one of the files is there already.
        OSError: a file cannot be written.
    """
    if len(sizes) != len(NAMES) or min(sizes) < 1 or sum(sizes) > len(images):
        raise ValueError(f"{sizes} images were asked for; there are {len(images)} in all")
    if not 0 <= noise_rate < 1:
        raise ValueError(f"the share of wrong labels must be from 0 to below 1, not {noise_rate}")
    paths = [folder / f"{name}.npz" for name in NAMES]
    taken = [path for path in paths if path.exists()]
    if taken:
        raise ValueError(f"{taken[0]} is there already: name an empty folder, or leave --make-data out to use it")
    draws, noise = (np.random.default_rng(sequence) for sequence in np.random.SeedSequence(seed).spawn(2))
    rows = draws.permutation(len(images))[: sum(sizes)]
    folder.mkdir(parents=True, exist_ok=True)
    for name, path, drawn in zip(NAMES, paths, np.split(rows, np.cumsum(sizes)[:-1]), strict=True):
        arrays = {f"x_{name}": images[drawn][..., np.newaxis], f"y_{name}": labels[drawn][:, np.newaxis]}
        if name == "train":
            noisy, arrays["noise_idx"] = flip(labels[drawn], int(labels.max()) + 1, noise_rate, noise)
            arrays["y_train"] = noisy[:, np.newaxis]
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)
        write_whole(path, content.getvalue())
