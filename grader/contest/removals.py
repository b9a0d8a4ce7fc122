"""The log of removals in the store: the last entry of a participant says whether they count."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

# Of a row `p` of the table of participants: 1 where they are removed, else 0.
REMOVED = "coalesce((SELECT removed FROM removals WHERE participant_id = p.id ORDER BY id DESC LIMIT 1), 0)"


@dataclass(frozen=True)
class Removal:
    """One entry of the log.

    Attributes:
        participant: a name.
        kind: "participant", "reference" or "oracle".
        removed: True where they were removed, False where they were taken back.
        reason: the organizer's words.
        at: ISO 8601, UTC, whole seconds.
    """

    participant: str
    kind: str
    removed: bool
    reason: str
    at: str


def add_removal(connection: sqlite3.Connection, removal: Removal) -> bool:
    """Add an entry that changes something and say True; where it would change nothing, or for nobody, say False."""
    cursor = connection.execute(
        "INSERT INTO removals (participant_id, removed, reason, at) SELECT id, ?1, ?2, ?3 FROM participants p "
        f"WHERE name = ?4 AND kind = ?5 AND {REMOVED} <> ?1",
        (int(removal.removed), removal.reason, removal.at, removal.participant, str(removal.kind)),
    )
    return cursor.rowcount == 1


def read_removals(connection: sqlite3.Connection) -> list[Removal]:
    """Return the log, oldest first."""
    rows = connection.execute(
        "SELECT name, kind, removed, reason, at FROM removals r JOIN participants p ON p.id = participant_id "
        "ORDER BY r.id"
    )
    return [Removal(name, kind, bool(removed), reason, at) for name, kind, removed, reason, at in rows]
