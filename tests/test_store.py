"""The store: what it keeps, what it refuses, how it is found again."""

import sqlite3
from contextlib import closing

import pytest

from grader.contest.schema import SCHEMA_VERSION
from grader.contest.store import Kind, Origin, Store
from grader.verdicts import InfrastructureError, Verdict
from tests.contest import make_entry, make_key, make_record


@pytest.fixture
def path(tmp_path):
    return tmp_path / "contest.sqlite"


@pytest.fixture
def store(path):
    with Store(path) as opened:
        yield opened


def raw_sql(path, *statements):
    """Do to the file what the class never does; the pragma is that of any careful visitor."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA recursive_triggers = ON")
        for statement in statements:
            connection.execute(statement)


def test_what_was_kept_is_there_when_the_store_is_opened_again(path):
    """Submissions come back in the order of their times, gradings with their whole record."""
    with Store(path) as store:
        late, early = store.receive(
            [make_entry("ann", "2026-03-02T00:30:00+01:00"), make_entry("bob", "2026-03-01T12:00:00+00:00", "file:2")]
        )
        kept = store.add(late, make_key(), make_record(notices=("a notice",)), "run-1")
    with Store(path) as store:
        assert store.submissions() == [early, late]
        assert late.submitted_at == "2026-03-01T23:30:00+00:00"
        assert store.gradings() == [kept]
        assert store.gradings(early) == []
        assert kept.record == make_record(notices=("a notice",))
        assert (kept.origin, kept.source_id, kept.run) == (Origin.TRAINED, None, "run-1")


def test_a_submission_is_received_once(store):
    """The same participant, file and time is one submission, however often and in whatever zone it is handed in."""
    first = store.receive([make_entry("ann"), make_entry("ann"), make_entry("ann", "2026-03-01T13:00:00+01:00")])
    assert len(first) == 1
    assert store.receive([make_entry("ann")]) == first
    others = store.receive(
        [make_entry("bob"), make_entry("ann", code="cell:2"), make_entry("ann", "2026-03-02T12:00Z")]
    )
    assert len({received.id for received in [*first, *others]}) == 4


def test_a_participant_named_like_a_reference_is_somebody_else(store):
    """Kinds do not share names: nobody becomes a reference, or the oracle, by choosing its name."""
    own, reference = store.receive([make_entry("original"), make_entry("original", kind=Kind.REFERENCE)])
    assert own.id != reference.id
    assert (own.kind, reference.kind) == (Kind.PARTICIPANT, Kind.REFERENCE)


def test_a_finished_grading_is_found_by_every_part_of_its_key(store):
    """One changed condition is another grading; without a change the finished one is found."""
    [submission] = store.receive([make_entry("ann")])
    kept = store.add(submission, make_key(), make_record(), "run-1")
    assert store.finished(submission, make_key()) == kept
    for changes in (
        *({"code": "cell:2"}, {"template_sha256": "x"}, {"data_sha256": "x"}, {"split_sha256": "x"}, {"split": "val"}),
        *({"train": "redraw-1"}, {"seed": 124}, {"device": "cuda"}, {"threads": 2}, {"time_limit": 300.0}),
        *({"sandbox": "none"}, {"versions": "{}"}),
    ):
        assert store.finished(submission, make_key(**changes)) is None


def test_a_finished_grading_is_counted_once(store):
    """A second result under the same conditions does not count: the first stays and is returned."""
    [submission] = store.receive([make_entry("ann")])
    first = store.add(submission, make_key(), make_record(), "run-1")
    assert store.add(submission, make_key(), make_record((0.9, 0.9)), "run-2") == first
    assert store.gradings() == [first]


def test_our_own_failures_are_kept_and_never_count_as_finished(store):
    """Any number of InfrastructureErrors stands in the history; the grading is still to be done, then found."""
    [submission] = store.receive([make_entry("ann")])
    for run in ("run-1", "run-2"):
        store.add(submission, make_key(), make_record(verdict=Verdict.INFRASTRUCTURE_ERROR), run)
    assert store.finished(submission, make_key()) is None
    assert store.sources(submission, make_key()) == []
    done = store.add(submission, make_key(), make_record(), "run-3")
    assert store.finished(submission, make_key()) == done
    assert [grading.run for grading in store.gradings(submission)] == ["run-1", "run-2", "run-3"]


def test_sources_differ_in_submission_and_split_only(store):
    """What a grading can be derived from: one's own trainings first, then others' of the same solution."""
    ann, bob = store.receive([make_entry("ann"), make_entry("bob")])
    theirs = store.add(bob, make_key(), make_record(), "run-1")
    own = store.add(ann, make_key(split="val", split_sha256="v"), make_record(), "run-2")
    store.add(bob, make_key(seed=124), make_record(), "run-3")
    store.add(bob, make_key("cell:2"), make_record(), "run-4")
    wanted = make_key(split="test_b", split_sha256="b")
    assert store.sources(ann, wanted) == [own, theirs]
    derived = store.add(ann, wanted, make_record(), "run-5", origin=Origin.RESCORED, source=own)
    assert (derived.source_id, derived.origin) == (own.id, Origin.RESCORED)
    assert store.sources(ann, wanted) == [own, theirs]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE gradings SET run = 'other'",
        "DELETE FROM gradings",
        "INSERT OR REPLACE INTO gradings SELECT * FROM gradings",
        "DELETE FROM submissions",
        "UPDATE submissions SET submitted_at = '2026-01-01T00:00:00+00:00'",
    ],
)
def test_nothing_that_counts_can_be_changed(path, store, statement):
    """The file itself refuses to change or delete a grading, or the file and time of a submission."""
    [submission] = store.receive([make_entry("ann")])
    kept = store.add(submission, make_key(), make_record(), "run-1")
    with pytest.raises(sqlite3.IntegrityError, match=r"never|only the choice"):
        raw_sql(path, statement)
    assert store.gradings() == [kept]
    assert store.submissions() == [submission]


def test_choices_for_the_final_change_and_are_limited(store):
    """A choice can be made and taken back; not saying changes none; a third one is refused, with nothing kept."""
    [first] = store.receive([make_entry("ann", code="cell:1", final=True)])
    assert first.final
    [same] = store.receive([make_entry("ann", code="cell:1")])
    assert same.final
    store.receive([make_entry("ann", code="cell:2", final=True)])
    with pytest.raises(InfrastructureError, match="'ann' has 3 submissions marked final, 2 are allowed"):
        store.receive([make_entry("zoe"), make_entry("ann", code="cell:3", final=True)])
    assert [received.code for received in store.submissions()] == ["cell:1", "cell:2"]
    store.receive([make_entry("ann", code="cell:1", final=False), make_entry("ann", code="cell:3", final=True)])
    assert [received.final for received in store.submissions()] == [False, True, True]


def test_the_file_is_in_wal_mode_and_can_be_read_while_it_is_written(path, store):
    """A reader sees what was kept, while a writer holds a transaction open."""
    store.receive([make_entry("ann")])
    with closing(sqlite3.connect(path, isolation_level=None)) as writer, closing(sqlite3.connect(path)) as reader:
        assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO participants (name, kind) VALUES ('bob', 'participant')")
        assert reader.execute("SELECT name FROM participants").fetchall() == [("ann",)]
        writer.execute("ROLLBACK")


def test_another_schema_version_is_refused(path):
    """A store of a later kit is left alone, and the message names both versions."""
    with Store(path):
        pass
    raw_sql(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(InfrastructureError, match=f"schema version {SCHEMA_VERSION + 1}.*version {SCHEMA_VERSION}"):
        Store(path)


def test_a_file_that_is_no_store_is_refused(path, tmp_path):
    """Neither a text nor somebody else's database is used, or changed."""
    path.write_text("participant,points\n" * 100)
    with pytest.raises(InfrastructureError, match="cannot be used as the store"):
        Store(path)
    assert path.read_text() == "participant,points\n" * 100
    other = tmp_path / "other.sqlite"
    raw_sql(other, "CREATE TABLE recipes (name TEXT)")
    with pytest.raises(InfrastructureError, match="schema version 0"):
        Store(other)
    with pytest.raises(InfrastructureError, match="cannot be opened"):
        Store(tmp_path)
