"""The data as the participant has it: download, unpacking, dataset and loaders."""

from competition.task.constants import BATCH_SIZE, IMAGES_DIR, TASK_DATASET_LABELS_FILE
from competition.task.source import TRAIN_ID, TRAIN_SHA256, VAL_ID, VAL_SHA256

# LOCKED CELL [data]: edits here change nothing, the grader runs its own copy of this cell.
import csv
import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.datasets import VisionDataset

Batches = DataLoader[tuple[torch.Tensor, torch.Tensor]]


def download_data(root: Path = Path()) -> None:
    """Download ``train.zip`` and ``val.zip`` into `root`, each only where neither its folder nor its zip is there."""
    for name, drive_id, sha256 in (("train", TRAIN_ID, TRAIN_SHA256), ("val", VAL_ID, VAL_SHA256)):
        archive = root / f"{name}.zip"
        if (root / name).is_dir() or archive.is_file():
            continue
        import gdown

        partial = root / f"{name}.zip.part"
        gdown.download(id=drive_id, output=str(partial))
        found = hashlib.sha256(partial.read_bytes()).hexdigest()
        if sha256 and found != sha256:
            raise ValueError(
                f"{archive.name}: the download's sha256 is {found}, expected {sha256}; run this cell again"
            )
        if not sha256:
            print(f"{archive.name}: no checksum is known for this download, so it is used unchecked")
        partial.rename(archive)


def unpack_data(root: Path = Path()) -> None:
    """Unpack ``train.zip`` and ``val.zip`` into ``train/`` and ``val/``, each only where the folder is not there."""
    for name in ("train", "val"):
        if (root / name).is_dir():
            continue
        with tempfile.TemporaryDirectory(dir=root) as scratch:
            with zipfile.ZipFile(root / f"{name}.zip") as archive:
                archive.extractall(scratch)
            labels = next(Path(scratch).rglob(TASK_DATASET_LABELS_FILE), None)
            if labels is None:
                raise ValueError(f"{name}.zip holds no {TASK_DATASET_LABELS_FILE}: delete it and get it again")
            shutil.move(labels.parent, root / name)


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
        with open(Path(root) / TASK_DATASET_LABELS_FILE, newline="") as stream:
            rows = list(csv.reader(stream))[1:]
        self.files = [row[0] for row in rows]
        self.targets = torch.tensor([int(row[1]) for row in rows], dtype=torch.int64)

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


def make_loader(dataset: TaskDataset) -> Batches:
    """Make a loader of batches of (float32 [B, 1, H, W], int64 [B]), in file order."""
    return DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=False)


def load_data(root: Path = Path()) -> tuple[Batches, Batches]:
    """Make the loaders of ``train/`` and ``val/``."""
    return make_loader(TaskDataset(root / "train")), make_loader(TaskDataset(root / "val"))
