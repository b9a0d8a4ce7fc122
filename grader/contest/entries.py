"""What was handed in: a folder or a CSV becomes a list of entries, a file becomes what is graded of it."""

from __future__ import annotations

import csv
import hashlib
from datetime import UTC, datetime
from pathlib import Path

from competition.errors import CellError
from competition.notebook import graft, notebook_text
from grader.contest.store import Entry, Kind
from grader.submission import lift, read_cells, read_file
from grader.verdicts import InfrastructureError, ParticipantFault

NOTEBOOK_SUFFIX, SOLUTION_SUFFIX = ".ipynb", ".py"
CSV_COLUMNS = ("participant", "path", "submitted_at")
CHOSEN = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False, "": False}


def notebook_bytes(path: Path) -> bytes | ParticipantFault:
    """Read a submitted notebook, or graft a solution file into one; a fault of the file is returned for the record.

    Raises:
        InfrastructureError: it is missing or unreadable.
    """
    try:
        raw = read_file(path)
        if path.suffix == SOLUTION_SUFFIX:
            return notebook_text(graft(raw.decode())).encode()
        return raw
    except ParticipantFault as fault:
        return fault
    except (OSError, UnicodeDecodeError, CellError) as error:
        raise InfrastructureError(f"{path} cannot be read: {error}") from None


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
    return file_sha256, f"cell:{hashlib.sha256(source.encode()).hexdigest()}"


def make_entry(participant: str, path: Path, submitted_at: datetime, kind: Kind, final: bool | None = None) -> Entry:
    """Read a file and make its entry.

    Raises:
        InfrastructureError: see `notebook_bytes`.
    """
    return Entry(participant, kind, path, submitted_at, *identify(notebook_bytes(path)), final)


def read_entries(source: Path, kind: Kind = Kind.PARTICIPANT) -> list[Entry]:
    """Read what was handed in.

    Args:
        source: a folder of notebooks, or a CSV; see `read_folder` and `read_table`.
        kind: whom its rows stand for.

    Raises:
        ValueError: the CSV is none or names a file that cannot be read, or nothing was handed in; the message says
            where.
        InfrastructureError: a file in the folder is unreadable.
    """
    if source.suffix in (NOTEBOOK_SUFFIX, SOLUTION_SUFFIX) and not source.is_dir():
        raise ValueError(f"{source} is a single file: name its folder or a CSV, or grade it with 'grader grade'")
    entries = read_folder(source, kind) if source.is_dir() else read_table(source, kind)
    if not entries:
        raise ValueError(f"{source} holds no submission")
    return entries


def read_folder(folder: Path, kind: Kind) -> list[Entry]:
    """Read ``<participant>.ipynb`` and ``<participant>/*.ipynb``; a file's time of change is that of the submission.

    For reference solutions, ``<name>.py`` as well: the text of a solution cell.
    """
    suffixes = (NOTEBOOK_SUFFIX, SOLUTION_SUFFIX) if kind is Kind.REFERENCE else (NOTEBOOK_SUFFIX,)
    found = [
        (path.stem if path.parent == folder else path.parent.name, path)
        for pattern in ("*", "*/*")
        for path in folder.glob(pattern)
        if path.suffix in suffixes and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    return [
        make_entry(participant, path, datetime.fromtimestamp(path.lstat().st_mtime, UTC), kind)
        for participant, path in sorted(found)
    ]


def read_table(table: Path, kind: Kind) -> list[Entry]:
    """Read a CSV with the columns ``participant``, ``path`` (from the CSV's folder), ``submitted_at``, ``final``.

    ``submitted_at`` is ISO 8601, in UTC where it names no zone. ``final`` may be missing; in it, 1, yes or true chooses
    a submission for the final ranking.

    Raises:
        ValueError: see `read_entries`; a file that a row names is missing or unreadable.
    """
    try:
        with open(table, newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            missing = [column for column in CSV_COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise ValueError(
                    f"{table} has no column {', '.join(missing)}: its first line names the columns, commas between: "
                    f"{','.join(CSV_COLUMNS)} and, if you like, final"
                )
            return [read_row(f"{table}, line {reader.line_num}", row, table.parent, kind) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{table} is neither a folder nor a CSV that can be read: {error}") from None


def read_row(place: str, row: dict[str, str | None], folder: Path, kind: Kind) -> Entry:
    """Read one row of the CSV; `place` says where it stands."""
    participant, path, time = ((row[column] or "").strip() for column in CSV_COLUMNS)
    if not participant or not path:
        raise ValueError(f"{place}: participant and path may not be empty")
    try:
        submitted_at = datetime.fromisoformat(time)
    except ValueError:
        raise ValueError(f"{place}: {time!r} is no time; write it like 2026-03-01T18:30:00+01:00") from None
    if submitted_at.tzinfo is None:
        submitted_at = submitted_at.replace(tzinfo=UTC)
    final = None
    if "final" in row:
        word = (row["final"] or "").strip().lower()
        if word not in CHOSEN:
            raise ValueError(f"{place}: final is {word!r}; write 1 or 0")
        final = CHOSEN[word]
    try:
        return make_entry(participant, folder / path, submitted_at, kind, final)
    except InfrastructureError as error:
        raise ValueError(f"{place}: {error.message}") from None
