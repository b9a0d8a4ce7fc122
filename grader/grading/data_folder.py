"""Where the data lies, and what its manifests say of it. No image is opened here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from competition.errors import DataError
from competition.manifest import MANIFEST_FILE, PUBLIC_SPLITS, is_training_draw, read_manifest
from grader.grading.settings import Settings
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


def require_splits(settings: Settings, folder: DataFolder) -> None:
    """Find out before a training is spent on it whether every split is there that the grading needs.

    Raises:
        InfrastructureError: one is missing.
    """
    for split in (settings.train, "val", settings.split):
        path = folder.folder_of(split) / split
        if not path.is_dir():
            remedy = "restore it, or build the data again"
            raise InfrastructureError(
                f"{path} is missing: {remedy}{', with --redraw K' if is_training_draw(split) else ''}"
            )


def manifest_sha256(folder: DataFolder, split: str) -> str:
    """Return the checksum that the manifest gives for a split, without opening the images.

    Raises:
        InfrastructureError: the split or its manifest is missing.
    """
    try:
        return str(read_manifest(folder.folder_of(split))["splits"][split]["sha256"])
    except DataError as error:
        raise InfrastructureError(str(error)) from None
    except (KeyError, TypeError):
        raise InfrastructureError(f"the manifest in {folder.folder_of(split)} does not know {split}") from None


def combined_sha256(checksums: list[str]) -> str:
    """Return one checksum for the checksums of several splits."""
    return hashlib.sha256(" ".join(checksums).encode()).hexdigest()
