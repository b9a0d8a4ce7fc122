"""All ten classes of Fashion-MNIST, from Debian's package or from a folder that was named with ``--images``."""

from __future__ import annotations

import argparse
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from competition.pool.make_pool import DEFAULT_FOLDER, read_part

CLASSES = 10


def add_images_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--images``."""
    parser.add_argument(
        "--images",
        type=Path,
        default=DEFAULT_FOLDER,
        metavar="FOLDER",
        help="the four *-ubyte.gz files of Fashion-MNIST (default: where dataset-fashion-mnist puts them)",
    )


def read_fashion(folder: Path, part: str = "train") -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Read a part ("train" or "t10k"): images uint8 [N, 28, 28] and labels int64 [N], 0 to 9.

    Raises:
        SystemExit: its files are missing or damaged.
    """
    try:
        images, labels = read_part(folder, part)
    except FileNotFoundError as error:
        raise SystemExit(
            f"error: {error.filename} is missing: apt-get install dataset-fashion-mnist, or name the folder of the "
            "four *-ubyte.gz files with --images"
        ) from None
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise SystemExit(f"error: the images in {folder} cannot be read: {error}") from None
    if len(images) != len(labels) or (len(labels) and labels.max() >= CLASSES):
        raise SystemExit(f"error: the images in {folder} are not those of Fashion-MNIST with their labels")
    return images, labels.astype(np.int64)
