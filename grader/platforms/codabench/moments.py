"""Times as Codabench reads them right: a quoted text in UTC that names no zone.

Its unpacker takes a zone for nothing and drops it, and of a time without quotes, which YAML makes a date of, it keeps
the day alone.
"""

from __future__ import annotations

from datetime import UTC, datetime

FORMAT = "%Y-%m-%d %H:%M:%S"


def platform_time(moment: datetime) -> str:
    """Write a time with a zone, to the second."""
    return moment.astimezone(UTC).strftime(FORMAT)


def read_platform_time(text: object) -> datetime:
    """Read what `platform_time` wrote.

    Raises:
        ValueError: it is something else, or would be read otherwise by the platform.
    """
    if not isinstance(text, str):
        raise ValueError("a time must be a quoted text, else its hours are lost")
    moment = datetime.strptime(text, FORMAT)
    if moment.strftime(FORMAT) != text:
        raise ValueError("a time must be written in full, such as 2026-03-01 08:00:00")
    return moment.replace(tzinfo=UTC)
