"""The site's own tables in the store, as SQL: who may enter, who is inside, what was handed in there, what all may see.

Of a link, a cookie and a token only the SHA-256 is kept. A member's row belongs to one link: with a new link comes a
new row, and the old one is marked as revoked. An upload is a submission that came by the site; its row says how far
its grading is.
"""

SITE = """
CREATE TABLE members (
    id              INTEGER PRIMARY KEY,
    role            TEXT NOT NULL CHECK (role IN ('participant', 'organizer', 'screen')),
    participant_id  INTEGER REFERENCES participants (id),
    link_sha256     TEXT NOT NULL UNIQUE,
    made_at         TEXT NOT NULL,
    revoked_at      TEXT,
    CHECK ((role = 'participant') = (participant_id IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX one_link_each ON members (participant_id) WHERE revoked_at IS NULL;
CREATE TABLE sessions (
    secret_sha256  TEXT PRIMARY KEY,
    member_id      INTEGER NOT NULL REFERENCES members (id),
    kind           TEXT NOT NULL CHECK (kind IN ('cookie', 'token')),
    made_at        TEXT NOT NULL,
    ends_at        TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_by_member ON sessions (member_id);
CREATE TABLE uploads (
    submission_id  INTEGER PRIMARY KEY REFERENCES submissions (id),
    receipt        TEXT NOT NULL UNIQUE,
    file_name      TEXT NOT NULL,
    bytes          INTEGER NOT NULL,
    received_at    TEXT NOT NULL,
    phase          TEXT NOT NULL DEFAULT 'waiting',
    started_at     TEXT,
    ended_at       TEXT
) STRICT;
CREATE INDEX uploads_unfinished ON uploads (submission_id) WHERE phase <> 'done';
CREATE INDEX uploads_by_end ON uploads (ended_at);
CREATE TRIGGER uploads_never_go BEFORE DELETE ON uploads
    BEGIN SELECT RAISE (ABORT, 'a receipt is never deleted'); END;
CREATE TRIGGER uploads_keep_their_receipt BEFORE UPDATE OF submission_id, receipt, file_name, bytes, received_at
    ON uploads BEGIN SELECT RAISE (ABORT, 'of an upload only its phase changes'); END;
CREATE TABLE public_board (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    made_at  TEXT NOT NULL,
    board    TEXT NOT NULL CHECK (json_valid(board))
) STRICT;
"""
