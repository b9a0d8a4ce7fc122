"""What an organizer may do while a contest runs, and when: pure decisions, from the log to the event that joins it.

Each function makes what `Store.act` takes. It raises `ValueError`, one sentence that says what to do instead, where the
log says that the action would change nothing or must not be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from grader.contest.events import (
    Action,
    LogEntry,
    asked_again,
    asked_to_publish,
    closing_after,
    freeze_of,
    pause_of,
    publication_of,
)
from grader.contest.rows import Received, utc_text

LONGEST_TEXT = 400  # characters of a message or a reason, which stand on pages in full
LONGEST_EXTENSION = 366 * 24 * 60  # minutes

Decide = Callable[[Sequence[LogEntry]], LogEntry]


@dataclass(frozen=True)
class Act:
    """Who acts, when and why.

    Attributes:
        who: a login name, or whose link it is.
        now: with a time zone.
        reason: one line; empty where none is given.
    """

    who: str
    now: datetime
    reason: str = ""

    def event(self, action: Action, text: str = "", submission: int | None = None) -> LogEntry:
        """Make the event of this act."""
        return LogEntry(utc_text(self.now), self.who, action, text, self.reason, submission)


def one_line(text: str, what: str) -> str:
    """Return an organizer's words as one line.

    Raises:
        ValueError: there are none, or too many.
    """
    line = " ".join(text.split())
    if not line:
        raise ValueError(f"{what} may not be empty")
    if len(line) > LONGEST_TEXT:
        raise ValueError(f"{what} has {len(line)} characters, {LONGEST_TEXT} fit: say it shorter")
    return line


def pause(act: Act) -> Decide:
    """Let no further grading begin; those that run end as they would."""

    def decide(events: Sequence[LogEntry]) -> LogEntry:
        if before := pause_of(events):
            raise ValueError(f"grading is paused already, since {before.at}")
        return act.event(Action.PAUSE)

    return decide


def resume(act: Act) -> Decide:
    """Let gradings begin again."""

    def decide(events: Sequence[LogEntry]) -> LogEntry:
        if pause_of(events) is None:
            raise ValueError("grading is not paused, so there is nothing to resume")
        return act.event(Action.RESUME)

    return decide


def extend(act: Act, closing: datetime | None, minutes: int) -> Decide:
    """Close later.

    Args:
        act: who, when and why.
        closing: as the contest's file says.
        minutes: so much after the closing time that holds now.
    """

    def decide(events: Sequence[LogEntry]) -> LogEntry:
        one_line(act.reason, "the reason")
        before = closing_after(closing, events)
        if before is None:
            raise ValueError("the contest has no closing time to extend: set one in contest.toml, [rules] closing")
        if not 1 <= minutes <= LONGEST_EXTENSION:
            raise ValueError(
                f"{minutes} minutes are no extension: give 1 to {LONGEST_EXTENSION}; an earlier closing than "
                f"{utc_text(before)}, which all have seen, would be unfair"
            )
        after = before + timedelta(minutes=minutes)
        if after <= act.now:
            missing = int((act.now - before) / timedelta(minutes=1)) + 1
            raise ValueError(
                f"it closed at {utc_text(before)}, and {minutes} minutes more are over too: give more than {missing}"
            )
        return act.event(Action.EXTEND, utc_text(after))

    return decide


def announce(act: Act, message: str) -> Decide:
    """Tell everybody something; what was told stays."""

    def decide(events: Sequence[LogEntry]) -> LogEntry:
        return act.event(Action.ANNOUNCE, one_line(message, "the message"))

    return decide


def set_aside(act: Act, submission: Received, *, undo: bool = False) -> Decide:
    """Let one submission count nowhere, with a reason that its participant sees; or, undone, let it count again."""

    def decide(events: Sequence[LogEntry]) -> LogEntry:
        one_line(act.reason, "the reason")
        if (submission.aside is None) is undo:
            state = "not set aside, so there is nothing to take back" if undo else "set aside already"
            raise ValueError(f"submission {submission.id} is {state}")
        return act.event(Action.TAKE_BACK if undo else Action.SET_ASIDE, submission=submission.id)

    return decide


def freeze(act: Act) -> Decide:
    """Let the public board stand still."""

    def decide(events: Sequence[LogEntry]) -> LogEntry:
        if before := freeze_of(events):
            raise ValueError(f"the board is frozen already, since {before.at}")
        if before := publication_of(events):
            raise ValueError(f"the final ranking was published at {before.at}: there is nothing left to hide")
        return act.event(Action.FREEZE)

    return decide


def unfreeze(act: Act) -> Decide:
    """Let the public board show everything again."""

    def decide(events: Sequence[LogEntry]) -> LogEntry:
        if freeze_of(events) is None:
            raise ValueError("the board is not frozen, so there is nothing to undo")
        return act.event(Action.UNFREEZE)

    return decide


def publish(act: Act, closing: datetime | None, ranking: str) -> Decide:
    """Show everybody the final ranking; once more, in place of the one before.

    Args:
        act: who, when and why.
        closing: as the contest's file says.
        ranking: the whole ranking, as `standings_json` writes it.
    """

    def decide(events: Sequence[LogEntry]) -> LogEntry:
        until = closing_after(closing, events)
        if until is not None and act.now <= until:
            raise ValueError(f"the contest is open until {utc_text(until)}: the final is published after that")
        return act.event(Action.PUBLISH, ranking)

    return decide


def ask_to_publish(act: Act) -> Decide:
    """Ask whoever has the data to publish the final ranking."""

    def decide(events: Sequence[LogEntry]) -> LogEntry:
        if asked_to_publish(events):
            raise ValueError("the final ranking is to be published already: whoever grades makes it next")
        return act.event(Action.ASK_TO_PUBLISH)

    return decide


def refuse_to_publish(act: Act, why: str) -> Decide:
    """Say why the final ranking cannot be published."""

    def decide(events: Sequence[LogEntry]) -> LogEntry:
        return act.event(Action.REFUSE, why)

    return decide


def withdraw(act: Act) -> Decide:
    """Take a published final ranking back."""

    def decide(events: Sequence[LogEntry]) -> LogEntry:
        if publication_of(events) is None:
            raise ValueError("no final ranking is published, so there is nothing to undo")
        return act.event(Action.WITHDRAW)

    return decide


def ask_again(act: Act, submission: Received) -> Decide:
    """Ask for one submission to be graded again by whoever grades."""

    def decide(events: Sequence[LogEntry]) -> LogEntry:
        if not submission.counts:
            raise ValueError(f"submission {submission.id} counts nowhere: take it back first")
        if any(event.submission == submission.id for event in asked_again(events)):
            raise ValueError(f"submission {submission.id} is to be graded again already")
        return act.event(Action.REGRADE, submission=submission.id)

    return decide


def answer_again(act: Act, submission: Received, outcome: str) -> Decide:
    """Say what came of a submission that was graded again."""

    def decide(events: Sequence[LogEntry]) -> LogEntry:
        return act.event(Action.REGRADED, outcome, submission.id)

    return decide


def now() -> datetime:
    """Return the time that actions are logged under."""
    return datetime.now(UTC)
