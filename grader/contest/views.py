"""What the site's pages may read of the store: views without private columns, and a connection that reads nothing else.

SQLite itself refuses everything but these views: an authorizer allows to read a table only from within one of them. So
no page can show a score on a private split, another seed's result, or a hash of somebody's link, whatever its code
asks for. Pages of organizers read the same views.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grader.contest.events import SET_ASIDE, Action
from grader.contest.removals import REMOVED
from grader.contest.site_store import QUEUE
from grader.contest.store import LOCK_SECONDS
from grader.verdicts import InfrastructureError, Verdict

VIEWS = {
    # who may enter: looked up by the hash of a link
    "site_links": """
        SELECT m.id AS member_id, m.role, link_sha256 AS sha256 FROM members m WHERE revoked_at IS NULL
    """,
    # who is inside: looked up by the hash of a cookie or a token
    "site_sessions": f"""
        SELECT secret_sha256 AS sha256, o.kind, ends_at, m.id AS member_id, role, participant_id, name
        FROM sessions o JOIN members m ON m.id = member_id LEFT JOIN participants p ON p.id = participant_id
        WHERE revoked_at IS NULL AND (participant_id IS NULL OR {REMOVED} = 0)
    """,
    # what participants handed in, by the site or otherwise
    "site_submissions": f"""
        SELECT s.id, s.participant_id, p.name, s.submitted_at, s.file_sha256, s.final,
            coalesce(u.file_name, s.path) AS file_name, u.receipt, u.bytes, u.received_at, u.phase, u.ended_at,
            {SET_ASIDE} AS aside
        FROM submissions s JOIN participants p ON p.id = s.participant_id AND p.kind = 'participant'
        LEFT JOIN uploads u ON u.submission_id = s.id
    """,
    # what came of it on the public board; a message of ours may name folders, so it stays away
    "site_results": f"""
        SELECT g.id, submission_id, seed, verdict, run, json_extract(record, '$.points') AS points,
            CASE verdict WHEN '{Verdict.INFRASTRUCTURE_ERROR.value}' THEN '' ELSE json_extract(record, '$.message') END
            AS message
        FROM gradings g WHERE split = 'test_a' AND train = 'train'
    """,
    "site_queue": QUEUE,
    # what failed by our own fault, and is still without a result; for organizers alone, as the message is ours
    "site_failures": f"""
        SELECT submission_id, json_extract(record, '$.message') AS message, max(g.id) AS grading_id
        FROM gradings g JOIN submissions s ON s.id = submission_id
        JOIN participants p ON p.id = s.participant_id AND p.kind = 'participant'
        WHERE verdict = '{Verdict.INFRASTRUCTURE_ERROR.value}' AND split = 'test_a' AND train = 'train'
            AND {REMOVED} = 0 AND {SET_ASIDE} IS NULL
            AND NOT EXISTS (
                SELECT 1 FROM gradings f WHERE f.submission_id = s.id AND f.split = g.split AND f.train = g.train
                    AND f.verdict <> '{Verdict.INFRASTRUCTURE_ERROR.value}'
            )
        GROUP BY submission_id
    """,
    # the log of what organizers did, without the final ranking
    "site_events": f"""
        SELECT id, at, who, action, CASE action WHEN '{Action.PUBLISH}' THEN '' ELSE text END AS text, reason,
            submission_id, last_submission, last_grading FROM events
    """,
    # the final ranking, if it is published at the moment
    "site_final": f"""
        SELECT at, text FROM events WHERE action = '{Action.PUBLISH}' AND id = (
            SELECT max(id) FROM events WHERE action IN ('{Action.PUBLISH}', '{Action.WITHDRAW}')
        )
    """,
    # how long the last gradings took
    "site_pace": """
        SELECT unixepoch(ended_at) - unixepoch(started_at) AS seconds FROM uploads
        WHERE ended_at IS NOT NULL AND started_at IS NOT NULL ORDER BY ended_at DESC LIMIT 20
    """,
    "site_board": "SELECT made_at, board FROM public_board",
}
OPEN_TO_ALL = frozenset((sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_TRANSACTION))


def permit(action: int, name: str | None, column: str | None, database: str | None, view: str | None) -> int:
    """Say whether SQLite may do something: read these views, and what they are made of from within them."""
    reading = action == sqlite3.SQLITE_READ and (name in VIEWS or view in VIEWS or column == "")  # "": no column at all
    return sqlite3.SQLITE_OK if reading or action in OPEN_TO_ALL else sqlite3.SQLITE_DENY


@contextmanager
def public_view(store: Path) -> Iterator[sqlite3.Connection]:
    """Open the views of a store; nothing can be written, nothing else can be read.

    Raises:
        InfrastructureError: the store is not there, or cannot be read.
    """
    try:
        connection = sqlite3.connect(f"{store.resolve().as_uri()}?mode=ro", uri=True, timeout=LOCK_SECONDS)
    except sqlite3.Error as error:
        raise InfrastructureError(f"the store {store} cannot be read: {error}") from None
    try:
        connection.row_factory = sqlite3.Row
        for name, query in VIEWS.items():
            connection.execute(f"CREATE TEMP VIEW {name} AS {query}")
        connection.set_authorizer(permit)
        yield connection
    except sqlite3.OperationalError as error:
        raise InfrastructureError(f"the store {store} cannot be read: {error}") from None
    finally:
        connection.close()
