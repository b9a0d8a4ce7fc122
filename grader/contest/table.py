"""A CSV of submissions: its rows become entries, or are left aside and named."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from grader.contest.entries import Aside, HandedIn, is_date, make_entry
from grader.contest.folder import is_text
from grader.contest.kept import Kept
from grader.contest.names import name_problem
from grader.contest.store import Entry, Kind

NAMES = ("name", "participant")
COLUMNS = ("participant", "path", "submitted_at")
FINAL = "final"
SEPARATORS = ",;\t"
CHOSEN = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False, "": False}


def read_table(table: Path, kind: Kind, kept: Kept | None) -> HandedIn:
    """Read a CSV with the columns ``participant``, ``path`` (from the CSV's folder), ``submitted_at``, ``final``.

    ``submitted_at`` is ISO 8601, in UTC where it names no zone. ``final`` may be missing; in it, 1, yes or true chooses
    a submission for the final ranking. Commas, semicolons or tabs stand between the columns.

    Raises:
        ValueError: it cannot be read, or its first line does not name the columns.
    """
    try:
        text = table.read_bytes().decode("utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise ValueError(f"{table} is neither a folder nor a CSV that can be read: {error.strerror}") from None
    separator, columns = header(text, COLUMNS)
    missing = [column for column in COLUMNS if column not in columns]
    if missing:
        raise ValueError(
            f"{table} has no column {', '.join(missing)}: its first line names the columns, commas between: "
            f"{','.join(COLUMNS)} and, if you like, {FINAL}"
        )
    handed_in = HandedIn()
    with cells_of_any_length():
        found = list(rows(text, separator))
    for lines, cells in found:
        place = f"{table}, {lines}"
        if isinstance(cells, Aside):
            handed_in.add(Aside(place, cells.reason))
        elif any(cells):
            handed_in.add(read_row(place, columns, cells, table.parent, kind, kept))
    return handed_in


def read_names(table: Path) -> tuple[list[str], list[Aside]]:
    """Read the names of a CSV that has a column ``name``, or ``participant``; each once, in their order.

    Returns:
        The names, and the rows without a name that could be anybody's.

    Raises:
        ValueError: it cannot be read, or has no such column.
    """
    try:
        text = table.read_bytes().decode("utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise ValueError(f"{table} cannot be read: {error.strerror}") from None
    separator, columns = header(text, NAMES)
    column = next((columns.index(name) for name in NAMES if name in columns), None)
    if column is None:
        raise ValueError(f"{table} has no column {NAMES[0]}: its first line names the columns, and one of them is this")
    names: dict[str, None] = {}
    aside: list[Aside] = []
    with cells_of_any_length():
        found = list(rows(text, separator))
    for lines, cells in found:
        name = "" if isinstance(cells, Aside) else "".join(cells[column : column + 1])
        if isinstance(cells, Aside):
            aside.append(Aside(f"{table}, {lines}", cells.reason))
        elif not is_text(name):
            aside.append(Aside(f"{table}, {lines}", "it is not UTF-8: save the table again as 'CSV UTF-8'"))
        elif (problem := name_problem(name)) is not None and any(cells):
            aside.append(Aside(f"{table}, {lines}", problem))
        elif any(cells):
            names[name] = None
    return list(names), aside


def header(text: str, wanted: Sequence[str]) -> tuple[str, list[str]]:
    """Return what stands between the columns, and their names: as the first line has it, if it has what is wanted."""
    first = re.split("[\r\n]", text, maxsplit=1)[0]
    named = [(each, [cell.strip(' "') for cell in first.split(each)]) for each in SEPARATORS]
    return max(named, key=lambda pair: sum(column in pair[1] for column in wanted))


def rows(text: str, separator: str) -> Iterator[tuple[str, list[str] | Aside]]:
    """Read the rows below the first, each with its lines; a row that cannot be read ends no other one.

    A quote that is never closed would take all that follows into its row: that line is left aside, and the next one
    begins a row again. No line is read more than a few times, however many quotes are missing: where a row broke off
    in some line, every row that begins above that line and goes on behind its own first line breaks off there too.
    """
    lines = io.StringIO(text, newline="").readlines()
    start, broken = 1, 1
    while start < len(lines):
        end = len(lines) if start >= broken else start + 1
        reader = csv.reader(map(lines.__getitem__, range(start, end)), delimiter=separator, strict=True)
        before = 0
        try:
            for cells in reader:
                first, last = start + before + 1, start + reader.line_num
                before = reader.line_num
                yield (
                    (f"line {last}" if first == last else f"lines {first} to {last}"),
                    [cell.strip() for cell in cells],
                )
            start = end
        except csv.Error as error:
            broken = max(broken, start + reader.line_num - 1)
            start += before + 1
            yield f"line {start}", Aside("", f"it cannot be read ({error}): a quote is missing, or one too many")


@contextmanager
def cells_of_any_length() -> Iterator[None]:
    """Let a cell be as long as it is: the reader would end in the middle of it, and take the rest for rows."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def read_row(
    place: str, columns: list[str], cells: list[str], folder: Path, kind: Kind, kept: Kept | None
) -> Entry | Aside:
    """Read one row of the CSV; `place` says where it stands."""
    if any(cells[len(columns) :]):
        return Aside(place, "it has more cells than there are columns: put a cell with a comma in it into quotes")
    if not all(map(is_text, cells)):
        return Aside(place, "it is not UTF-8: save the table again as 'CSV UTF-8'")
    if any("\0" in cell for cell in cells):
        return Aside(place, "it holds a NUL character: take it out")
    row = dict(zip(columns, cells, strict=False))
    participant, path, time = (row.get(column, "") for column in COLUMNS)
    if not participant or not path:
        return Aside(place, "participant and path may not be empty")
    if "\n" in path or "\r" in path:
        return Aside(place, "its path has several lines: a quote may be missing")
    try:
        submitted_at = datetime.fromisoformat(time)
    except ValueError:
        return Aside(place, f"{time!r} is no time; write it like 2026-03-01T18:30:00+01:00")
    if submitted_at.tzinfo is None:
        submitted_at = submitted_at.replace(tzinfo=UTC)
    if not is_date(submitted_at):
        return Aside(place, f"{time!r} is no date of our time: write the year of the contest")
    final = None
    if FINAL in columns:
        word = row.get(FINAL, "").lower()
        if word not in CHOSEN:
            return Aside(place, f"final is {word!r}; write 1 or 0")
        final = CHOSEN[word]
    below = Path("/") if Path(path).is_absolute() else folder
    return make_entry(place, participant, folder / path, submitted_at, kind, kept, below, final=final)
