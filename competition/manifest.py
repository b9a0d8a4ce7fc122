"""Manifests and checksums: how a data folder proves that it is whole and unchanged.

`public/manifest.json` covers what is handed out, `private/manifest.json` everything. Checksums are of file names,
labels and decoded pixels, so that another PNG encoder or zip library changes none.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from competition.errors import DataError
from competition.task.constants import TASK_DATASET_LABELS_FILE
from competition.task.data import TaskDataset

MANIFEST_FILE = "manifest.json"
PUBLIC_SPLITS = ("train", "val")
PRIVATE_SPLITS = ("test_a", "test_b")


@dataclass(frozen=True)
class Split:
    """A split that was opened and verified.

    Attributes:
        dataset: its images, decoded, and labels.
        sha256: its checksum; see `split_sha256`.
    """

    dataset: TaskDataset
    sha256: str


def split_sha256(dataset: TaskDataset) -> str:
    """Return the checksum of a split: shape, file names, labels and decoded pixels, in file order."""
    pixels = dataset.images.mul(255).round_().byte().numpy()
    digest = hashlib.sha256(repr(pixels.shape).encode())
    for name, label, image in zip(dataset.files, dataset.targets.tolist(), pixels, strict=True):
        digest.update(f"{name}\0{label}\0".encode())
        digest.update(image.tobytes())
    return digest.hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read `folder`'s manifest.

    Raises:
        DataError: there is none, or it is not a manifest.
    """
    path = folder / MANIFEST_FILE
    try:
        manifest = json.loads(path.read_text())
    except FileNotFoundError:
        raise DataError(f"no finished data in {folder}: build it with 'competition build-data'") from None
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}): build the data again") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("splits"), dict):
        raise DataError(f"{path} is not a manifest: build the data again")
    return manifest


def open_split(folder: Path, split: str, *, verify: bool = True) -> Split:
    """Open `folder`/`split`, its images decoded, and compare it with the checksum in `folder`'s manifest.

    Args:
        verify: False skips the manifest, for a participant whose download came without one.

    Raises:
        DataError: the split is missing or unreadable, or differs from the manifest.
    """
    expected = read_manifest(folder)["splits"].get(split, {}).get("sha256") if verify else None
    try:
        dataset = TaskDataset(folder / split)
        found = split_sha256(dataset)
    except FileNotFoundError as error:
        raise DataError(f"{error.filename} is missing: restore it, or build the data again") from None
    except (OSError, ValueError, IndexError) as error:
        raise DataError(f"{folder / split} cannot be read ({error}): restore it, or build the data again") from None
    if verify and found != expected:
        raise DataError(
            f"{folder / split} was changed since it was built: its names, labels and pixels give the checksum "
            f"{found[:12]}..., the manifest says {str(expected)[:12]}...; restore {split}/ with its "
            f"{TASK_DATASET_LABELS_FILE}, or build the data again"
        )
    return Split(dataset, found)
