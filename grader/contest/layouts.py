"""Whose notebook is it? What the names in a platform's download say. Pure functions of paths.

Moodle      Full Name_1234567_assignsubmission_file_/nb.ipynb, or without folders …_file_nb.ipynb
Canvas      lastfirst_LATE_1234_5678_nb-1.ipynb
nbgrader    submitted/<student>/<assignment>/nb.ipynb, beside it timestamp.txt
Classroom   <assignment>/Full Name - nb.ipynb
Codabench   12_name_PhaseId3_2026-03-01_30-15_submission.zip, in it the notebook
Kaggle      <any folder>/nb.ipynb, beside it kernel-metadata.json
folders     <participant>/…/nb.ipynb, or <participant>.ipynb
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from types import MappingProxyType

from grader.contest.entries import is_date

TIMESTAMP_FILE = "timestamp.txt"
KERNEL_FILE = "kernel-metadata.json"
_MOODLE = re.compile(r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_file(_.*)?", re.DOTALL)
_CANVAS = re.compile(r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<number>\d+)_\d+_(?P<file>.+)", re.DOTALL)
_ATTEMPT = re.compile(r".*-(?P<attempt>\d{1,6})", re.DOTALL)
_CODABENCH = re.compile(r"(?P<key>\d{1,18})_(?P<name>.+?)_PhaseId\d+_\d{4}-\d\d-\d\d[:_]\d\d-\d\d_.+", re.DOTALL)
_KERNEL = re.compile(r"(?P<name>[\w-]+)/[\w-]+")
_CLASSROOM = re.compile(r"(?P<name>.+?) - .+", re.DOTALL)

Parts = tuple[str, ...]


@dataclass(frozen=True)
class Owner:
    """Whose notebook it is.

    Attributes:
        name: the participant's, as the platform writes it.
        number: the platform's own of that participant; empty where there is none. It tells two of one name apart.
        layout: by whose habit it was found.
        late: whether the platform says that it came late.
        attempt: which of several attempts; 0 where nothing says so.
        key: by which a list of the platform's names the submission and says when it came; empty where there is none.
    """

    name: str
    number: str = ""
    layout: str = "folders"
    late: bool = False
    attempt: int = 0
    key: str = ""


def owners(
    paths: Sequence[Parts],
    timestamped: AbstractSet[Parts],
    *,
    packed: bool,
    kernels: Mapping[Parts, str] = MappingProxyType({}),
) -> list[Owner]:
    """Tell whose the notebooks of one download are.

    Args:
        paths: their paths in it, part by part.
        timestamped: the folders with a file ``timestamp.txt``.
        packed: whether it is a zip: one folder that holds all folders of a zip is nobody's.
        kernels: what ``kernel-metadata.json`` names the notebook in a folder, ``owner/name``.
    """
    marked = [_of_kernel(kernels.get(parts[:-1], "")) or _marked(parts, timestamped) for parts in paths]
    unmarked = [parts for parts, owner in zip(paths, marked, strict=True) if owner is None]
    all_named = {
        parts[:-1]
        for parts in unmarked
        if all(_CLASSROOM.fullmatch(each[-1]) for each in unmarked if each[:-1] == parts[:-1])
    }
    shared = _shared(unmarked) if packed else 0
    return [owner or _unmarked(parts, all_named, shared) for parts, owner in zip(paths, marked, strict=True)]


def is_codabench(name: str) -> bool:
    """Say whether Codabench names one submission's zip so, in the zip of many."""
    return _CODABENCH.fullmatch(name) is not None and name.lower().endswith(".zip")


def _of_kernel(ref: str) -> Owner | None:
    """Find the owner of a notebook that Kaggle calls so."""
    found = _KERNEL.fullmatch(ref)
    return Owner(found["name"], layout="Kaggle", key=ref) if found else None


def _marked(parts: Parts, timestamped: AbstractSet[Parts]) -> Owner | None:
    """Find the owner by a mark that only one platform sets."""
    for part in parts:
        if found := _CODABENCH.fullmatch(part):
            return Owner(found["name"], layout="Codabench", attempt=int(found["key"]), key=found["key"])
        if found := _MOODLE.fullmatch(part):
            return Owner(found["name"], found["number"], "Moodle")
    if found := _CANVAS.fullmatch(parts[-1]):
        attempt = _ATTEMPT.fullmatch(PurePath(found["file"]).stem)
        return Owner(
            found["name"],
            found["number"],
            "Canvas",
            found["late"] is not None,
            int(attempt["attempt"]) if attempt else 0,
        )
    if "submitted" in parts[:-3]:
        return Owner(parts[parts.index("submitted") + 1], layout="nbgrader")
    if len(parts) > 2 and parts[:-1] in timestamped:
        return Owner(parts[-3], layout="nbgrader")
    return None


def _unmarked(parts: Parts, all_named: AbstractSet[Parts], shared: int) -> Owner:
    """Find the owner by the folder, or by a file name that begins with theirs as all in its folder do."""
    found = _CLASSROOM.fullmatch(parts[-1])
    if found and parts[:-1] in all_named:
        return Owner(found["name"], layout="Classroom")
    own = parts[shared:]
    return Owner(own[0] if len(own) > 1 else PurePath(own[0]).stem)


def _shared(paths: Sequence[Parts]) -> int:
    """Count the folders that all paths begin with, where several folders lie in the last of them."""
    depth = 0
    while len({parts[: depth + 1] for parts in paths}) == 1 and all(len(parts) > depth + 2 for parts in paths):
        depth += 1
    return depth if len({parts[: depth + 1] for parts in paths}) > 1 else 0


def read_timestamp(text: str) -> datetime | None:
    """Read nbgrader's ``timestamp.txt``: ``2026-03-01 18:30:00.123456 UTC``; None where it says something else."""
    stamp = text.strip().removesuffix("UTC").rstrip()
    try:
        time = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    time = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    return time if is_date(time) else None
