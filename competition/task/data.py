"""The data as the participant has it: found or downloaded, unpacked, opened."""

from competition.task.constants import (
    BATCH_SIZE,
    FINAL_EVALUATION_MODE,
    IMAGES_DIR,
    NUM_CLASSES,
    TASK_DATASET_LABELS_FILE,
)
from competition.task.errors import NotebookError
from competition.task.source import DATA_SHA256, DRIVE_IDS, ZIP_SHA256

# LOCKED CELL [data]: finds the data beside this notebook, in DATA_DIR or in Kaggle's inputs; unpacks and opens it.
import csv
import hashlib
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.datasets import VisionDataset

Batches = DataLoader[tuple[torch.Tensor, torch.Tensor]]
KAGGLE_INPUTS = "/kaggle/input"
KAGGLE_LEVELS = 4  # how deep a data set may lie there
MAX_FILES, MAX_UNPACKED_BYTES = 100_000, 4 << 30  # of a zip file
MAX_FILE_BYTES, MAX_SIDE = 64 << 20, 1024  # of an image, in pixels
FORMATS = ("PNG", "JPEG")


def data_folders(root: str | Path = ".") -> Iterator[Path]:
    """Yield the folders in which data may lie: `root`, ``DATA_DIR`` where that is set, Kaggle's input folders."""
    yield Path(root)
    if os.environ.get("DATA_DIR"):
        yield Path(os.environ["DATA_DIR"].strip("\"'")).expanduser()  # %env keeps quotes
    for folder, subfolders, files in os.walk(KAGGLE_INPUTS):
        deep = len(Path(folder).relative_to(KAGGLE_INPUTS).parts) >= KAGGLE_LEVELS
        subfolders[:] = [] if deep or TASK_DATASET_LABELS_FILE in files else sorted(subfolders)
        yield Path(folder)


def find_data(name: str, root: str | Path = ".") -> Path | None:
    """Find a split, "train" or "val", in the first place that has it: the folder of its labels file, or its zip file.

    A folder may lie in another of its name, as some programs unpack a zip file.
    """
    for place in data_folders(root):
        for folder in (place / name, place / name / name):
            if (folder / TASK_DATASET_LABELS_FILE).is_file():
                return folder
        if (place / f"{name}.zip").is_file():
            return place / f"{name}.zip"
    return None


def download_data(root: str | Path = ".") -> None:
    """Download ``train.zip`` and ``val.zip`` into `root`, each only where nothing local was found.

    Raises:
        NotebookError: there is nothing to download, or the download failed.
    """
    here = Path(root).resolve()
    for name, drive_id in DRIVE_IDS.items():
        if find_data(name, root):
            continue
        if not drive_id:
            elsewhere = os.environ.get("DATA_DIR")
            raise NotebookError(
                f"There is no {name}/ with a {TASK_DATASET_LABELS_FILE} in it, and no {name}.zip: put train/ and val/, "
                f"or train.zip and val.zip, beside this notebook, that is into {here}, or name their folder with "
                f"%env DATA_DIR=... in a cell above{f' (it is {elsewhere} now)' if elsewhere else ''}."
            )
        with tempfile.TemporaryDirectory(dir=here) as scratch:
            archive = Path(scratch) / f"{name}.zip"
            try:
                import gdown

                gdown.download(id=drive_id, output=str(archive))
                found = hashlib.sha256(archive.read_bytes()).hexdigest()
            except Exception as error:
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                raise NotebookError(
                    f"{name}.zip could not be downloaded ({reason}). Run this cell again, or get the file from the "
                    f"organizers and put it into {here}."
                ) from None
            if found != ZIP_SHA256[name]:
                raise NotebookError(
                    f"What was downloaded is not {name}.zip: its sha256 is {found}, expected {ZIP_SHA256[name]}. Run "
                    f"this cell again, or get the file from the organizers and put it into {here}."
                )
            archive.rename(here / archive.name)


def unpack_data(root: str | Path = ".") -> None:
    """Unpack ``train.zip`` and ``val.zip`` into `root`, each only where its folder was not found.

    Raises:
        NotebookError: a zip file is damaged or holds something else, or a folder without labels is in the way.
    """
    for name in DRIVE_IDS:
        archive, folder = find_data(name, root), Path(root) / name
        if archive is None:
            raise NotebookError(f"There is no {name}/ and no {name}.zip: run download_data() first.")
        if archive.suffix != ".zip":
            continue
        if folder.exists():
            raise NotebookError(
                f"{folder.resolve()} holds no {TASK_DATASET_LABELS_FILE}: delete it, and run this cell again; it is "
                f"made from {name}.zip."
            )
        with tempfile.TemporaryDirectory(dir=root) as scratch:
            try:
                with zipfile.ZipFile(archive) as opened:
                    members = opened.infolist()
                    size = sum(member.file_size for member in members)  # of one that holds more, no more is unpacked
                    if len(members) > MAX_FILES or size > MAX_UNPACKED_BYTES:
                        raise ValueError(f"{len(members):,} files, {size:,} bytes")
                    opened.extractall(scratch)  # which never leaves its folder
            except Exception as error:  # whatever the bytes lead the decoders to
                raise NotebookError(
                    f"{archive.resolve()} cannot be unpacked, it is another file or a part of one ({error}): delete "
                    "it, get it again, and run this cell again."
                ) from None
            labels = list(Path(scratch).rglob(TASK_DATASET_LABELS_FILE))
            if len(labels) != 1:
                raise NotebookError(
                    f"{archive.resolve()} holds {len(labels) or 'no'} {TASK_DATASET_LABELS_FILE}, so it is another "
                    f"file: delete it, and get {name}.zip again."
                )
            shutil.move(labels[0].parent, folder)


