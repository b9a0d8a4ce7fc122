"""The data as the participant has it: found or downloaded, unpacked, opened."""

from competition.task.constants import BATCH_SIZE, FINAL_EVALUATION_MODE, IMAGES_DIR, TASK_DATASET_LABELS_FILE
from competition.task.errors import NotebookError
from competition.task.source import DATA_SHA256, DRIVE_IDS, ZIP_SHA256

# LOCKED CELL [data]: finds the data beside this notebook, in DATA_DIR or in Kaggle's inputs; unpacks and opens it.
import csv
import hashlib
import os
import shutil
import tempfile
import zipfile
import zlib
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


def data_folders(root: str | Path = ".") -> Iterator[Path]:
    """Yield the folders in which data may lie: `root`, ``DATA_DIR`` where that is set, Kaggle's input folders."""
    yield Path(root)
    if os.environ.get("DATA_DIR"):
        yield Path(os.environ["DATA_DIR"]).expanduser()
    for folder, subfolders, _ in os.walk(KAGGLE_INPUTS):
        too_deep = len(Path(folder).relative_to(KAGGLE_INPUTS).parts) >= KAGGLE_LEVELS
        subfolders[:] = [] if too_deep else sorted(name for name in subfolders if name != IMAGES_DIR)
        yield Path(folder)


def find_split(name: str, root: str | Path = ".") -> Path | None:
    """Find the folder of a split, "train" or "val": the first with a labels file in it."""
    folders = (folder / name for folder in data_folders(root))
    return next((folder for folder in folders if (folder / TASK_DATASET_LABELS_FILE).is_file()), None)


def find_zip(name: str, root: str | Path = ".") -> Path | None:
    """Find the zip file of a split."""
    archives = (folder / f"{name}.zip" for folder in data_folders(root))
    return next((archive for archive in archives if archive.is_file()), None)


def download_data(root: str | Path = ".") -> None:
    """Download ``train.zip`` and ``val.zip`` into `root`, each only where nothing local was found.

    Raises:
        NotebookError: there is nothing to download, or the download failed.
    """
    for name, drive_id in DRIVE_IDS.items():
        if find_split(name, root) or find_zip(name, root):
            continue
        here = Path(root).resolve()
        if not drive_id:
            raise NotebookError(
                f"There is no {name}/ and no {name}.zip: put train/ and val/, or train.zip and val.zip, beside this "
                f"notebook, that is into {here}, or name their folder with %env DATA_DIR=... in a cell above."
            )
        archive, partial = here / f"{name}.zip", here / f"{name}.zip.part"
        try:
            import gdown

            gdown.download(id=drive_id, output=str(partial))
            found = hashlib.sha256(partial.read_bytes()).hexdigest()
        except Exception as error:
            raise NotebookError(
                f"{name}.zip could not be downloaded ({type(error).__name__}: {error}). Run this cell again, or get "
                f"the file from the organizers and put it into {here}."
            ) from None
        if found != ZIP_SHA256[name]:
            partial.unlink()
            raise NotebookError(
                f"What was downloaded is not {name}.zip: its sha256 is {found}, expected {ZIP_SHA256[name]}. Run this "
                f"cell again, or get the file from the organizers and put it into {here}."
            )
        partial.rename(archive)


def unpack_data(root: str | Path = ".") -> None:
    """Unpack ``train.zip`` and ``val.zip`` into `root`, each only where its folder was not found.

    Raises:
        NotebookError: a zip file is damaged or holds something else, or a folder without labels is in the way.
    """
    for name in DRIVE_IDS:
        archive, folder = find_zip(name, root), Path(root) / name
        if find_split(name, root):
            continue
        if folder.exists():
            raise NotebookError(
                f"{folder.resolve()} holds no {TASK_DATASET_LABELS_FILE}: delete it, and run this cell again; it is "
                f"made from {name}.zip."
            )
        if archive is None:
            raise NotebookError(f"There is no {name}.zip: run download_data() first.")
        with tempfile.TemporaryDirectory(dir=root) as scratch:
            try:
                with zipfile.ZipFile(archive) as opened:
                    opened.extractall(scratch)
            except (zipfile.BadZipFile, zlib.error, EOFError) as error:
                raise NotebookError(
                    f"{archive.resolve()} is no zip file, or only a part of one ({error}): delete it, get it again, "
                    "and run this cell again."
                ) from None
            labels = next(Path(scratch).rglob(TASK_DATASET_LABELS_FILE), None)
            if labels is None:
                raise NotebookError(
                    f"{archive.resolve()} holds no {TASK_DATASET_LABELS_FILE}, so it is another file: delete it, and "
                    f"get {name}.zip again."
                )
            shutil.move(labels.parent, folder)


def read_labels(path: Path) -> list[tuple[str, int]]:
    """Read a labels file, also one that a spreadsheet has saved again: file names and labels, in its order.

    Raises:
        NotebookError: it holds something else.
    """
    text = path.read_text(encoding="utf-8-sig")
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    pairs = []
    for number, row in enumerate(csv.reader(text.splitlines(), delimiter=delimiter), 1):
        if number == 1 or not any(row):  # the header; a blank line
            continue
        try:
            name, label = row[0], int(row[1])
        except (IndexError, ValueError):
            raise NotebookError(
                f"{path}, line {number}: expected a file name and a label, found {delimiter.join(row)!r}: restore the "
                "file, or unpack the zip file again."
            ) from None
        pairs.append((name, label))
    return pairs


class TaskDataset(VisionDataset):
    """Grey images with one label each, in the order of the labels file; an image is decoded once and kept.

    Attributes:
        files: the image files' names.
        targets: int64 [N], the labels, 0 or 1 (in ``train/`` some are wrong).
        images: float32 [N, 1, H, W], values 0 to 1.
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
            with Image.open(folder / name) as image:
                pixels.append(np.asarray(image.convert("L")))
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
    return DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=False)


def load_data(root: str | Path = ".") -> tuple[Batches, Batches]:
    """Make the loaders of ``train/`` and ``val/``.

    Raises:
        NotebookError: one is not there, lacks images, or is not the data of this competition.
    """
    loaders = []
    for name, sha256 in DATA_SHA256.items():
        folder = find_split(name, root)
        if folder is None:
            raise NotebookError(f"There is no {name}/: run download_data() and unpack_data() first.")
        dataset = TaskDataset(folder)
        try:
            found = split_sha256(dataset)
        except (OSError, ValueError) as error:
            raise NotebookError(
                f"{folder.resolve()} lacks images, or they are damaged ({error}): delete it, and unpack {name}.zip "
                "again."
            ) from None
        if sha256 and found != sha256 and not FINAL_EVALUATION_MODE:  # the grader looks after its own data
            raise NotebookError(
                f"{folder.resolve()} is not the data of this competition: delete it, and put the organizers' {name}/ "
                f"or {name}.zip there."
            )
        loaders.append(make_loader(dataset))
    return loaders[0], loaders[1]
