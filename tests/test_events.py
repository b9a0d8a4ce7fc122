"""What organizers do while a contest runs: every action is one entry of the log, and every reader of it obeys."""

import ast
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from grader.contest import desk, schema
from grader.contest.desk import Act
from grader.contest.events import Action, LogEntry, announcements, asked_again, closing_after
from grader.contest.rows import Kind, Received, utc_text
from grader.contest.schema import SCHEMA_VERSION
from grader.contest.store import Store
from grader.verdicts import Verdict
from tests.conftest import REPOSITORY
from tests.contest import make_entry, make_key, make_record
from tests.running import board, contest, graded, number_of, scripted, submit

__all__ = ["contest", "graded", "scripted"]  # fixtures

WHY = ("--reason", "a reason of ours")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACT = Act("olga", NOW, "a reason of ours")


def test_a_paused_batch_grades_nothing_and_goes_on_later(graded):
    """A batch that begins in a pause trains nothing and ends with 3; after `resume` the same command does all."""
    contest, workers = graded
    workers.calls.clear()
    contest.run("pause")
    printed = contest.run("batch", contest.submissions, "--seed", "5", status=3)
    assert workers.calls == []
    assert "with 3 left: 'grader resume', then the same command goes on" in printed
    contest.run("batch", contest.submissions)  # what is graded already needs no grading
    contest.run("resume")
    contest.run("batch", contest.submissions, "--seed", "5")
    assert len(workers.calls) == 3


def test_a_pause_in_the_middle_of_a_batch_lets_the_running_one_end(graded):
    """What has begun is kept, no other begins, and the batch says how many are left."""
    contest, workers = graded
    answers = workers.outcomes

    def outcomes(tasks, at_once):
        for answered, outcome in enumerate(answers(tasks, at_once)):
            if answered == 0:
                with Store(contest.store) as store:
                    store.act(desk.pause(ACT))
            yield outcome

    workers.outcomes = outcomes
    workers.calls.clear()
    printed = contest.run("batch", contest.submissions, "--seed", "5", status=3)
    assert len(workers.calls) == 1
    assert "with 2 left" in printed
    assert sum(grading.key.seed == 5 for _, grading in contest.gradings()) == 1


@pytest.fixture
def dated(contest, scripted, monkeypatch):
    """Make a contest that closed a moment ago by its file, and work in its folder."""
    closes = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
    contest.describe(rules={"closing": closes})
    monkeypatch.chdir(contest.folder)
    scripted().bacs = {"early": 0.6, "late": 0.8}
    submit(contest, "ann/early", (closes - timedelta(minutes=1)).isoformat())
    submit(contest, "ann/late", (closes + timedelta(minutes=10)).isoformat())
    return contest, closes


def test_every_reader_obeys_an_extension(dated):
    """Batch, board, final, results: what came after the file's closing counts once it was extended; the file stays."""
    contest, _ = dated
    text = (contest.folder / "contest.toml").read_text()
    contest.call("batch")
    assert "after the closing" in contest.call("leaderboard", "--split", "test_a", "--csv", "board.csv")
    assert ",0.6," in (contest.folder / "board.csv").read_text()
    assert "open until" in contest.call("extend", "30", *WHY)
    assert "after the closing" not in contest.call("batch")
    assert "after the closing" not in contest.call("leaderboard", "--split", "test_a", "--csv", "board.csv")
    assert ",0.8," in (contest.folder / "board.csv").read_text()
    contest.call("final", "--csv", "final.csv")
    assert (contest.folder / "final.csv").read_text().splitlines()[1].split(",")[-5] == "2"
    contest.call("export-results", "--json", "results.json")
    [person] = json.loads((contest.folder / "results.json").read_text())["participants"]
    assert person["public"]["counted"]["file"] == "late.ipynb"
    assert (contest.folder / "contest.toml").read_text() == text


def test_only_one_place_reads_the_closing_time_of_the_file():
    """Whoever wants to know until when a contest is open asks `closing_after`: nobody can forget the extensions."""
    readers = []
    for path in sorted((REPOSITORY / "grader").rglob("*.py")):
        source = path.read_text()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Attribute) and ast.unparse(node).endswith("rules.closing"):
                line = " ".join(source.splitlines()[node.lineno - 1].split())
                readers.append((path.relative_to(REPOSITORY).as_posix(), line))
    free = {"grader/contest_file/contest.py", "grader/contest/boards.py"}  # the file itself; the rules that were made
    readers = [each for each in readers if not each[0].startswith("grader/platforms/")]  # before it begins, for others
    handed_on = ("closing_after(", "extend(act", "publish(act")
    assert [each for each in readers if each[0] not in free and not any(call in each[1] for call in handed_on)] == []
    assert len(readers) > 3


