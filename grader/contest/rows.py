"""What the store keeps, row by row: entries, submissions, gradings and the conditions that they were made under."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from grader.grading import Record


def utc_text(time: datetime) -> str:
    """Write a time with a zone as ISO 8601 in UTC, to the second, so that equal times are equal texts."""
    return time.astimezone(UTC).isoformat(timespec="seconds")


class Kind(StrEnum):
    """Whom a row of the leaderboard stands for."""

    PARTICIPANT = "participant"
    REFERENCE = "reference"
    ORACLE = "oracle"


class Origin(StrEnum):
    """Where a grading comes from: a training, another grading of the same solution, or stored models."""

    TRAINED = "trained"
    SAME_SOLUTION = "same solution"
    RESCORED = "rescored"


@dataclass(frozen=True)
class Entry:
    """One file that was handed in, before the store knows it.

    Attributes:
        participant: their name, in their own words.
        kind: whom it stands for.
        path: where the file lies.
        submitted_at: when it came; with a time zone.
        file_sha256: the checksum of the file.
        code: what is graded: "cell:" and the checksum of the solution cell's source; or "file:" and that of the file,
            where no solution cell could be lifted.
        final: whether it was chosen for the final ranking; None where nobody said, which changes no earlier choice.
    """

    participant: str
    kind: Kind
    path: Path
    submitted_at: datetime
    file_sha256: str
    code: str
    final: bool | None = None


@dataclass(frozen=True)
class Received:
    """A submission in the store.

    Attributes:
        id: its number.
        participant, kind, path, file_sha256, code: see `Entry`.
        submitted_at: ISO 8601, UTC, whole seconds.
        final: whether it was chosen for the final ranking.
        removed: whether its participant was removed: it counts nowhere then.
        aside: why it was set aside, in the organizer's words: it counts nowhere then; None where it was not.
    """

    id: int
    participant: str
    kind: Kind
    path: Path
    submitted_at: str
    file_sha256: str
    code: str
    final: bool
    removed: bool = False
    aside: str | None = None

    @property
    def counts(self) -> bool:
        """Whether it is neither set aside nor its participant removed."""
        return not self.removed and self.aside is None


@dataclass(frozen=True)
class Key:
    """Everything that the result of a grading depends on.

    Attributes:
        code: see `Entry`.
        split_sha256: the checksum of the split that is scored, from the manifest.
        versions: the library versions as the text of a JSON object, its keys sorted.
        template_sha256, data_sha256, split, train, seed, device, threads, time_limit, sandbox: see `Record`.
    """

    code: str
    template_sha256: str
    data_sha256: str
    split_sha256: str
    split: str
    train: str
    seed: int
    device: str
    threads: int
    time_limit: float
    sandbox: str
    versions: str


@dataclass(frozen=True)
class Grading:
    """A grading in the store.

    Attributes:
        id: its number; later gradings have larger ones.
        submission_id: whose it is.
        source_id: the grading that it was derived from; None where it was trained.
        origin: see `Origin`.
        key: under which conditions.
        record: the whole record.
        run: the name of its run folder.
    """

    id: int
    submission_id: int
    source_id: int | None
    origin: Origin
    key: Key
    record: Record
    run: str
