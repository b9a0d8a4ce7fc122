"""The store of a contest: participants, submissions and gradings in one SQLite file.

    participants   a name, and what it stands for: a participant, a reference solution, the oracle
    submissions    one received file of a participant, with its checksums and its time
    gradings       what one grading of one submission gave, under which conditions; never changed, never deleted
    removals       who was removed or taken back, when and why; the last entry of a participant is what holds
    events         what organizers did, when, who and why; see `grader.contest.events`

A finished grading is found again by its submission and its `Key`, so that a batch which was stopped goes on where it
was, and nothing is counted twice. Gradings that ended in an `InfrastructureError` are kept too, and never count as
finished. The file is in WAL mode, every write is one transaction, and it may be read while a batch writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, fields
from pathlib import Path
from types import TracebackType

from grader.contest.events import SET_ASIDE, LogEntry, add_event, read_events
from grader.contest.kept import Kept
from grader.contest.removals import REMOVED, Removal, add_removal, read_removals
from grader.contest.rows import Entry, Grading, Key, Kind, Origin, Received, utc_text
from grader.contest.schema import MIGRATIONS, SCHEMA, SCHEMA_VERSION, statements
from grader.contest_file import DEFAULT
from grader.grading import Record
from grader.verdicts import InfrastructureError, Verdict

__all__ = ["Entry", "Grading", "Key", "Kind", "Origin", "Received", "Store", "open_existing", "utc_text"]

LOCK_SECONDS = 60.0
KEY_COLUMNS = tuple(field.name for field in fields(Key))
GRADING_COLUMNS = ("submission_id", "source_id", "origin", *KEY_COLUMNS, "verdict", "record", "run")
FINISHED = f"verdict <> '{Verdict.INFRASTRUCTURE_ERROR.value}'"


class Store:
    """An open store; a context manager that closes it.

    Args:
        path: the SQLite file, made where there is none.

    Attributes:
        kept: the files that were received, in the folder ``contest.received`` beside ``contest.sqlite``.

    Raises:
        InfrastructureError: the file is no store, or one of another schema version, or cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path, self.kept = path, Kept(path.with_suffix(".received"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise InfrastructureError(f"the store {path} cannot be opened: {error}") from None
        self._connection.row_factory = sqlite3.Row
        try:
            self._open_schema()
        except sqlite3.Error as error:
            self._connection.close()
            raise InfrastructureError(f"{path} cannot be used as the store of a contest: {error}") from None
        except InfrastructureError:
            self._connection.close()
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def _open_schema(self) -> None:
        execute = self._connection.execute
        execute("PRAGMA foreign_keys = ON")
        execute("PRAGMA recursive_triggers = ON")  # else INSERT OR REPLACE would delete without asking a trigger
        execute("PRAGMA journal_mode = WAL")
        with self._transaction():
            [version] = execute("PRAGMA user_version").fetchone()
            [tables] = execute("SELECT count(*) FROM sqlite_master").fetchone()
            if version == 0 and tables == 0:
                for statement in statements(SCHEMA):
                    execute(statement)
                execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                return
            while version in MIGRATIONS:
                for statement in statements(MIGRATIONS[version]):
                    execute(statement)
                version += 1
                execute(f"PRAGMA user_version = {version}")
            if version != SCHEMA_VERSION:
                raise InfrastructureError(
                    f"{self._path} has the schema version {version}, this kit reads and writes version "
                    f"{SCHEMA_VERSION}: use the kit that made it, or another --store"
                )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Run the body as one transaction: all of it is kept, or nothing."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise InfrastructureError(f"the store {self._path} cannot be written: {error}") from None

    def receive(self, entries: Iterable[Entry], choices: int = DEFAULT.final.choices) -> list[Received]:
        """Keep what was handed in; what is there already, of the same participant, file and time, stays one.

        Args:
            entries: what was handed in.
            choices: how many submissions a participant may choose for the final.

        Returns:
            The submissions of these entries, in their order, each once.

        Raises:
            InfrastructureError: a participant would have more choices for the final; nothing is kept then.
        """
        numbers: dict[int, None] = {}
        execute = self._connection.execute
        with self._transaction():
            for entry in entries:
                execute(
                    "INSERT INTO participants (name, kind) VALUES (?, ?) ON CONFLICT DO NOTHING",
                    (entry.participant, entry.kind.value),
                )
                participant = execute(
                    "SELECT id FROM participants WHERE name = ? AND kind = ?", (entry.participant, entry.kind.value)
                ).fetchone()["id"]
                place = (participant, entry.file_sha256, utc_text(entry.submitted_at))
                execute(
                    "INSERT INTO submissions (participant_id, file_sha256, submitted_at, path, code) "
                    "VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET path = excluded.path",
                    (*place, str(entry.path), entry.code),
                )
                number = execute(
                    "SELECT id FROM submissions WHERE participant_id = ? AND file_sha256 = ? AND submitted_at = ?",
                    place,
                ).fetchone()["id"]
                if entry.final is not None:
                    execute("UPDATE submissions SET final = ? WHERE id = ?", (int(entry.final), number))
                numbers[number] = None
            crowded = execute(
                "SELECT name, sum(final) AS chosen FROM submissions JOIN participants p ON p.id = participant_id "
                "GROUP BY p.id HAVING chosen > ?",
                (choices,),
            ).fetchone()
            if crowded:
                raise InfrastructureError(
                    f"{crowded['name']!r} has {crowded['chosen']} submissions marked final, {choices} are allowed: "
                    "mark the others with 0 in the CSV's column 'final'"
                )
        known = {received.id: received for received in self.submissions()}
        return [known[number] for number in numbers]

    def submissions(self) -> list[Received]:
        """Return all submissions, those that count nowhere too, in the order of their times."""
        return self._submissions("ORDER BY submitted_at, s.id")

    def submission(self, number: int) -> Received | None:
        """Return the submission of a number; None where there is none."""
        return next(iter(self._submissions("WHERE s.id = ?", number)), None)

    def _submissions(self, which: str, *values: int) -> list[Received]:
        rows = self._connection.execute(
            f"SELECT s.*, name, kind, {REMOVED} AS removed, {SET_ASIDE} AS aside FROM submissions s "
            f"JOIN participants p ON p.id = participant_id {which}",
            values,
        )
        return [
            Received(
                id=row["id"],
                participant=row["name"],
                kind=Kind(row["kind"]),
                path=Path(row["path"]),
                submitted_at=row["submitted_at"],
                file_sha256=row["file_sha256"],
                code=row["code"],
                final=bool(row["final"]),
                removed=bool(row["removed"]),
                aside=row["aside"],
            )
            for row in rows
        ]

    def log_removal(self, removal: Removal) -> bool:
        """Remove a participant, or take them back; see `add_removal`."""
        with self._transaction():
            return add_removal(self._connection, removal)

    def removals(self) -> list[Removal]:
        """Return the log of removals, oldest first."""
        return read_removals(self._connection)

    def act(self, decide: Callable[[Sequence[LogEntry]], LogEntry]) -> LogEntry:
        """Add to the log what `decide` makes of it; nobody else adds anything in between. Return the event.

        Raises:
            ValueError: `decide` raised it, as what is wanted cannot be done; nothing is added then.
        """
        with self._transaction():
            event = decide(read_events(self._connection))
            add_event(self._connection, event)
        return event

    def events(self) -> list[LogEntry]:
        """Return the log of what organizers did, oldest first."""
        return read_events(self._connection)

    def add(
        self,
        submission: Received,
        key: Key,
        record: Record,
        run: str,
        *,
        origin: Origin = Origin.TRAINED,
        source: Grading | None = None,
    ) -> Grading:
        """Keep a grading and return it; where a finished one is there already, that one stays and is returned.

        Args:
            submission: whose grading it is.
            key: its conditions.
            record: its record.
            run: the name of its run folder.
            origin, source: where it comes from, unless it was trained.
        """
        values = (
            submission.id,
            source.id if source else None,
            origin.value,
            *astuple(key),
            record.verdict.value,
            record.to_json(),
            run,
        )
        marks = ", ".join("?" * len(values))
        with self._transaction():
            cursor = self._connection.execute(
                f"INSERT INTO gradings ({', '.join(GRADING_COLUMNS)}) VALUES ({marks}) ON CONFLICT DO NOTHING", values
            )
            added = cursor.rowcount == 1
        if added:
            return self._gradings("id = ?", (cursor.lastrowid,))[0]
        finished = self.finished(submission, key)
        assert finished is not None  # it was in the way
        return finished

    def finished(self, submission: Received, key: Key) -> Grading | None:
        """Return the finished grading of a submission under these conditions, if there is one."""
        where = " AND ".join(f"{column} = ?" for column in KEY_COLUMNS)
        found = self._gradings(f"{FINISHED} AND submission_id = ? AND {where}", (submission.id, *astuple(key)))
        return found[0] if found else None

    def sources(self, submission: Received, key: Key) -> list[Grading]:
        """Return the finished gradings from which one under these conditions can be derived without training.

        They differ in submission or split only, and were trained themselves; those of the submission itself come
        first, then those on the same split.
        """
        columns = [column for column in KEY_COLUMNS if column not in ("split", "split_sha256")]
        where = " AND ".join(f"{column} = ?" for column in columns)
        return self._gradings(
            f"{FINISHED} AND origin = 'trained' AND {where} ORDER BY submission_id <> ?, split <> ?, id",
            (*(getattr(key, column) for column in columns), submission.id, key.split),
        )

    def gradings(self, submission: Received | None = None) -> list[Grading]:
        """Return the gradings of one submission or of all, unfinished ones included, oldest first."""
        if submission is None:
            return self._gradings("TRUE ORDER BY id", ())
        return self._gradings("submission_id = ? ORDER BY id", (submission.id,))

    def _gradings(self, where: str, values: tuple[object, ...]) -> list[Grading]:
        rows = self._connection.execute(f"SELECT * FROM gradings WHERE {where}", values)
        return [
            Grading(
                id=row["id"],
                submission_id=row["submission_id"],
                source_id=row["source_id"],
                origin=Origin(row["origin"]),
                key=Key(**{column: row[column] for column in KEY_COLUMNS}),
                record=Record.from_json(row["record"]),
                run=row["run"],
            )
            for row in rows
        ]


def open_existing(path: Path) -> Store:
    """Open a store that is there.

    Raises:
        InfrastructureError: there is none, or it cannot be used.
    """
    if not path.is_file():
        raise InfrastructureError(f"there is no store {path}: 'grader batch' makes it, --store names another one")
    return Store(path)
