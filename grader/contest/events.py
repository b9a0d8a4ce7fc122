"""The log of what organizers did, in the store, and what holds because of it. An event is never changed, never deleted.

What holds is read from the log and stands nowhere else: whether grading is paused, until when the contest is open,
which submissions are set aside, what a frozen board shows, which final ranking is published.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

EVENTS = """
CREATE TABLE events (
    id               INTEGER PRIMARY KEY,
    at               TEXT NOT NULL,
    who              TEXT NOT NULL CHECK (who <> ''),
    action           TEXT NOT NULL,
    submission_id    INTEGER REFERENCES submissions (id),
    text             TEXT NOT NULL,
    reason           TEXT NOT NULL,
    last_submission  INTEGER NOT NULL,
    last_grading     INTEGER NOT NULL
) STRICT;
CREATE INDEX events_by_submission ON events (submission_id) WHERE submission_id IS NOT NULL;
CREATE TRIGGER events_never_change BEFORE UPDATE ON events
    BEGIN SELECT RAISE (ABORT, 'an event is never changed'); END;
CREATE TRIGGER events_never_go BEFORE DELETE ON events
    BEGIN SELECT RAISE (ABORT, 'an event is never deleted'); END;
"""


class Action(StrEnum):
    """What an organizer did."""

    PAUSE = "pause"
    RESUME = "resume"
    EXTEND = "extend"
    ANNOUNCE = "announce"
    SET_ASIDE = "set aside"
    TAKE_BACK = "take back"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    ASK_TO_PUBLISH = "ask to publish"
    REFUSE = "refuse to publish"
    PUBLISH = "publish"
    WITHDRAW = "withdraw"
    REGRADE = "regrade"
    REGRADED = "regraded"


# Of a row `s` of the table of submissions: why it is set aside; NULL where it is not.
SET_ASIDE = (
    f"(SELECT CASE action WHEN '{Action.SET_ASIDE}' THEN reason END FROM events WHERE submission_id = s.id "
    f"AND action IN ('{Action.SET_ASIDE}', '{Action.TAKE_BACK}') ORDER BY id DESC LIMIT 1)"
)


@dataclass(frozen=True)
class Cut:
    """How much the store held at some time: its last submission and its last grading, by their numbers."""

    last_submission: int
    last_grading: int


@dataclass(frozen=True)
class LogEntry:
    """One entry of the log.

    Attributes:
        at: ISO 8601, UTC, whole seconds.
        who: did it: a login name, or whose link it was.
        action: what was done.
        text: what with: the message to all, the new closing time (ISO 8601, UTC), the final ranking as JSON, why it is
            not published, what came of a grading that was repeated; empty for the other actions.
        reason: why, in the organizer's words.
        submission: the number of the submission that it is about; None where it is about the contest.
        cut: how much the store held then; the store fills it in.
    """

    at: str
    who: str
    action: Action
    text: str = ""
    reason: str = ""
    submission: int | None = None
    cut: Cut = field(default=Cut(0, 0), compare=False)


def add_event(connection: sqlite3.Connection, event: LogEntry) -> None:
    """Add an entry, with how much the store holds."""
    connection.execute(
        "INSERT INTO events (at, who, action, submission_id, text, reason, last_submission, last_grading) VALUES "
        "(?, ?, ?, ?, ?, ?, (SELECT coalesce(max(id), 0) FROM submissions), "
        "(SELECT coalesce(max(id), 0) FROM gradings))",
        (event.at, event.who, event.action.value, event.submission, event.text, event.reason),
    )


def read_events(connection: sqlite3.Connection, source: str = "events") -> list[LogEntry]:
    """Return the log, oldest first, from its table or from a view that has its columns."""
    rows = connection.execute(
        f"SELECT at, who, action, text, reason, submission_id, last_submission, last_grading FROM {source} ORDER BY id"
    )
    return [
        LogEntry(at, who, Action(action), text, reason, submission, Cut(last_submission, last_grading))
        for at, who, action, text, reason, submission, last_submission, last_grading in rows
    ]


def last_of(events: Sequence[LogEntry], *actions: Action) -> LogEntry | None:
    """Return the last event that was one of these actions; None where there is none."""
    return next((event for event in reversed(events) if event.action in actions), None)


def pause_of(events: Sequence[LogEntry]) -> LogEntry | None:
    """Return the event by which grading is paused; None where it is not."""
    last = last_of(events, Action.PAUSE, Action.RESUME)
    return last if last is not None and last.action is Action.PAUSE else None


def freeze_of(events: Sequence[LogEntry]) -> LogEntry | None:
    """Return the event by which the public board is frozen; None where it is not, as after the final was published."""
    last = last_of(events, Action.FREEZE, Action.UNFREEZE, Action.PUBLISH)
    return last if last is not None and last.action is Action.FREEZE else None


def publication_of(events: Sequence[LogEntry]) -> LogEntry | None:
    """Return the event by which the final ranking is published; None where it is not."""
    last = last_of(events, Action.PUBLISH, Action.WITHDRAW)
    return last if last is not None and last.action is Action.PUBLISH else None


def closing_after(closing: datetime | None, events: Sequence[LogEntry]) -> datetime | None:
    """Return when the contest closes: as its file says, or later where it was extended; None where it never does.

    This is the one closing time: whoever asks for it asks here.

    Args:
        closing: as the contest's file says.
        events: the log.
    """
    if closing is None:
        return None
    extended = [datetime.fromisoformat(event.text) for event in events if event.action is Action.EXTEND]
    return max([closing, *extended])


def asked_again(events: Sequence[LogEntry]) -> list[LogEntry]:
    """Return the requests to grade a submission again that nobody has carried out, oldest first."""
    waiting: dict[int, LogEntry] = {}
    for event in events:
        if event.submission is not None and event.action is Action.REGRADE:
            waiting.setdefault(event.submission, event)
        elif event.submission is not None and event.action is Action.REGRADED:
            waiting.pop(event.submission, None)
    return list(waiting.values())


def asked_to_publish(events: Sequence[LogEntry]) -> LogEntry | None:
    """Return the request to publish the final ranking that nobody has carried out; None where there is none."""
    last = last_of(events, Action.ASK_TO_PUBLISH, Action.REFUSE, Action.PUBLISH, Action.WITHDRAW)
    return last if last is not None and last.action is Action.ASK_TO_PUBLISH else None


def refusal_of(events: Sequence[LogEntry]) -> LogEntry | None:
    """Return why the final ranking is not published although somebody asked; None where nothing was refused last."""
    last = last_of(events, Action.ASK_TO_PUBLISH, Action.REFUSE, Action.PUBLISH, Action.WITHDRAW)
    return last if last is not None and last.action is Action.REFUSE else None


def announcements(events: Sequence[LogEntry]) -> list[tuple[str, str]]:
    """Return what everybody is told, oldest first: when, and one sentence."""
    told = []
    for event in events:
        because = f": {event.reason}" if event.reason else ""
        sentence = {
            Action.ANNOUNCE: event.text,
            Action.EXTEND: f"The contest is open until {in_utc(event.text)}{because}",
            Action.PAUSE: f"Grading is paused; notebooks can be handed in as before{because}",
            Action.RESUME: "Grading goes on",
            Action.FREEZE: f"The board stands still from now on{because}",
            Action.UNFREEZE: "The board moves again",
            Action.PUBLISH: "The final ranking is published",
            Action.WITHDRAW: f"The final ranking is withdrawn{because}",
        }.get(event.action)
        if sentence is not None:
            told.append((event.at, sentence))
    return told


def in_utc(time: str) -> str:
    """Write a time of the log for people; other text stays as it is."""
    try:
        return f"{datetime.fromisoformat(time):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:
        return time
