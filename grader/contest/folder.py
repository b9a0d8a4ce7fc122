"""A folder of submissions: every notebook in it, at any depth, and the name of everything else."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from grader.contest.entries import NOTEBOOK_SUFFIX, SOLUTION_SUFFIX, Aside, HandedIn, is_date, make_entry
from grader.contest.kept import Kept
from grader.contest.store import Kind
from grader.safe_io import open_folder

MAX_DEPTH = 12  # folders between the folder and a notebook
# What editors, spreadsheets and systems leave behind: nobody hands it in, so it is only counted.
LEAVING = re.compile(
    r"\.ipynb_checkpoints|__MACOSX|__pycache__|\.DS_Store|\.Spotlight-V100|\.Trashes|\.fseventsd|Thumbs\.db|desktop\.ini"
    r"|\._.*|~\$.*|\.~.*|.*~|\.?#.*|.*\.sw[a-p]",
    re.IGNORECASE | re.DOTALL,
)
ADVICE = {
    ".zip": "unpack it, or let 'grader collect' do it",
    ".csv": "it is a table, so name it instead of the folder",
    SOLUTION_SUFFIX: "only a notebook (.ipynb) is graded from a folder; a CSV may list a .py file",
}


@dataclass(frozen=True)
class Found:
    """A file that may be a submission.

    Attributes:
        parts: its path below the folder.
        modified: its time of change, in seconds since 1970.
    """

    parts: tuple[str, ...]
    modified: float


class Walk:
    """Looks through a folder without following a link.

    Args:
        folder: the folder.
        suffixes: of the files that may be submissions, in lower case.
        passed: names of files that belong to a layout, and are not named.

    Attributes:
        found: these files.
        handed_in: what else there is.
    """

    def __init__(self, folder: Path, suffixes: tuple[str, ...], passed: tuple[str, ...] = ()) -> None:
        self._folder, self._suffixes, self._passed = folder, suffixes, passed
        self.found: list[Found] = []
        self.handed_in = HandedIn()
        self._look_into(())

    def _look_into(self, parts: tuple[str, ...]) -> None:
        """Look through one folder and those in it; one without a notebook is named as a whole."""
        aside = self.handed_in.aside
        before, named = len(self.found), len(aside)
        try:
            with opened(self._folder, parts) as descriptor:
                for name in names_in(descriptor):
                    self._look_at((*parts, name), descriptor)
        except OSError as error:
            aside.append(Aside(place_of(parts), f"the folder cannot be looked into: {error.strerror}"))
        if parts and len(self.found) == before and not any(each.lost for each in aside[named:]):
            others = len(aside) - named
            del aside[named:]
            held = f"holds no notebook, but other files or folders ({others})" if others else "is empty"
            aside.append(Aside(place_of(parts), f"the folder {held}", lost=False))

    def _look_at(self, parts: tuple[str, ...], descriptor: int) -> None:
        """Sort one name of a folder."""
        name, place, aside = parts[-1], place_of(parts), self.handed_in.aside
        if name in self._passed:
            return
        if LEAVING.fullmatch(name):
            self.handed_in.leavings += 1
            return
        try:
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        except OSError as error:
            aside.append(Aside(place, f"it cannot be looked at any more: {error.strerror}"))
            return
        suffix = Path(name).suffix.lower()
        if not is_text(name):
            aside.append(Aside(place, "its name is not UTF-8: give it another one"))
        elif name.startswith("."):
            aside.append(Aside(place, "it is hidden: if it was handed in, rename it without the dot", lost=False))
        elif stat.S_ISDIR(status.st_mode):
            if suffix in self._suffixes:
                aside.append(Aside(place, "it is a folder with the name of a file: rename it"))
            elif len(parts) > MAX_DEPTH:
                aside.append(Aside(place, f"it lies more than {MAX_DEPTH} folders deep: move it up"))
            else:
                self._look_into(parts)
        elif suffix in self._suffixes:
            self.found.append(Found(parts, status.st_mtime))
        elif stat.S_ISLNK(status.st_mode):
            aside.append(Aside(place, "it is a link, and none is followed: put the folder or file itself here"))
        else:
            aside.append(Aside(place, ADVICE.get(suffix, "it is no notebook (.ipynb)"), lost=suffix == ".zip"))


@contextmanager
def opened(folder: Path, parts: tuple[str, ...]) -> Iterator[int]:
    """Open a folder below `folder` by a descriptor, which is closed again.

    Raises:
        OSError: it cannot be opened, or is no folder any more.
    """
    descriptor = open_folder(folder, *parts)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def names_in(descriptor: int) -> list[str]:
    """Return the names in an open folder, in order."""
    with os.scandir(descriptor) as entries:
        return sorted(entry.name for entry in entries)


def is_text(name: str) -> bool:
    """Say whether a file's name is UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def place_of(parts: tuple[str, ...]) -> str:
    """Write where something lies below the folder."""
    return "/".join(parts)


def read_folder(folder: Path, kind: Kind, kept: Kept | None) -> HandedIn:
    """Read ``<participant>.ipynb``, and all notebooks at any depth below ``<participant>/``.

    A file's time of change is that of the submission. For reference solutions, ``.py`` files as well: the text of a
    solution cell.
    """
    suffixes = (NOTEBOOK_SUFFIX, SOLUTION_SUFFIX) if kind is Kind.REFERENCE else (NOTEBOOK_SUFFIX,)
    walk = Walk(folder, suffixes)
    handed_in = walk.handed_in
    for found in sorted(walk.found, key=lambda each: (participant_of(each), each.parts)):
        place = place_of(found.parts)
        time = time_of(found)
        if time is None:
            handed_in.add(Aside(place, "its time of change is no date of our time: set it, or give the time in a CSV"))
            continue
        path = folder.joinpath(*found.parts)
        handed_in.add(make_entry(place, participant_of(found), path, time, kind, kept, folder))
    return handed_in


def participant_of(found: Found) -> str:
    """Return whose a file is: its first folder's, or by its own name where it lies in none."""
    return found.parts[0] if len(found.parts) > 1 else Path(found.parts[0]).stem


def time_of(found: Found) -> datetime | None:
    """Return a file's time of change; None where it is before 1970 or after the year 9999."""
    try:
        time = datetime.fromtimestamp(found.modified, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return time if is_date(time) else None
