"""`grader remove`: who was entered by mistake counts nowhere, is not forgotten, and can be taken back."""

import sqlite3
from contextlib import closing

import pytest

from grader.contest import schema
from grader.contest.removals import Removal
from grader.contest.schema import SCHEMA_VERSION, statements
from grader.contest.store import Kind, Store
from grader.verdicts import InfrastructureError
from tests.conftest import ALL_SAMPLES
from tests.contest import contest, make_entry, make_key, make_record, scripted

__all__ = ["contest", "scripted"]  # fixtures

MISTAKE = "a test of ours"


@pytest.fixture
def graded(contest, scripted):
    """Make a contest in which two participants were graded, and return it with its workers."""
    workers = scripted()
    workers.bacs = {"ann": 0.7, "bob": 0.8}
    for name in ("ann", "bob"):
        contest.submit(name, f"# {name}\n{ALL_SAMPLES}")
    contest.run("batch", contest.submissions)
    return contest, workers


def names(contest):
    """Return who stands on the public board, with their ranks."""
    return [(row["participant"], row["rank"]) for row in contest.board("--split", "test_a")]


def test_a_removed_participant_counts_on_no_board(graded):
    """Once removed, somebody is on neither board, and the others move up; taken back, all is as it was."""
    contest, _ = graded
    before = {split: contest.board("--split", split) for split in ("test_a", "test_b")}
    assert names(contest) == [("bob", "1"), ("ann", "2")]
    printed = contest.run("remove", "bob", "--reason", MISTAKE)
    assert "removed bob: 1 submitted" in printed
    assert names(contest) == [("ann", "1")]
    assert [row["participant"] for row in contest.board("--split", "test_b")] == ["ann"]
    contest.run("remove", "bob", "--undo", "--reason", "a real one after all")
    assert {split: contest.board("--split", split) for split in ("test_a", "test_b")} == before


def test_later_batches_leave_a_removed_participant_out(graded):
    """Neither an old nor a new file of theirs is graded, with any seed, and the batch says so; undone, both are."""
    contest, workers = graded
    contest.run("remove", "bob", "--reason", MISTAKE)
    contest.submit("bob/second", f"# second\n{ALL_SAMPLES}", "2026-03-02T12:00:00+00:00")
    workers.calls.clear()
    printed = contest.run("batch", contest.submissions, "--seed", "5")
    assert [name for name, _ in workers.calls] == ["ann"]
    assert "left out, as they were removed: bob" in printed
    contest.run("batch", "--missing", "--split", "test_a", "--seed", "6")
    assert [name for name, _ in workers.calls] == ["ann", "ann"]
    contest.run("remove", "bob", "--undo", "--reason", "a real one after all")
    contest.run("batch", "--missing", "--split", "test_a", "--seed", "6")
    assert [name for name, _ in workers.calls][2:] == ["bob", "second"]


def test_the_history_tells_who_was_removed_and_why(graded):
    """All that they handed in is still listed, and below it each removal and each return, with its reason, plain."""
    contest, _ = graded
    contest.run("remove", "bob", "--reason", "\x1b[31mtwice\x1b[0m in the list")
    contest.run("remove", "bob", "--undo", "--reason", "not twice")
    printed = contest.run("history", "bob")
    assert "bob.ipynb" in printed
    lines = printed.splitlines()[-2:]
    assert [line.partition(": ")[2] for line in lines] == ["removed: twice in the list", "taken back: not twice"]
    assert contest.run("history", "bo\u200bb") == printed  # as it finds what was handed in by any spelling
    assert "removed" not in contest.run("history", "ann")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("zoe", "--reason", "x"), "knows no participant named 'zoe'"),
        (("bob", "--reason", "x", "--reference"), "knows no reference named 'bob'"),
        (("bob", "--reason", " "), "may not be empty"),
        (("bob", "--undo", "--reason", "x"), "nothing to undo"),
        (("bob",), "--reason"),
    ],
)
def test_what_cannot_be_removed_is_a_usage_error(graded, options, said):
    """A name that nobody has, no reason, and an undo of nothing are told in one line, and nothing is kept."""
    contest, _ = graded
    assert said in contest.run("remove", *options, status=2)
    with Store(contest.store) as store:
        assert store.removals() == []


def test_somebody_is_removed_once(graded):
    """A second removal changes nothing and says so."""
    contest, _ = graded
    contest.run("remove", "bob", "--reason", MISTAKE)
    assert "removed already" in contest.run("remove", "bob", "--reason", MISTAKE, status=2)
    with Store(contest.store) as store:
        assert [entry.reason for entry in store.removals()] == [MISTAKE]


def test_a_removed_reference_is_on_no_board(graded):
    """What was graded as a reference by mistake goes with --reference, a participant of that name stays."""
    contest, _ = graded
    contest.run("batch", contest.submissions, "--reference")
    contest.run("remove", "ann", "--reference", "--reason", MISTAKE)
    rows = contest.board("--split", "test_a")
    assert [(row["participant"], row["reference"]) for row in rows] == [("bob", "0"), ("bob", "1"), ("ann", "0")]


def test_the_log_cannot_be_changed(tmp_path):
    """The file itself refuses to change or delete a removal."""
    path = tmp_path / "contest.sqlite"
    entry = Removal("ann", "participant", True, MISTAKE, "2026-03-01T12:00:00+00:00")
    with Store(path) as store:
        store.receive([make_entry("ann")])
        assert store.log_removal(entry)
        for statement in ("UPDATE removals SET removed = 0", "DELETE FROM removals"):
            with (
                closing(sqlite3.connect(path)) as connection,
                pytest.raises(sqlite3.IntegrityError, match="a removal is never"),
            ):
                connection.execute(statement)
        assert store.removals() == [entry]


def make_old_store(path):
    """Make a store as the first version of the schema had it, with one grading."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements(schema.SCHEMA.partition(schema.REMOVALS)[0]):
            connection.execute(statement)
        connection.execute("PRAGMA user_version = 1")
        connection.execute("INSERT INTO participants (name, kind) VALUES ('ann', 'participant')")
        connection.execute(
            "INSERT INTO submissions (participant_id, path, submitted_at, file_sha256, code) "
            "VALUES (1, 'ann.ipynb', '2026-03-01T12:00:00+00:00', 'file of cell:1', 'cell:1')"
        )


def test_a_store_of_the_first_version_opens(tmp_path):
    """An old store gets the log when it is opened, keeps what it holds, and takes gradings and removals."""
    path = tmp_path / "contest.sqlite"
    make_old_store(path)
    for _ in range(2):
        with Store(path) as store:
            [submission] = store.submissions()
            assert (submission.participant, submission.removed, submission.kind) == ("ann", False, Kind.PARTICIPANT)
    with Store(path) as store:
        kept = store.add(submission, make_key(), make_record(), "run-1")
        assert store.log_removal(Removal("ann", "participant", True, MISTAKE, "2026-03-01T12:00:00+00:00"))
        assert [each.removed for each in store.submissions()] == [True]
        assert store.gradings() == [kept]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


def test_a_migration_that_fails_changes_nothing(tmp_path):
    """Where a table of the new version is in the way, the old store is refused, and stays the old one."""
    path = tmp_path / "contest.sqlite"
    make_old_store(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE removals (mine TEXT)")
    with pytest.raises(InfrastructureError):
        Store(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