def test_extensions_add_up_and_a_later_closing_in_the_file_counts():
    """Two extensions follow each other; a file that was changed to close later still is obeyed, an earlier one not."""
    events = []
    for minutes in (30, 15):
        events.append(desk.extend(ACT, NOW, minutes)(events))
    assert closing_after(NOW, events) == NOW + timedelta(minutes=45)
    assert closing_after(NOW + timedelta(hours=2), events) == NOW + timedelta(hours=2)
    assert closing_after(NOW - timedelta(hours=2), events) == NOW + timedelta(minutes=45)
    assert closing_after(None, events) is None


@pytest.mark.parametrize(
    ("closes", "minutes", "said"),
    [
        (NOW, -10, "-10 minutes are no extension"),
        (NOW, 0, "0 minutes are no extension"),
        (NOW, 10**9, "are no extension"),
        (None, 10, "no closing time to extend"),
        (NOW - timedelta(minutes=30), 10, "are over too: give more than 31"),
    ],
)
def test_an_extension_that_extends_nothing_is_refused(closes, minutes, said):
    """Backwards, by nothing, of what never closes, or into the past: one sentence, and no event."""
    with pytest.raises(ValueError, match=said):
        desk.extend(ACT, closes, minutes)([])


def test_a_frozen_board_shows_what_was_graded_until_then(graded):
    """Later gradings and later participants change nothing on it; --live shows them; undone, it moves again."""
    contest, workers = graded
    contest.run("freeze", *WHY)
    frozen = contest.board("--split", "test_a")
    submit(contest, "ann/best", "2026-03-03T12:00:00+00:00")
    submit(contest, "zoe", "2026-03-03T12:00:00+00:00")
    workers.bacs |= {"best": 0.9, "zoe": 0.95}
    contest.run("batch", contest.submissions)
    assert contest.board("--split", "test_a") == frozen
    assert "as it was frozen at" in contest.run("leaderboard", "--split", "test_a")
    assert board(contest, "--live") == [("zoe", "0.95"), ("ann", "0.9"), ("bob", "0.7")]
    assert [row["participant"] for row in contest.board("--split", "test_b")] != []
    contest.run("freeze", "--undo")
    assert board(contest) == [("zoe", "0.95"), ("ann", "0.9"), ("bob", "0.7")]


