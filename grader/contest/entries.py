"""What was handed in: a file becomes what is graded of it, and an entry; what becomes none is left aside and named."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from competition.errors import CellError
from competition.notebook import graft, notebook_text
from grader.contest.kept import Kept
from grader.contest.names import name_problem
from grader.contest.store import Entry, Kind
from grader.submission import lift, read_cells, read_file
from grader.verdicts import InfrastructureError, ParticipantFault, Verdict

NOTEBOOK_SUFFIX, SOLUTION_SUFFIX = ".ipynb", ".py"
CELL = "cell:"  # how the code of a file begins that has a solution cell; any other gets its verdict at once


@dataclass(frozen=True)
class Aside:
    """Something that was handed in and is left aside.

    Attributes:
        place: where it stands: foreign text.
        reason: why it is left aside, and what to do about it.
        lost: whether it is a submission, which somebody waits for; else it is a file of another kind.
    """

    place: str
    reason: str
    lost: bool = True


@dataclass
class HandedIn:
    """What a folder or a CSV holds.

    Attributes:
        entries: what can be received.
        aside: what cannot, in the order in which it was found.
        leavings: how many files and folders editors and systems have left there; nobody handed them in.
    """

    entries: list[Entry] = field(default_factory=list)
    aside: list[Aside] = field(default_factory=list)
    leavings: int = 0

    def add(self, found: Entry | Aside) -> None:
        """Put something where it belongs."""
        if isinstance(found, Entry):
            self.entries.append(found)
        else:
            self.aside.append(found)


def notebook_bytes(path: Path, below: Path | None = None, *, trusted: bool = False) -> bytes | ParticipantFault:
    """Read a submitted notebook, or graft a solution file into one; a fault of the file is returned for the record.

    Args:
        path: where it lies.
        below: see `read_file`.
        trusted: whether a solution file is ours, as a reference is: then nothing in it is a participant's fault.

    Raises:
        InfrastructureError: it is missing or unreadable.
    """
    try:
        raw = read_file(path, below)
        return grafted(raw, trusted) if path.suffix.lower() == SOLUTION_SUFFIX else raw
    except ParticipantFault as fault:
        return fault
    except (OSError, ValueError, CellError) as error:
        raise InfrastructureError(f"{path} cannot be read: {error}") from None


def grafted(raw: bytes, trusted: bool) -> bytes:
    """Graft the text of a solution file into a notebook.

    Raises:
        ParticipantFault: it is not one, and not ours.
        UnicodeDecodeError, CellError: the same of a file of ours.
    """
    try:
        return notebook_text(graft(raw.decode("utf-8-sig"))).encode()
    except (UnicodeDecodeError, CellError) as error:
        if trusted:
            raise
        raise ParticipantFault(Verdict.PRESENTATION_ERROR, f"this is no solution file: {error}") from None


def identify(raw: bytes | ParticipantFault) -> tuple[str, str]:
    """Return the checksum of a submitted file, and what is graded of it; see `Entry`.

    A file that may not even be read (a link, a pipe, far too large) is known by its fault.
    """
    if isinstance(raw, ParticipantFault):
        file_sha256 = hashlib.sha256(raw.message.encode()).hexdigest()
        return file_sha256, f"file:{file_sha256}"
    file_sha256 = hashlib.sha256(raw).hexdigest()
    try:
        source = lift(read_cells(raw)).source
    except ParticipantFault:
        return file_sha256, f"file:{file_sha256}"
    return file_sha256, f"{CELL}{hashlib.sha256(source.encode()).hexdigest()}"


def is_date(time: datetime) -> bool:
    """Say whether a time with a zone is one in UTC too, after 1970 began: the ends of the calendar are none."""
    try:
        return time.astimezone(UTC).year >= 1970
    except OverflowError:
        return False


def make_entry(
    place: str,
    participant: str,
    path: Path,
    submitted_at: datetime,
    kind: Kind,
    kept: Kept | None,
    below: Path,
    *,
    final: bool | None = None,
) -> Entry | Aside:
    """Read a file and make its entry; it is left aside where there is no reading it.

    Args:
        place: where it was found.
        participant, path, submitted_at, kind, final: see `Entry`.
        kept: where the bytes are kept, so that they are graded whatever becomes of the file; None to keep nothing.
        below: see `read_file`.
    """
    if (problem := name_problem(participant)) is not None:
        return Aside(place, problem)
    try:
        raw = notebook_bytes(path, below, trusted=kind is Kind.REFERENCE)
    except InfrastructureError as error:
        return Aside(place, error.message)
    entry = Entry(participant, kind, path, submitted_at, *identify(raw), final)
    if kept is not None:
        kept.put(entry.file_sha256, raw)
    return entry
