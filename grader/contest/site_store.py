"""What the site writes into the store: members with their links, sessions, uploads and how far each is graded.

Every change is one transaction. What an upload needs is asked again in the transaction that keeps it, so that no race
passes a limit.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from grader.contest.events import SET_ASIDE
from grader.contest.names import name_key
from grader.contest.removals import REMOVED
from grader.contest.store import Kind, Store, utc_text
from grader.verdicts import Verdict

SECRET_BYTES = 16
SESSION_DAYS = 14
WAITING, STARTING, DONE = "waiting", "starting", "done"
# The uploads that wait, in the order in which they are graded: participants take turns, of each UTC day everybody's
# first submission before anybody's second. What is being graded stands first.
QUEUE = f"""
SELECT u.submission_id, u.receipt, u.phase, u.started_at, s.participant_id,
    row_number() OVER (
        ORDER BY u.phase = '{WAITING}',
        (SELECT count(*) FROM submissions e WHERE e.participant_id = s.participant_id AND e.id < s.id
            AND substr(e.submitted_at, 1, 10) = substr(s.submitted_at, 1, 10)),
        s.submitted_at, s.id
    ) AS place
FROM uploads u JOIN submissions s ON s.id = u.submission_id JOIN participants p ON p.id = s.participant_id
WHERE u.phase <> '{DONE}' AND {REMOVED} = 0 AND {SET_ASIDE} IS NULL
"""
# Submissions of a participant on one UTC day that use up the limit: all but those that failed by our own fault alone.
USED = f"""
SELECT count(*) FROM submissions s WHERE participant_id = ? AND substr(submitted_at, 1, 10) = ? AND NOT (
    EXISTS (SELECT 1 FROM gradings WHERE submission_id = s.id)
    AND NOT EXISTS (
        SELECT 1 FROM gradings WHERE submission_id = s.id AND verdict <> '{Verdict.INFRASTRUCTURE_ERROR.value}'
    )
)
"""


@dataclass(frozen=True)
class Upload:
    """A notebook that the site has read and is to keep.

    Attributes:
        participant_id: whose, by the number in the table of participants.
        file_name: as the browser said it: foreign text.
        file_sha256, code: see `Entry`.
        size: bytes.
        began: when its body began to arrive; this is the time that counts.
        received: when it had arrived.
    """

    participant_id: int
    file_name: str
    file_sha256: str
    code: str
    size: int
    began: datetime
    received: datetime


class QuotaUsedUp(Exception):
    """The participant's submissions of that UTC day are used up."""


class TooManyChoices(Exception):
    """The participant has chosen as many submissions for the final as are allowed."""