def test_what_waited_when_the_board_froze_stays_not_graded_on_it(contest, scripted):
    """A submission of before the freeze that is graded after it stands on the frozen board without a result."""
    workers = scripted(bob=[Verdict.INFRASTRUCTURE_ERROR, Verdict.INFRASTRUCTURE_ERROR, Verdict.OK])
    submit(contest, "ann")
    submit(contest, "bob")
    contest.run("batch", contest.submissions, status=3)
    contest.run("freeze")
    contest.run("batch", contest.submissions)
    assert [name for name, _ in workers.calls].count("bob") == 3
    assert board(contest) == [("ann", "0.7"), ("bob", "")]
    assert board(contest, "--live") == [("ann", "0.7"), ("bob", "0.7")]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("set-aside", "99", *WHY), "no submission 99: 'grader history NAME' shows the numbers"),
        (("set-aside", "1", "--reason", " "), "the reason may not be empty"),
        (("set-aside", "1"), "--reason"),
        (("set-aside", "1", *WHY, "--undo"), "nothing to take back"),
        (("resume",), "nothing to resume"),
        (("freeze", "--undo"), "nothing to undo"),
        (("publish", "--undo"), "nothing to undo"),
        (("announce", " \n "), "the message may not be empty"),
        (("announce", "a" * 401), "401 characters, 400 fit"),
        (("extend", "30", *WHY), "no closing time to extend"),
        (("extend", "soon", *WHY), "MINUTES"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_no_event(graded, command, said):
    """A usage error that says why, and the log stays as it was."""
    contest, _ = graded
    assert said in contest.run(*command, status=2)
    with Store(contest.store) as store:
        assert store.events() == []


@pytest.mark.parametrize("command", [("pause",), ("freeze",), ("set-aside", "1", *WHY)])
def test_nothing_is_done_twice(graded, command):
    """The second time changes nothing, and says so."""
    contest, _ = graded
    contest.run(*command)
    assert "already" in contest.run(*command, status=2)
    with Store(contest.store) as store:
        assert len(store.events()) == 1


def test_a_board_is_not_frozen_once_the_final_is_out():
    """There is nothing left to hide; withdrawn, there is."""
    published = desk.publish(ACT, None, "{}")([])
    with pytest.raises(ValueError, match="nothing left to hide"):
        desk.freeze(ACT)([published])
    assert desk.freeze(ACT)([published, desk.withdraw(ACT)([published])]).action is Action.FREEZE


def test_without_a_store_nothing_is_done(contest):
    """No command of these makes a store where there is none."""
    for command in (("pause",), ("log",), ("announce", "hello")):
        assert "there is no store" in contest.run(*command, status=3)
    assert not contest.store.exists()


def test_the_log_tells_when_who_what_and_why(graded, monkeypatch):
    """Every action has its line, removals too, in their order; foreign words in it are plain."""
    contest, _ = graded
    monkeypatch.setenv("LOGNAME", "olga")
    contest.run("announce", "soup \x1b[31mat\x1b[0m seven")
    contest.run("set-aside", number_of(contest, "high"), *WHY)
    contest.run("remove", "bob", "--reason", "a test")
    contest.run("pause", "--reason", "power")
    printed = contest.run("log")
    assert "\x1b" not in printed
    lines = [line for line in printed.splitlines() if line.strip().startswith("2")]
    assert len(lines) == 4
    assert all("olga" in line for line in lines if "remove" not in line)
    for words in ("announce: soup at seven", "ann: high.ipynb", "a reason of ours", "remove: bob", "a test", "power"):
        assert sum(words in line for line in lines) == 1, words


def test_what_everybody_is_told():
    """Messages and what changes for everybody, never whose submission was set aside or graded again."""
    entry = desk.set_aside(ACT, _received(), undo=False)([])
    events = [
        desk.announce(ACT, "soup at seven")([]),
        entry,
        desk.extend(ACT, NOW, 30)([]),
        desk.freeze(ACT)([]),
        desk.ask_again(ACT, _received())([]),
    ]
    told = [sentence for _, sentence in announcements(events)]
    assert told == [
        "soup at seven",
        "The contest is open until 2026-03-01 12:30:00 UTC: a reason of ours",
        "The board stands still from now on: a reason of ours",
    ]


def _received():
    """Return a submission as a store would."""
    return Received(1, "ann", Kind.PARTICIPANT, REPOSITORY / "ann.ipynb", utc_text(NOW), "file", "cell:1", final=False)


def test_a_request_to_grade_again_waits_until_it_is_answered():
    """Asked twice it is refused, answered it is done, and then it can be asked again."""
    asked = desk.ask_again(ACT, _received())([])
    assert asked_again([asked]) == [asked]
    with pytest.raises(ValueError, match="already"):
        desk.ask_again(ACT, _received())([asked])
    answered = desk.answer_again(ACT, _received(), "agrees")([asked])
    assert asked_again([asked, answered]) == []
    assert asked_again([asked, answered, asked]) == [asked]


def test_the_log_of_events_cannot_be_changed(tmp_path):
    """The file itself refuses to change or delete an event, and an event of no submission there is."""
    path = tmp_path / "contest.sqlite"
    with Store(path) as store:
        store.receive([make_entry("ann")])
        kept = store.act(desk.pause(ACT))
        for statement in ("UPDATE events SET who = 'eve'", "DELETE FROM events"):
            with (
                closing(sqlite3.connect(path)) as connection,
                pytest.raises(sqlite3.IntegrityError, match="an event is never"),
            ):
                connection.execute(statement)
        with pytest.raises(sqlite3.IntegrityError):
            store.act(lambda _: LogEntry(utc_text(NOW), "eve", Action.SET_ASIDE, submission=99))
        assert store.events() == [kept]


def test_an_event_knows_how_much_the_store_held(tmp_path):
    """The cut of a freeze is taken in the transaction that keeps it."""
    with Store(tmp_path / "contest.sqlite") as store:
        assert store.act(desk.freeze(ACT)).cut.last_grading == 0
        [submission] = store.receive([make_entry("ann")])
        grading = store.add(submission, make_key(), make_record(), "run-1")
        store.act(desk.announce(ACT, "hello"))
        first, second = store.events()
        assert (first.cut.last_submission, first.cut.last_grading) == (0, 0)
        assert (second.cut.last_submission, second.cut.last_grading) == (submission.id, grading.id)


def test_two_who_pause_at_once_pause_once(tmp_path):
    """What holds is read in the transaction that adds the event: the second of two finds it paused."""
    path = tmp_path / "contest.sqlite"
    with Store(path) as first, Store(path) as second:
        first.act(desk.pause(ACT))
        with pytest.raises(ValueError, match="already"):
            second.act(desk.pause(ACT))
        assert len(second.events()) == 1


def test_a_store_of_the_third_version_gets_the_log(tmp_path):
    """An old store opens, keeps what it holds, and takes events."""
    path = tmp_path / "contest.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        before_events = schema.SCHEMA.partition(schema.MIGRATIONS[3])[0]
        for statement in schema.statements(before_events):
            connection.execute(statement)
        connection.execute("PRAGMA user_version = 3")
    with Store(path) as store:
        assert store.events() == []
        store.act(desk.pause(ACT))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
