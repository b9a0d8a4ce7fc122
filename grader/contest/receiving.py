"""From what was handed in to submissions in the store: one name for each participant, no more choices than allowed.

Nothing here ends because of one entry: what cannot be received is left aside, and named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from grader.contest.entries import NOTEBOOK_SUFFIX, SOLUTION_SUFFIX, Aside, HandedIn
from grader.contest.folder import read_folder
from grader.contest.kept import Kept
from grader.contest.names import one_spelling
from grader.contest.store import Entry, Kind, Received, Store, utc_text
from grader.contest.table import read_table


@dataclass(frozen=True)
class Reception:
    """What became of what was handed in.

    Attributes:
        submissions: what was received, now or before, each once.
        aside: what was not.
        leavings: see `HandedIn`.
        notices: what else the organizer should know, one sentence each.
    """

    submissions: list[Received]
    aside: list[Aside]
    leavings: int
    notices: list[str]


def read_entries(source: Path, kind: Kind = Kind.PARTICIPANT, kept: Kept | None = None) -> HandedIn:
    """Read what was handed in.

    Args:
        source: a folder of notebooks, or a CSV; see `read_folder` and `read_table`.
        kind: whom its rows stand for.
        kept: where the bytes of each file are kept; None to keep nothing.

    Raises:
        ValueError: the CSV is none, or a single file was named; the message says what to do.
        InfrastructureError: what was handed in cannot be kept.
    """
    if source.suffix.lower() in (NOTEBOOK_SUFFIX, SOLUTION_SUFFIX) and not source.is_dir():
        raise ValueError(f"{source} is a single file: name its folder or a CSV, or grade it with 'grader grade'")
    read = read_folder if source.is_dir() else read_table
    return read(source, kind, kept)


def receive(store: Store, source: Path, kind: Kind, choices: int) -> Reception:
    """Read what was handed in, and keep it in the store; a participant may choose so many for the final.

    Raises:
        ValueError: see `read_entries`.
        InfrastructureError: it cannot be kept.
    """
    handed_in = read_entries(source, kind, store.kept)
    known = [submission for submission in store.submissions() if submission.kind is kind]
    entries, notices = one_spelling(handed_in.entries, [submission.participant for submission in known])
    entries, crowded = choices_that_fit(entries, known, choices)
    return Reception(store.receive(entries, choices), handed_in.aside, handed_in.leavings, notices + crowded)


def choices_that_fit(entries: list[Entry], known: Iterable[Received], choices: int) -> tuple[list[Entry], list[str]]:
    """Leave out the choices for the final of those who would have more than are allowed, and say whose.

    Args:
        entries: of one kind.
        known: the submissions of that kind in the store.
        choices: how many are allowed.
    """
    chosen: dict[str, dict[tuple[str, str], bool]] = defaultdict(dict)
    for received in known:
        chosen[received.participant][received.file_sha256, received.submitted_at] = received.final
    for entry in entries:
        if entry.final is not None:
            chosen[entry.participant][entry.file_sha256, utc_text(entry.submitted_at)] = entry.final
    crowded = {name: count for name, marks in chosen.items() if (count := sum(marks.values())) > choices}
    marked = {entry.participant for entry in entries if entry.final is not None}
    fitting = [replace(entry, final=None) if entry.participant in crowded else entry for entry in entries]
    return fitting, [
        f"{name!a} has {count} submissions marked final, {choices} are allowed: the marks of this table are left "
        "out; mark the others with 0 in the column 'final'"
        for name, count in crowded.items()
        if name in marked
    ]
