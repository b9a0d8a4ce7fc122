"""A folder for a platform: made in a scratch folder, searched, described in EXPORT.json, moved into place whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from competition.distribution import DISTRIBUTION
from competition.errors import CompetitionError
from competition.manifest import PRIVATE_SPLITS, PUBLIC_SPLITS, read_manifest
from competition.scratch import scratch_folder
from grader.contest_file import Contest
from grader.platforms.archives import leak_in
from grader.platforms.secrecy import Search, Secret, Secrets, secrets_of
from grader.verdicts import InfrastructureError

EXPORT_FILE = "EXPORT.json"
NEVER_LEAVES = {
    "test_b": "the final ranks on it, at home, on the notebooks that were handed in",
    "train_truth": "whoever knows which labels are wrong needs no method",
    "seed": "whoever knows it can build all the data again, the answers too",
    "redraws": "the final may train on them, because nobody has seen them",
    "contest.toml": "the final's seed is in it",
}


@dataclass(frozen=True)
class Plan:
    """What an export is, in words for its EXPORT.json and for the terminal.

    Attributes:
        platform: "codabench" or "kaggle".
        mode: which of the platform's modes.
        may_hold: of the files and folders at its top, those that may hold private splits, and which: no other part
            of the export may hold a byte of them.
        left_out: what else is left out, and why, besides what never leaves.
        not_secret: what this mode cannot keep secret, or cannot be sure of, a sentence each.
    """

    platform: str
    mode: str
    may_hold: Mapping[str, frozenset[str]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    not_secret: tuple[str, ...] = ()

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that the export holds, private ones last."""
        private = frozenset().union(*self.may_hold.values())
        return (*PUBLIC_SPLITS, *(split for split in PRIVATE_SPLITS if split in private))


def description(plan: Plan, data: Path) -> dict[str, Any]:
    """Return what EXPORT.json says.

    Raises:
        DataError: the data folder is not whole.
    """
    public, private = read_manifest(data / "public")["splits"], read_manifest(data / "private")["splits"]
    return {
        "format": 1,
        "kit": version(DISTRIBUTION),
        "platform": plan.platform,
        "mode": plan.mode,
        "data": {split: (public if split in PUBLIC_SPLITS else private)[split]["sha256"] for split in plan.splits},
        "left_out": dict(plan.left_out) | NEVER_LEAVES,
        "not_secret": list(plan.not_secret),
    }


def found_leak(folder: Path, plan: Plan, secrets: Secrets) -> tuple[str, Secret] | None:
    """Return the place of a secret in an export, and the secret, part by part; None where there is none.

    Raises:
        InfrastructureError: there is an archive that cannot be searched.
    """
    searches: dict[frozenset[str], Search] = {}
    for part in sorted(folder.iterdir()):
        may = frozenset(plan.splits) if part.name == EXPORT_FILE else plan.may_hold.get(part.name, frozenset())
        if may not in searches:
            searches[may] = Search(secrets, may)
        if (leak := leak_in(part, searches[may])) is not None:
            return leak
    return None


def write_export(out: Path, plan: Plan, contest: Contest, data: Path, write: Callable[[Path], None]) -> None:
    """Make an export: whole, and with nothing private in it, or not at all.

    Args:
        out: a new folder.
        contest: whose contest file may not leave.
        data: the data folder that ``build-data`` made.
        write: writes the export's files into an empty folder.

    Raises:
        ValueError: there is something at `out` already.
        InfrastructureError: the data is not whole, something cannot be written, or a secret stands in what was made.
    """
    if out.exists() or out.is_symlink():
        raise ValueError(f"{out} is there already, and nothing is overwritten: name a new folder with --out")
    secrets = secrets_of(data, contest)
    try:
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder("export", out.absolute().parent) as scratch:
            folder = scratch / "export"
            folder.mkdir()
            write(folder)
            (folder / EXPORT_FILE).write_text(json.dumps(description(plan, data), indent=2) + "\n", encoding="utf-8")
            if (leak := found_leak(folder, plan, secrets)) is not None:
                place, secret = leak
                raise InfrastructureError(
                    f"nothing was exported: {secret.what} stands in {place}, and may not leave; "
                    "this is a fault of the exporter or of a text that you gave it"
                )
            shutil.move(folder, out)
    except CompetitionError as error:
        raise InfrastructureError(str(error)) from None
    except OSError as error:
        raise InfrastructureError(f"{out} cannot be written: {error}") from None
