"""The pool of an organizer's own images: a folder, and a CSV of labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from competition.errors import SourceError
from competition.foreign_text import plain_line, plain_name
from competition.pool import Pool
from competition.pool.labels_file import read_labels
from competition.pool.pictures import MAX_SIDE, bits_used, grey_values, read_picture


def folder_pool(images_folder: Path, labels_file: Path, size: int | None = None, positive: str | None = None) -> Pool:
    """Load an organizer's own images.

    Args:
        images_folder: holds the image files, of any size and mode.
        labels_file: CSV; see `competition.pool.labels_file.read_labels`.
        size: side in pixels to which every image is resized; None needs images of one size, at most 512 x 512.
        positive: the name of the class that becomes 1, where the two are not called 0 and 1.

    Raises:
        SourceError: a row is wrong; or images are, and each has a line of the message; or the sizes differ.
    """
    if not images_folder.is_dir():
        raise SourceError(f"{plain_line(str(images_folder))}: no such folder; give the folder of images with --images")
    table = read_labels(labels_file, positive)
    images, bits = read_images(images_folder, table.files, size)
    origins = [plain_name(name) for name in table.files]
    for name, image in zip(origins, images, strict=True):
        if image.shape != images[0].shape:
            shapes = [f"{n} is {i.shape[1]} x {i.shape[0]}" for n, i in ((origins[0], images[0]), (name, image))]
            raise SourceError(
                f"the images differ in size ({' and '.join(shapes)}); resize all with --size, for example --size 28"
            )
    if max(images[0].shape) > MAX_SIDE:
        height, width = images[0].shape
        raise SourceError(
            f"the images are {width} x {height} pixels, at most {MAX_SIDE} x {MAX_SIDE} can be used; resize them with "
            "--size, for example --size 28"
        )
    return Pool(
        name="folder",
        images=np.stack(images),
        labels=table.labels,
        difficulty=table.difficulty,
        for_test=None,
        origins=origins,
        classes=table.classes,
        noisy=table.noisy,
        bits=bits,
    )


def read_images(folder: Path, names: list[str], size: int | None) -> tuple[list[npt.NDArray[np.uint8]], int]:
    """Read all images as grey values, uint8 [H, W], and return them with the bits that the deepest of them take.

    Pictures of more than 8 bits are read twice: how they are scaled is known only when all were seen, and together
    they may not fit into memory.

    Raises:
        SourceError: some cannot be used; the message has a line for each.
    """
    images: dict[str, npt.NDArray[np.uint8]] = {}
    faults: list[str] = []
    deep: list[str] = []
    bits = 8
    for name, picture in read_pictures(folder, names, faults):
        if picture.mode == "I":
            deep.append(name)
            bits = max(bits, bits_used(picture))
        else:
            images[name] = grey_values(picture, size, bits)
    for name, picture in read_pictures(folder, deep, faults):
        images[name] = grey_values(picture, size, bits)
    if faults:
        more = [f"{len(faults):,} of {len(names):,} images cannot be used"] if len(faults) > 1 else []
        raise SourceError("\n".join(faults + more))
    return [images[name] for name in names], bits


def read_pictures(folder: Path, names: list[str], faults: list[str]) -> Iterator[tuple[str, Image.Image]]:
    """Yield each image that can be read with its name; what is wrong with the others is added to `faults`."""
    for name in tqdm(names, "reading", disable=None):  # no bar where there is no terminal
        try:
            picture = read_picture(folder, name)
        except SourceError as error:
            faults.append(str(error))
        else:
            yield name, picture
