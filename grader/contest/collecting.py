"""From the downloads of learning platforms to a folder of notebooks and ``submissions.csv``, for ``grader batch``."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from grader.contest.downloads import Download, Member, Unreadable, open_download
from grader.contest.entries import Aside
from grader.contest.folder import place_of
from grader.contest.layouts import Owner, owners
from grader.contest.listings import LIST_SUFFIX, Listed, read_listing
from grader.contest.names import name_key, name_problem
from grader.contest.store import utc_text
from grader.contest.table import COLUMNS
from grader.safe_io import csv_cell
from grader.verdicts import InfrastructureError

TABLE = "submissions.csv"
LISTED = {
    "Codabench": "name the CSV of api/submissions/?phase=N&format=csv too",
    "Kaggle": "name the CSV of 'kaggle kernels list --competition SLUG --csv' too",
}
MAX_TOGETHER = 16 << 30  # bytes of all notebooks
MAX_NOTEBOOKS = 50_000


@dataclass(frozen=True)
class Collected:
    """A notebook that was collected.

    Attributes:
        owner: whose it is.
        time: when it came.
        path: where it lies now, below the folder of all.
        place: where it was.
    """

    owner: Owner
    time: datetime
    path: Path
    place: str


@dataclass
class Collection:
    """What became of the downloads.

    Attributes:
        notebooks: what was collected.
        same: how many notebooks were there twice: the same bytes of the same participant.
        aside, leavings: see `HandedIn`.
    """

    notebooks: list[Collected] = field(default_factory=list)
    same: int = 0
    aside: list[Aside] = field(default_factory=list)
    leavings: int = 0


def collect(sources: Sequence[Path], out: Path) -> Collection:
    """Copy the notebooks of all downloads into a folder, and write the table of them.

    Args:
        sources: zips, folders that were unpacked, and lists that say whose a submission is and when it came.
        out: a new or empty folder.

    Raises:
        ValueError: there is something in it, or a list cannot be used.
        InfrastructureError: it cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise ValueError(f"{out} is not empty, and nothing is overwritten: name a new folder with -o")
        collection = Collection()
        lists, files = ([source for source in sources if is_list(source) is wanted] for wanted in (True, False))
        listed = {key: found for source in lists for key, found in read_listing(source).items()}
        copy_all([(source, open_download(source)) for source in files], listed, out, collection)
        with open(out / TABLE, "x", newline="", encoding="utf-8") as stream:
            stream.write(table_of(collection.notebooks))
    except OSError as error:
        raise InfrastructureError(f"{out} cannot be written: {error}") from None
    return collection


def is_list(source: Path) -> bool:
    """Say whether a source is a platform's list of submissions, rather than a download."""
    return source.suffix.lower() == LIST_SUFFIX and not source.is_dir()


def copy_all(
    downloads: list[tuple[Path, Download]], listed: Mapping[str, Listed], out: Path, collection: Collection
) -> None:
    """Copy what can be taken, oldest first for each participant, and note the rest.

    Raises:
        OSError: a copy cannot be written.
    """
    waiting: list[tuple[str, Owner, datetime, Member]] = []
    for source, download in downloads:
        collection.leavings += download.leavings
        collection.aside += [replace(aside, place=f"{source}: {aside.place}") for aside in download.aside]
        paths = [member.parts for member in download.members]
        whose = owners(paths, download.stamps.keys(), packed=download.packed, kernels=download.kernels)
        for member, found in zip(download.members, whose, strict=True):
            place = f"{source}: {place_of(member.parts)}"
            entry = listed.get(found.key) if found.key else None
            owner = found if entry is None or entry.name is None else replace(found, name=entry.name)
            time = download.stamps.get(member.parts[:-1]) or member.time
            if found.key:  # the file's own time is the download's, or the participant's
                time = None if entry is None else entry.time
            if (problem := name_problem(owner.name)) is not None:
                collection.aside.append(Aside(place, problem))
            elif time is None and owner.key:
                collection.aside.append(Aside(place, f"no list says when it came: {LISTED[owner.layout]}"))
            elif time is None:
                collection.aside.append(Aside(place, "nothing says when it came: copy it yourself, and add a row"))
            else:
                waiting.append((place, owner, time, member))
    names = distinct_names([owner for _, owner, _, _ in waiting])
    folders = Folders()
    seen: set[tuple[str, str]] = set()
    together = 0
    for place, owner, time, member in sorted(
        waiting, key=lambda each: (names[each[1].name, each[1].number], each[2], each[1].attempt)
    ):
        if together > MAX_TOGETHER or len(collection.notebooks) >= MAX_NOTEBOOKS:
            collection.aside.append(Aside(place, "it is too much for one folder: collect fewer downloads at once"))
            continue
        try:
            raw = member.read()
        except Unreadable as error:
            collection.aside.append(Aside(place, str(error)))
            continue
        named = replace(owner, name=names[owner.name, owner.number])
        checksum = hashlib.sha256(raw).hexdigest()
        if (named.name, checksum) in seen:
            collection.same += 1
            continue
        seen.add((named.name, checksum))
        together += len(raw)
        path = folders.place_for(named.name)
        write_new(out / path, raw, time)
        collection.notebooks.append(Collected(named, time, path, place))


def distinct_names(found: Iterable[Owner]) -> dict[tuple[str, str], str]:
    """Give each participant one name: where a platform has several of one name, its number stands behind it."""
    numbers: dict[str, dict[str, None]] = defaultdict(dict)
    spelling: dict[str, str] = {}
    for owner in found:
        numbers[name_key(owner.name)][owner.number] = None
        spelling.setdefault(name_key(owner.name), owner.name)
    return {
        (owner.name, owner.number): (
            f"{spelling[key]} {owner.number}".strip() if len(numbers[key]) > 1 else spelling[key]
        )
        for owner in found
        for key in (name_key(owner.name),)
    }


class Folders:
    """Gives each participant a folder of their own, with harmless names."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._files: dict[str, int] = defaultdict(int)

    def place_for(self, participant: str) -> Path:
        """Return the path of a participant's next notebook."""
        if participant not in self._names:
            letters = re.sub(r"[^\w.-]+", " ", name_key(participant)).strip(" .")[:40] or "participant"
            taken = {name.casefold() for name in self._names.values()}
            number = 1
            while (name := letters if number == 1 else f"{letters} {number}").casefold() in taken:
                number += 1
            self._names[participant] = name
        name = self._names[participant]
        self._files[name] += 1
        return Path(name, f"{self._files[name]:03d}.ipynb")


def write_new(path: Path, raw: bytes, time: datetime) -> None:
    """Write a file that is not there yet, with its time.

    Raises:
        OSError: it is there, or cannot be written.
    """
    path.parent.mkdir(exist_ok=True)
    with open(path, "xb") as stream:
        stream.write(raw)
    os.utime(path, (time.timestamp(), time.timestamp()))


def table_of(notebooks: Iterable[Collected]) -> str:
    """Write the table that ``grader batch`` reads; its column ``late`` is for you alone."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*COLUMNS, "late"])
    for each in notebooks:
        writer.writerow([csv_cell(each.owner.name), str(each.path), utc_text(each.time), int(each.owner.late)])
    return stream.getvalue()
