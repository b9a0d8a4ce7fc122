"""Image pools: where a build takes its images, clean labels and difficulties from."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from competition.errors import SourceError

FASHION_FILE = Path(__file__).with_name("fashion_mnist.npz")
FASHION_CLASS_1 = (2, 4, 6)  # pullover, coat, shirt; the rest of the pool (T-shirt/top, dress) is class 0
COLUMNS = ("file", "label", "difficulty")


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
        origins: one name per image, for error messages.
    """

    name: str
    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    difficulty: npt.NDArray[np.float32] | None
    for_test: npt.NDArray[np.bool_] | None
    origins: list[str]


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


def read_grey(path: Path, size: int | None) -> npt.NDArray[np.uint8]:
    """Read one image of any mode as grey uint8 [H, W]: upright, transparent parts black, 16-bit values scaled down.

    Args:
        size: side in pixels to which the image is resized (without keeping its proportions); None leaves it as it is.

    Raises:
        SourceError: the file is missing or is no image.
    """
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):
                grey = Image.fromarray((np.asarray(image).clip(0, 65_535) // 256).astype(np.uint8))
            elif image.mode == "F":
                raise SourceError(f"{path}: floating-point pixels; save it as 8-bit or 16-bit grey, or as RGB")
            elif image.has_transparency_data:
                over_black = Image.new("RGBA", image.size, "black")
                over_black.alpha_composite(image.convert("RGBA"))
                grey = over_black.convert("L")
            else:
                grey = image.convert("L")
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file, but the labels file names it") from None
    except (UnidentifiedImageError, OSError) as error:
        raise SourceError(f"{path}: cannot be read as an image ({error})") from None
    if size is not None:
        grey = grey.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(grey)


def read_labels(labels_file: Path) -> tuple[list[str], npt.NDArray[np.int64], npt.NDArray[np.float32] | None]:
    """Read the CSV of an organizer's own images: file names, clean labels [N], difficulties [N] or None.

    Raises:
        SourceError: the file is missing or empty, a column or value is wrong, or a file name stands twice.
    """
    try:
        with open(labels_file, newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            columns, rows = reader.fieldnames or [], list(reader)
    except FileNotFoundError:
        raise SourceError(f"{labels_file}: no such file; give the CSV of labels with --labels") from None
    except UnicodeDecodeError:
        raise SourceError(f"{labels_file}: not UTF-8 text; save it as CSV UTF-8") from None
    if "file" not in columns or "label" not in columns or not set(columns) <= set(COLUMNS):
        raise SourceError(f"{labels_file}: the columns are {columns}; expected file, label[, difficulty]")
    files = [row["file"] for row in rows]
    if repeated := sorted({name for name in files if files.count(name) > 1} if len(set(files)) < len(files) else set()):
        raise SourceError(f"{labels_file}: named more than once: {', '.join(repeated[:5])}")
    other = sorted({str(row["label"]) for row in rows} - {"0", "1"})
    if other:
        raise SourceError(f"{labels_file}: labels must be 0 or 1, also found {', '.join(other[:5])}")
    labels = np.array([int(row["label"]) for row in rows], dtype=np.int64)
    if len(np.unique(labels)) < 2:
        raise SourceError(f"{labels_file}: needs images of both classes, 0 and 1")
    if "difficulty" not in columns:
        return files, labels, None
    try:
        difficulty = np.array([float(row["difficulty"]) for row in rows], dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise SourceError(f"{labels_file}: a difficulty is not a number ({error})") from None
    if not np.isfinite(difficulty).all():
        raise SourceError(f"{labels_file}: a difficulty is not finite")
    return files, labels, difficulty


def folder_pool(images_folder: Path, labels_file: Path, size: int | None = None) -> Pool:
    """Load an organizer's own images.

    Args:
        images_folder: holds the image files, of any size and mode.
        labels_file: CSV with the columns file (inside `images_folder`), label (0 or 1) and, optionally, difficulty.
        size: side in pixels to which every image is resized; None needs images of one size.

    Raises:
        SourceError: see `read_labels` and `read_grey`; or the sizes differ.
    """
    if not images_folder.is_dir():
        raise SourceError(f"{images_folder}: no such folder; give the folder of images with --images")
    files, labels, difficulty = read_labels(labels_file)
    images = [read_grey(images_folder / name, size) for name in files]
    for name, image in zip(files, images, strict=True):
        if image.shape != images[0].shape:
            shapes = [f"{n} is {i.shape[1]} x {i.shape[0]}" for n, i in ((files[0], images[0]), (name, image))]
            raise SourceError(
                f"the images differ in size ({' and '.join(shapes)}); resize all with --size, for example --size 28"
            )
    return Pool("folder", np.stack(images), labels, difficulty, None, files)
