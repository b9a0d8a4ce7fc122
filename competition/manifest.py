"""What a data folder is made of: the names of its parts, and the manifests that say what it must hold.

`public/manifest.json` covers what is handed out, `private/manifest.json` everything. The presence of the public one
marks a finished build; `competition.splits` compares a split with its checksum in them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from competition.errors import DataError
from competition.untrusted_file import NotAFile, TooLarge, read_untrusted_file

MANIFEST_FILE = "manifest.json"
PUBLIC_SPLITS = ("train", "val")
PRIVATE_SPLITS = ("test_a", "test_b")
MAX_MANIFEST_BYTES = 1 << 20
REDRAW_PREFIX = "redraw-"
TRUTH_COLUMNS = ("file", "clean_label", "noisy_label")


def is_training_draw(split: str) -> bool:
    """Say whether a split is trained on: ``train`` itself, or a redraw of it."""
    return split == "train" or split.startswith(REDRAW_PREFIX)


def truth_file(train: str = "train") -> str:
    """Return the name of the private file with the clean labels of a training draw, "train" or "redraw-1"."""
    return f"{train}_truth.csv"


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read `folder`'s manifest.

    Raises:
        DataError: there is none, or it is not a manifest.
    """
    path = folder / MANIFEST_FILE
    try:
        manifest = json.loads(read_untrusted_file(path, MAX_MANIFEST_BYTES, follow=True))
    except FileNotFoundError:
        raise DataError(f"no finished data in {folder}: build it with 'competition build-data'") from None
    except (NotAFile, TooLarge):
        raise DataError(f"{path} is not a manifest: build the data again") from None
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}): build the data again") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("splits"), dict):
        raise DataError(f"{path} is not a manifest: build the data again")
    return manifest


def public_sha256(manifest: dict[str, Any]) -> dict[str, str]:
    """Return the checksums of the public splits that a manifest gives."""
    return {name: str(manifest["splits"][name]["sha256"]) for name in PUBLIC_SPLITS}
