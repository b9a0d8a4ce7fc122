"""The trusted side's use of the task: open verified data, train through the gateway, score on the chosen split."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from competition.errors import DataError
from competition.manifest import MANIFEST_FILE, PUBLIC_SPLITS, Split, open_split
from competition.task.constants import BATCH_SIZE
from competition.task.data import TaskDataset, make_loader
from competition.task.metric import predict_and_evaluate
from competition.task.model import SmallMobileNet
from competition.task.selection import MAX_REPEATS
from grader.verdicts import InfrastructureError


@dataclass(frozen=True)
class DataFolder:
    """Where the splits lie.

    Attributes:
        public: holds ``train/`` and ``val/``.
        private: holds ``test_a/`` and ``test_b/``; None at a participant's.
        verify: whether splits are compared with their manifest; False only for a download that came without one.
    """

    public: Path
    private: Path | None
    verify: bool

    def folder_of(self, split: str) -> Path:
        """Return the folder that holds `split`, or raise `InfrastructureError`."""
        if split in PUBLIC_SPLITS:
            return self.public
        if self.private is None:
            raise InfrastructureError(f"{self.public} holds only the public part: there is no {split} to grade on")
        return self.private


def find_data(root: Path) -> DataFolder:
    """Find the data in `root`: either what ``build-data`` made, or its public part alone.

    Raises:
        InfrastructureError: it is neither.
    """
    if (root / "public").is_dir():
        return DataFolder(root / "public", root / "private", verify=True)
    if (root / "train").is_dir() and (root / "val").is_dir():
        return DataFolder(root, None, verify=(root / MANIFEST_FILE).is_file())
    raise InfrastructureError(
        f"no data in {root}: --data takes the folder that holds train/ and val/ (unzip what you were given), or one "
        "that 'competition build-data --out FOLDER' made"
    )


def open_verified(data: DataFolder, split: str) -> Split:
    """Open a split and compare it with its manifest.

    Raises:
        InfrastructureError: it is missing, unreadable or changed.
    """
    try:
        return open_split(data.folder_of(split), split, verify=data.verify)
    except DataError as error:
        raise InfrastructureError(str(error)) from None


def data_sha256(splits: dict[str, Split]) -> str:
    """Return one checksum for several splits."""
    return combined_sha256([split.sha256 for split in splits.values()])


def combined_sha256(checksums: list[str]) -> str:
    """Return one checksum for the checksums of several splits."""
    return hashlib.sha256(" ".join(checksums).encode()).hexdigest()


def warm_up(device: torch.device, dataset: TaskDataset) -> None:
    """Take one training step of two models on `device`, so that torch has reserved the memory a training needs."""
    inputs = dataset.images[:BATCH_SIZE].to(device)
    targets = dataset.targets[:BATCH_SIZE].to(device)
    for model in [SmallMobileNet().to(device).to(memory_format=torch.channels_last) for _ in range(2)]:
        F.cross_entropy(model(inputs.repeat(MAX_REPEATS, 1, 1, 1)), targets.repeat(MAX_REPEATS)).backward()


def evaluate(models: list[SmallMobileNet], dataset: TaskDataset) -> tuple[float, float]:
    """Return the balanced accuracy of both models on a split."""
    first, second = (predict_and_evaluate(model, make_loader(dataset)) for model in models)
    return first, second