def regular(path: Path) -> Path:
    """Return the path of a file that can be read; never that of a pipe or a device, at which the notebook would wait.

    Raises:
        OSError: it is missing, no file, or too large.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE_BYTES:
        raise OSError(f"it is no file of at most {MAX_FILE_BYTES >> 20} MiB")
    return path


def read_labels(path: Path) -> list[tuple[str, int]]:
    """Read a labels file, also one that a spreadsheet has saved again: file names and labels, in its order.

    Raises:
        NotebookError: it is missing, or holds something else.
    """
    try:
        lines = regular(path).read_text(encoding="utf-8-sig").splitlines()
        delimiter = ";" if ";" in "".join(lines[:1]) else ","
        rows = list(csv.reader(lines, delimiter=delimiter))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise unreadable(path, error) from None
    pairs = []
    for number, row in enumerate(rows, 1):
        if number == 1 or not any(row):  # the header; a blank line
            continue
        try:
            name, label = row[0], int(row[1])
        except (IndexError, ValueError):
            name, label = "", -1
        plain = name and name.isprintable() and name == Path(name).name  # so that no name leaves the folder
        if not plain or label not in range(NUM_CLASSES):
            found = delimiter.join(row)[:80]
            raise NotebookError(f"{path}, line {number}: expected a file name and 0 or 1, not {found!r}")
        pairs.append((name, label))
    if not pairs:
        raise NotebookError(f"{path} holds no labels")
    return pairs


def unreadable(path: Path, error: Exception) -> NotebookError:
    """Return the error for a file that is missing or damaged."""
    what = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
    return NotebookError(f"{path} {what}")


class TaskDataset(VisionDataset):
    """Grey images with one label each, in the order of the labels file; an image is decoded once and kept.

    Attributes:
        files: the image files' names.
        targets: int64 [N], the labels, 0 or 1 (in ``train/`` some are wrong).
        images: float32 [N, 1, H, W], values 0 to 1.

    Raises:
        NotebookError: the labels file or, when it is first used, an image is missing or damaged.
    """

    def __init__(
        self,
        root: str | Path,
        transform: Callable[[torch.Tensor], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        pairs = read_labels(Path(root) / TASK_DATASET_LABELS_FILE)
        self.files = [name for name, _ in pairs]
        self.targets = torch.tensor([label for _, label in pairs], dtype=torch.int64)

    @cached_property
    def images(self) -> torch.Tensor:
        folder = Path(self.root) / IMAGES_DIR
        pixels = []
        for name in self.files:
            try:
                with Image.open(regular(folder / name), formats=FORMATS) as image:
                    if max(image.size) > MAX_SIDE:
                        raise ValueError(f"it has {image.width} x {image.height} pixels")
                    pixels.append(np.asarray(image.convert("L")))
            except Exception as error:  # whatever the bytes lead the decoders to
                raise unreadable(folder / name, error) from None
            if pixels[-1].shape != pixels[0].shape:
                raise NotebookError(f"{folder / name} has another size than {self.files[0]}")
        return torch.from_numpy(np.stack(pixels)).unsqueeze(1).to(torch.float32).div_(255)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, target = self.images[index], int(self.targets[index])
        return (
            self.transform(image) if self.transform else image,
            self.target_transform(target) if self.target_transform else target,
        )


def split_sha256(dataset: TaskDataset) -> str:
    """Return the checksum of a split: shape, file names, labels and decoded pixels, in file order."""
    pixels = dataset.images.mul(255).round_().byte().numpy()
    digest = hashlib.sha256(repr(pixels.shape).encode())
    for name, label, image in zip(dataset.files, dataset.targets.tolist(), pixels, strict=True):
        digest.update(f"{name}\0{label}\0".encode())
        digest.update(image.tobytes())
    return digest.hexdigest()


def make_loader(dataset: TaskDataset) -> Batches:
    """Make a loader of batches of (float32 [B, 1, H, W], int64 [B]), in file order."""
    # With a generator of its own, a pass over it moves no other random number.
    return DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=False, generator=torch.Generator())


def load_data(root: str | Path = ".") -> tuple[Batches, Batches]:
    """Make the loaders of ``train/`` and ``val/``.

    Raises:
        NotebookError: one is not there, lacks images, or is not the data of this competition.
    """
    loaders = []
    for name, sha256 in DATA_SHA256.items():
        folder = find_data(name, root)
        if folder is None or folder.suffix == ".zip":
            raise NotebookError(f"There is no {name}/: run download_data() and unpack_data() first.")
        try:
            dataset = TaskDataset(folder)
            found = sha256 if FINAL_EVALUATION_MODE else split_sha256(dataset)  # the grader looks after its own data
        except NotebookError as error:
            raise NotebookError(
                f"{folder.resolve()} was changed or is not whole: {error}. Delete it, and unpack {name}.zip again."
            ) from None
        if sha256 and found != sha256:
            raise NotebookError(
                f"{folder.resolve()} is not the data of this competition: delete it, and put the organizers' {name}/ "
                f"or {name}.zip there."
            )
        loaders.append(make_loader(dataset))
    return loaders[0], loaders[1]