def digest(secret: str) -> str:
    """Return what the store keeps of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


class SiteStore(Store):
    """An open store, with what the site changes in it."""

    def __enter__(self) -> SiteStore:
        return self

    def invite(self, names: Iterable[str], now: datetime) -> dict[str, str]:
        """Give everybody a link who has none; return the new links' secrets, by name.

        A name that looks the same as one in the store is that participant; see `name_key`.
        """
        made: dict[str, str] = {}
        with self._transaction():
            rows = self._connection.execute("SELECT id, name FROM participants WHERE kind = 'participant' ORDER BY id")
            known = {name_key(row["name"]): (row["id"], row["name"]) for row in reversed(rows.fetchall())}
            for name in names:
                key = name_key(name)
                if key not in known:
                    cursor = self._connection.execute(
                        "INSERT INTO participants (name, kind) VALUES (?, ?)", (name, Kind.PARTICIPANT.value)
                    )
                    known[key] = (cursor.lastrowid, name)
                number, spelling = known[key]
                live = self._connection.execute(
                    "SELECT 1 FROM members WHERE participant_id = ? AND revoked_at IS NULL", (number,)
                )
                if live.fetchone() is None:
                    made[spelling] = self._new_link("participant", number, now)
        return made

    def invite_role(self, role: str, now: datetime) -> str:
        """Make one more link for organizers or for a screen; return its secret."""
        with self._transaction():
            return self._new_link(role, None, now)

    def invited(self, name: str) -> str | None:
        """Return the name of who was given a link, as the store spells it; None where nobody of that name was."""
        rows = self._connection.execute(
            "SELECT DISTINCT name FROM members m JOIN participants p ON p.id = m.participant_id ORDER BY p.id"
        )
        return next((row["name"] for row in rows if name_key(row["name"]) == name_key(name)), None)

    def revoke(self, name: str, now: datetime) -> None:
        """End a participant's link, sessions and token; the name is spelled as in the store."""
        with self._transaction():
            rows = self._connection.execute(
                "SELECT m.id FROM members m JOIN participants p ON p.id = m.participant_id "
                "WHERE name = ? AND revoked_at IS NULL",
                (name,),
            )
            self._end_members([row["id"] for row in rows], now)

    def revoke_role(self, role: str, now: datetime) -> int:
        """End all links of a role; return how many there were."""
        with self._transaction():
            rows = self._connection.execute("SELECT id FROM members WHERE role = ? AND revoked_at IS NULL", (role,))
            numbers = [row["id"] for row in rows]
            self._end_members(numbers, now)
        return len(numbers)

    def _new_link(self, role: str, participant: int | None, now: datetime) -> str:
        secret = secrets.token_urlsafe(SECRET_BYTES)
        self._connection.execute(
            "INSERT INTO members (role, participant_id, link_sha256, made_at) VALUES (?, ?, ?, ?)",
            (role, participant, digest(secret), utc_text(now)),
        )
        return secret

    def _end_members(self, numbers: list[int], now: datetime) -> None:
        for number in numbers:
            self._connection.execute("UPDATE members SET revoked_at = ? WHERE id = ?", (utc_text(now), number))
            self._connection.execute("DELETE FROM sessions WHERE member_id = ?", (number,))

    def open_session(self, member: int, kind: str, now: datetime) -> str:
        """Let a member in by a new cookie or token, and return it; a new token ends the one before."""
        secret = secrets.token_urlsafe(SECRET_BYTES)
        with self._transaction():
            self._connection.execute("DELETE FROM sessions WHERE ends_at < ?", (utc_text(now),))
            if kind == "token":
                self._connection.execute("DELETE FROM sessions WHERE member_id = ? AND kind = 'token'", (member,))
            self._connection.execute(
                "INSERT INTO sessions (secret_sha256, member_id, kind, made_at, ends_at) VALUES (?, ?, ?, ?, ?)",
                (digest(secret), member, kind, utc_text(now), utc_text(now + timedelta(days=SESSION_DAYS))),
            )
        return secret

    def close_session(self, secret: str) -> None:
        """End the session of a cookie."""
        with self._transaction():
            self._connection.execute("DELETE FROM sessions WHERE secret_sha256 = ?", (digest(secret),))

    def take_in(self, upload: Upload, daily_limit: int | None, keep: Callable[[], None]) -> str:
        """Keep an upload and return its receipt; a file that came in the same second already has its receipt.

        Args:
            upload: what came.
            daily_limit: how many of a UTC day are taken; None for any number.
            keep: writes the file so that it outlives a loss of power; called before the row is there.

        Raises:
            QuotaUsedUp: nothing is kept.
            InfrastructureError: it cannot be kept, and nothing is.
        """
        began = utc_text(upload.began)
        with self._transaction():
            execute = self._connection.execute
            same = execute(
                "SELECT receipt FROM uploads JOIN submissions s ON s.id = submission_id "
                "WHERE participant_id = ? AND file_sha256 = ? AND submitted_at = ?",
                (upload.participant_id, upload.file_sha256, began),
            ).fetchone()
            if same is not None:
                return str(same["receipt"])
            if daily_limit is not None:
                [used] = execute(USED, (upload.participant_id, began[:10])).fetchone()
                if used >= daily_limit:
                    raise QuotaUsedUp
            keep()
            number = self._submission(upload, began)
            receipt = secrets.token_urlsafe(SECRET_BYTES)
            execute(
                "INSERT INTO uploads (submission_id, receipt, file_name, bytes, received_at) VALUES (?, ?, ?, ?, ?)",
                (number, receipt, upload.file_name, upload.size, utc_text(upload.received)),
            )
        return receipt

    def _submission(self, upload: Upload, began: str) -> int:
        """Return the number of an upload's submission; `grader batch` may have received the same one."""
        place = (upload.participant_id, upload.file_sha256, began)
        self._connection.execute(
            "INSERT INTO submissions (participant_id, file_sha256, submitted_at, path, code) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            (*place, upload.file_name, upload.code),
        )
        [number] = self._connection.execute(
            "SELECT id FROM submissions WHERE participant_id = ? AND file_sha256 = ? AND submitted_at = ?", place
        ).fetchone()
        return int(number)

    def choose(self, participant: int, receipt: str, chosen: bool, choices: int) -> None:
        """Choose a submission for the final, or take the choice back; a receipt of somebody else changes nothing.

        Raises:
            TooManyChoices: so many are chosen already.
        """
        with self._transaction():
            self._connection.execute(
                "UPDATE submissions SET final = ? WHERE participant_id = ? AND id = "
                "(SELECT submission_id FROM uploads WHERE receipt = ?)",
                (int(chosen), participant, receipt),
            )
            [count] = self._connection.execute(
                "SELECT count(*) FROM submissions WHERE participant_id = ? AND final = 1", (participant,)
            ).fetchone()
            if chosen and count > choices:
                raise TooManyChoices

    def queue(self) -> list[int]:
        """Return the numbers of the submissions that wait, in the order in which they are to be graded."""
        return [row["submission_id"] for row in self._connection.execute(f"{QUEUE} ORDER BY place")]

    def begin(self, submission: int, now: datetime) -> None:
        """Note that the grading of an upload begins."""
        self._update("phase = ?, started_at = ?, ended_at = NULL", (STARTING, utc_text(now)), submission)

    def end(self, submission: int, now: datetime) -> None:
        """Note that an upload needs no grading any more, for the time being."""
        self._update("phase = ?, ended_at = ?", (DONE, utc_text(now)), submission)

    def wait_again(self, *, failed: bool) -> None:
        """Have uploads wait whose grading was broken off; with `failed` those too that failed by our own fault."""
        finished = (
            f"EXISTS (SELECT 1 FROM gradings g WHERE g.submission_id = uploads.submission_id AND split = 'test_a' "
            f"AND verdict <> '{Verdict.INFRASTRUCTURE_ERROR.value}')"
        )
        with self._transaction():
            self._connection.execute(
                f"UPDATE uploads SET phase = ?, started_at = NULL, ended_at = NULL WHERE phase NOT IN (?, ?)"
                f" OR (? AND phase = ? AND NOT {finished})",
                (WAITING, WAITING, DONE, int(failed), DONE),
            )

    def show_board(self, board: str, now: datetime) -> None:
        """Show everybody this board: JSON that holds nothing private."""
        with self._transaction():
            self._connection.execute(
                "INSERT INTO public_board (id, made_at, board) VALUES (1, ?, ?) "
                "ON CONFLICT DO UPDATE SET made_at = excluded.made_at, board = excluded.board",
                (utc_text(now), board),
            )

    def changes(self) -> tuple[int, ...]:
        """Return numbers of which one changes whenever the board may have changed."""
        counts = ("(SELECT coalesce(max(id), 0) FROM gradings)", "(SELECT count(*) FROM submissions)")
        logs = "(SELECT count(*) FROM removals), (SELECT count(*) FROM events)"
        [row] = self._connection.execute(f"SELECT {', '.join(counts)}, {logs}").fetchall()
        return tuple(row)

    def _update(self, change: str, values: tuple[str, ...], submission: int) -> None:
        with self._transaction():
            self._connection.execute(f"UPDATE uploads SET {change} WHERE submission_id = ?", (*values, submission))


def note_phase(store: str, submission: int, phase: str) -> None:
    """Note how far the grading of an upload is, from whichever process it runs in; where that fails, nobody is told."""
    try:
        connection = sqlite3.connect(f"file:{store}?mode=rw", uri=True, timeout=1.0)
        try:
            with connection:
                connection.execute("UPDATE uploads SET phase = ? WHERE submission_id = ?", (phase, submission))
        finally:
            connection.close()
    except sqlite3.Error:
        pass
