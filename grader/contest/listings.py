"""A platform's list of submissions: whose each is, and when it came. Read by its column names, whatever else it holds.

Codabench   ``id``, ``owner``, ``created_when``: api/submissions/?phase=N&format=csv of its site
Kaggle      ``ref``, ``lastRunTime``: kaggle kernels list --competition SLUG --csv
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from grader.contest.entries import is_date
from grader.contest.table import cells_of_any_length
from grader.safe_io import NotAFile, TooLarge, read_untrusted_file

LIST_SUFFIX = ".csv"
LISTS = (("id", "owner", "created_when"), ("ref", None, "lastRunTime"))  # key, name, time
MAX_LIST_BYTES = 256 << 20


@dataclass(frozen=True)
class Listed:
    """A submission in a list.

    Attributes:
        name: the participant's; None where the list has no column for it.
        time: when it came.
    """

    name: str | None
    time: datetime


def read_listing(path: Path) -> dict[str, Listed]:
    """Read a list, by the keys of its submissions; rows without a time that can be used are left out.

    Raises:
        ValueError: it cannot be read, or is the list of no platform.
    """
    try:
        text = read_untrusted_file(path, MAX_LIST_BYTES, follow=True).decode("utf-8-sig")
    except (OSError, NotAFile, TooLarge, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no list that can be read: {error}") from None
    with cells_of_any_length():
        reader = csv.DictReader(io.StringIO(text))
        columns = next((each for each in LISTS if {*each} - {None} <= {*(reader.fieldnames or ())}), None)
        if columns is None:
            raise ValueError(
                f"{path} is no list of submissions: expected the columns "
                + ", or ".join(" and ".join(filter(None, each)) for each in LISTS)
            )
        key, name, time = columns
        try:
            rows = list(reader)
        except csv.Error as error:
            raise ValueError(f"{path} is no list that can be read: {error}") from None
    found = {}
    for row in rows:
        if row[key] and (moment := moment_of(row[time] or "")) is not None:
            found[row[key]] = Listed(row[name] if name else None, moment)
    return found


def moment_of(text: str) -> datetime | None:
    """Read a time, in UTC where it names no zone; None where it is none of our days."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return moment if is_date(moment) else None
