"""The tables of the store, as SQL. What was kept is never changed and never deleted: triggers see to it.

A store of an older version gets what it lacks when it is opened: see `MIGRATIONS`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from grader.contest.events import EVENTS
from grader.contest.site_schema import SITE

SCHEMA_VERSION = 4
REMOVALS = """
CREATE TABLE removals (
    id              INTEGER PRIMARY KEY,
    participant_id  INTEGER NOT NULL REFERENCES participants (id),
    removed         INTEGER NOT NULL CHECK (removed IN (0, 1)),
    reason          TEXT NOT NULL CHECK (reason <> ''),
    at              TEXT NOT NULL
) STRICT;
CREATE TRIGGER removals_never_change BEFORE UPDATE ON removals
    BEGIN SELECT RAISE (ABORT, 'a removal is never changed'); END;
CREATE TRIGGER removals_never_go BEFORE DELETE ON removals
    BEGIN SELECT RAISE (ABORT, 'a removal is never deleted'); END;
"""
BY_SUBMISSION = """
CREATE INDEX gradings_by_submission ON gradings (submission_id);
"""
MIGRATIONS = {1: REMOVALS, 2: SITE, 3: EVENTS + BY_SUBMISSION}  # from this version to the next one
SCHEMA = (
    """
CREATE TABLE participants (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL CHECK (name <> ''),
    kind  TEXT NOT NULL CHECK (kind IN ('participant', 'reference', 'oracle')),
    UNIQUE (name, kind)
) STRICT;
CREATE TABLE submissions (
    id              INTEGER PRIMARY KEY,
    participant_id  INTEGER NOT NULL REFERENCES participants (id),
    path            TEXT NOT NULL,
    submitted_at    TEXT NOT NULL,
    file_sha256     TEXT NOT NULL,
    code            TEXT NOT NULL,
    final           INTEGER NOT NULL DEFAULT 0 CHECK (final IN (0, 1)),
    UNIQUE (participant_id, file_sha256, submitted_at)
) STRICT;
CREATE TABLE gradings (
    id               INTEGER PRIMARY KEY,
    submission_id    INTEGER NOT NULL REFERENCES submissions (id),
    source_id        INTEGER REFERENCES gradings (id),
    origin           TEXT NOT NULL CHECK (origin IN ('trained', 'same solution', 'rescored')),
    code             TEXT NOT NULL,
    template_sha256  TEXT NOT NULL,
    data_sha256      TEXT NOT NULL,
    split_sha256     TEXT NOT NULL,
    split            TEXT NOT NULL,
    train            TEXT NOT NULL,
    seed             INTEGER NOT NULL,
    device           TEXT NOT NULL,
    threads          INTEGER NOT NULL,
    time_limit       REAL NOT NULL,
    sandbox          TEXT NOT NULL,
    versions         TEXT NOT NULL,
    verdict          TEXT NOT NULL,
    record           TEXT NOT NULL CHECK (json_valid(record)),
    run              TEXT NOT NULL,
    CHECK ((origin = 'trained') = (source_id IS NULL))
) STRICT;
CREATE UNIQUE INDEX finished_once ON gradings (
    submission_id, code, template_sha256, data_sha256, split_sha256, split, train, seed, device, threads, time_limit,
    sandbox, versions
) WHERE verdict <> 'InfrastructureError';
CREATE INDEX gradings_by_code ON gradings (code, train, seed);
CREATE TRIGGER gradings_never_change BEFORE UPDATE ON gradings
    BEGIN SELECT RAISE (ABORT, 'a grading is never changed'); END;
CREATE TRIGGER gradings_never_go BEFORE DELETE ON gradings
    BEGIN SELECT RAISE (ABORT, 'a grading is never deleted'); END;
CREATE TRIGGER submissions_never_go BEFORE DELETE ON submissions
    BEGIN SELECT RAISE (ABORT, 'a submission is never deleted'); END;
CREATE TRIGGER submissions_keep_their_file BEFORE UPDATE OF participant_id, submitted_at, file_sha256, code
    ON submissions BEGIN SELECT RAISE (ABORT, 'of a submission only the choice for the final changes'); END;
"""
    + REMOVALS
    + SITE
    + EVENTS
    + BY_SUBMISSION
)


def statements(script: str) -> Iterator[str]:
    """Split an SQL script into its statements, so that they can run within one transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
