"""What the site writes into the store, and that its pages can read nothing else than their views."""

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from grader.contest.site_store import QuotaUsedUp, SiteStore, TooManyChoices, Upload, digest
from grader.contest.views import VIEWS, public_view
from grader.verdicts import InfrastructureError, Verdict
from tests.contest import make_key, make_record

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    with SiteStore(tmp_path / "contest.sqlite") as opened:
        yield opened


def upload(participant, number, began=NOW):
    """Make an upload; files differ as numbers do."""
    return Upload(participant, "a.ipynb", f"file {number}", f"cell:{number}", 10, began, began)


def take(store, participant, number, began=NOW, limit=None):
    """Take an upload in; nothing has to be written."""
    return store.take_in(upload(participant, number, began), limit, lambda: None)


def everything(tmp_path):
    """Return all that the store's file holds, as bytes."""
    return b"".join(path.read_bytes() for path in tmp_path.glob("contest.sqlite*"))


def test_no_secret_is_in_the_store(store, tmp_path):
    """Of links, cookies and tokens the file has the SHA-256 alone."""
    secrets = [*store.invite(["Ann"], NOW).values(), store.invite_role("organizer", NOW)]
    secrets += [store.open_session(1, kind, NOW) for kind in ("cookie", "token")]
    for secret in secrets:
        assert secret.encode() not in everything(tmp_path)
        assert digest(secret).encode() in everything(tmp_path)


def test_a_file_that_is_not_kept_leaves_no_row(store):
    """Where writing the file fails, there is neither a submission nor a receipt."""
    store.invite(["Ann"], NOW)

    def full():
        raise InfrastructureError("the disk is full")

    with pytest.raises(InfrastructureError, match="full"):
        store.take_in(upload(1, 1), None, full)
    assert store.submissions() == []
    assert store.queue() == []


def test_a_receipt_is_never_changed_and_never_deleted(store, tmp_path):
    """The file itself refuses to change or delete an upload."""
    store.invite(["Ann"], NOW)
    take(store, 1, 1)
    for statement in (
        "DELETE FROM uploads",
        "UPDATE uploads SET receipt = 'x'",
        "UPDATE uploads SET received_at = 'x'",
    ):
        with sqlite3.connect(tmp_path / "contest.sqlite") as connection, pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)
        connection.close()


def test_the_limit_counts_what_came_any_way_but_no_failure_of_ours(store):
    """Of each UTC day as many as the limit are taken; a grading that failed by our own fault gives its place back."""
    store.invite(["Ann"], NOW)
    take(store, 1, 1, limit=1)
    with pytest.raises(QuotaUsedUp):
        take(store, 1, 2, limit=1)
    take(store, 1, 3, NOW + timedelta(days=1), limit=1)
    [first, _] = store.submissions()
    store.add(first, make_key(first.code), make_record(verdict=Verdict.INFRASTRUCTURE_ERROR), "run-1")
    take(store, 1, 2, limit=1)
    store.add(first, make_key(first.code), make_record(), "run-2")
    with pytest.raises(QuotaUsedUp):
        take(store, 1, 4, limit=1)


def test_no_more_choices_than_allowed(store):
    """The choice that would be one too many changes nothing; neither does the choice of somebody else's."""
    store.invite(["Ann", "Bob"], NOW)
    receipts = [take(store, 1, number) for number in range(3)]
    store.choose(1, receipts[0], True, 2)
    store.choose(1, receipts[1], True, 2)
    with pytest.raises(TooManyChoices):
        store.choose(1, receipts[2], True, 2)
    store.choose(2, receipts[2], True, 2)
    assert [each.final for each in store.submissions()] == [True, True, False]


def test_what_was_broken_off_waits_again(store):
    """After a restart, gradings that were running wait; failures of ours wait where that is wanted; results do not."""
    store.invite(["Ann"], NOW)
    for number in range(3):
        take(store, 1, number)
    graded, failed, running = store.submissions()
    store.add(graded, make_key(graded.code), make_record(), "run-1")
    store.add(failed, make_key(failed.code), make_record(verdict=Verdict.INFRASTRUCTURE_ERROR), "run-2")
    for each in (graded, failed):
        store.end(each.id, NOW)
    store.begin(running.id, NOW)
    store.wait_again(failed=False)
    assert store.queue() == [running.id]
    store.wait_again(failed=True)
    assert store.queue() == [failed.id, running.id]


def test_a_view_reads_its_columns_and_nothing_else(store, tmp_path):
    """Tables, their columns, pragmas, other files and changes are refused by SQLite itself; the views are read."""
    store.invite(["Ann"], NOW)
    take(store, 1, 1)
    [submission] = store.submissions()
    store.add(submission, make_key(split="test_b"), make_record(split="test_b"), "run-b")
    with public_view(tmp_path / "contest.sqlite") as view:
        for name in VIEWS:
            view.execute(f"SELECT * FROM {name}").fetchall()
        assert view.execute("SELECT * FROM site_results").fetchall() == []
        for forbidden in (
            "SELECT record FROM gradings",
            "SELECT r.record FROM (SELECT * FROM gradings) r",
            "SELECT * FROM site_submissions s JOIN gradings g ON g.submission_id = s.id",
            "SELECT (SELECT max(record) FROM gradings) FROM site_submissions",
            "SELECT link_sha256 FROM members",
            "SELECT sql FROM sqlite_master",
            "PRAGMA table_info(members)",
            f"ATTACH '{tmp_path / 'contest.sqlite'}' AS other",
            "DELETE FROM uploads",
            "UPDATE submissions SET final = 1",
            "INSERT INTO sessions VALUES ('a', 1, 'cookie', '', '')",
        ):
            with pytest.raises(sqlite3.DatabaseError, match=r"not authorized|prohibited"):
                view.execute(forbidden).fetchall()


def test_a_store_that_is_not_there_is_not_made(tmp_path):
    """A page never makes a store."""
    with pytest.raises(InfrastructureError, match="cannot be read"), public_view(tmp_path / "contest.sqlite"):
        pass
    assert list(tmp_path.iterdir()) == []
