"""Splits, opened and verified: their images are decoded, and their checksum is compared with the manifest's.

Checksums are of file names, labels and decoded pixels, so that another PNG encoder or zip library changes none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from competition.errors import DataError
from competition.manifest import read_manifest
from competition.task.constants import TASK_DATASET_LABELS_FILE
from competition.task.data import TaskDataset, split_sha256
from competition.task.errors import NotebookError


@dataclass(frozen=True)
class Split:
    """A split that was opened and verified.

    Attributes:
        dataset: its images, decoded, and labels.
        sha256: its checksum; see `competition.task.data.split_sha256`.
    """

    dataset: TaskDataset
    sha256: str


def open_split(folder: Path, split: str, *, verify: bool = True) -> Split:
    """Open `folder`/`split`, its images decoded, and compare it with the checksum in `folder`'s manifest.

    Args:
        verify: False skips the manifest, for a participant whose download came without one.

    Raises:
        DataError: the split lacks a file, has one that cannot be read, or differs from the manifest.
    """
    expected = read_manifest(folder)["splits"].get(split, {}).get("sha256") if verify else None
    try:
        dataset = TaskDataset(folder / split)
        found = split_sha256(dataset)
    except NotebookError as error:
        raise DataError(f"{error}: restore {split}/, or build the data again") from None
    if verify and found != expected:
        raise DataError(
            f"{folder / split} was changed since it was built: its names, labels and pixels give the checksum "
            f"{found[:12]}..., the manifest says {str(expected)[:12]}...; restore {split}/ with its "
            f"{TASK_DATASET_LABELS_FILE}, or build the data again"
        )
    return Split(dataset, found)
