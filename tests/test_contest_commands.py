"""A contest folder in use: every command by its file, the final in one, and a file that does not fit its store."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime

import pytest

import grader.contest.attended
from grader.contest.store import Store
from grader.verdicts import Verdict
from tests.conftest import ALL_SAMPLES
from tests.contest import contest, scripted

__all__ = ["contest", "scripted"]  # fixtures

OK, OURS = Verdict.OK, Verdict.INFRASTRUCTURE_ERROR
FINAL = {"seed": 1000, "seeds": 2}


@pytest.fixture
def inside(contest, monkeypatch):
    """Work in the contest's folder."""
    monkeypatch.chdir(contest.folder)
    return contest


def submit(contest, name, time="2026-03-01T12:00:00+00:00"):
    """Hand in a solution that scripted workers know by the last part of its name."""
    return contest.submit(name, f"# {name.split('/')[-1]}\n{ALL_SAMPLES}", time)


def rows_of(printed, *names):
    """Return the words of each row of a printed board that has one of these names."""
    lines = [line.split() for line in printed.splitlines() if not line.startswith("[")]
    return [line for line in lines if any(name in line[:3] for name in names)]


def test_no_option_is_given_twice(inside, scripted):
    """From the file alone: what is graded, where it is kept, which submission counts, the title of the page."""
    inside.describe(rules={"policy": "last", "daily_limit": 2})
    for hour, name in enumerate(("first", "second", "third"), 10):
        submit(inside, f"ann/{name}", f"2026-03-01T{hour}:00:00+00:00")
    workers = scripted()
    workers.bacs = {"first": 0.8, "second": 0.7, "third": 0.9}
    assert "done: 2 graded now" in inside.call("batch")
    assert {grading.key.threads for _, grading in inside.gradings()} == {1}
    [row] = rows_of(inside.call("leaderboard", "--split", "test_a"), "ann")
    assert "0.7000" in row
    [row] = rows_of(inside.call("leaderboard", "--split", "test_a", "--policy", "best"), "ann")
    assert "0.8000" in row
    assert "0.9000" not in inside.call("history", "ann")
    assert "done: 2 graded before" in inside.call("batch")


def test_a_contest_is_named_from_elsewhere(contest, scripted, tmp_path_factory, monkeypatch):
    """With --contest everything is found in the contest's folder, and nothing is left in the working one."""
    file = contest.describe()
    submit(contest, "ann")
    scripted()
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    assert "done: 1 graded now" in contest.call("batch", "--contest", contest.folder)
    assert rows_of(contest.call("leaderboard", "--contest", file, "--split", "test_a"), "ann")
    assert "0.7000" in contest.call("history", "ann", "--contest", file)
    assert rows_of(contest.call("final", "--contest", contest.folder), "ann")
    assert list(elsewhere.iterdir()) == []
    assert len(list(contest.runs.iterdir())) == len(contest.gradings())


def test_the_guard_of_the_file_leaves_a_longer_clock_no_room(inside):
    """A clock of one call that is longer than the file's guard is refused before anything is graded."""
    inside.describe(grading={"guard": 900})
    submit(inside, "ann")
    assert "beyond the 1000 s of the notebook" in inside.call("batch", "--time-limit", "1000", status=2)
    assert not inside.store.exists()


def test_grade_takes_part(inside, light):
    """One notebook is graded on the contest's data and thread, and kept in its folder of runs."""
    inside.describe()
    notebook = inside.submit("ann", ALL_SAMPLES)
    inside.call("grade", notebook, "--report", "report.json")
    record = json.loads((inside.folder / "report.json").read_text())
    assert (record["verdict"], record["threads"], record["device"]) == ("OK", 1, "cpu")
    [run] = inside.runs.iterdir()
    assert "agrees" in inside.call("regrade", run)


def test_the_final_trains_the_finalists_and_nobody_else(inside, scripted):
    """One command: the two best of the public board with the final's seeds, and the board with its shifts as pages."""
    inside.describe(final=FINAL)
    for day, name in enumerate(("low", "mid", "top"), 1):
        submit(inside, f"ann/{name}", f"2026-03-0{day}T12:00:00+00:00")
    submit(inside, "bob")
    workers = scripted()
    workers.bacs = {"low": 0.6, "mid": 0.7, "top": 0.8, "bob": 0.75}
    inside.call("batch")
    del workers.calls[:]
    workers.bacs["bob"] = 0.9
    printed = inside.call("final", "--csv", "final.csv", "--html", "final.html")
    assert sorted(name for name, _ in workers.calls) == ["bob", "bob", "mid", "mid", "top", "top"]
    assert [row[:3] for row in rows_of(printed, "ann", "bob")] == [["1", "+1", "bob"], ["2", "-1", "ann"]]
    assert printed.count("notice") == 1  # two seeds are few
    trained = {(grading.key.seed, grading.key.split) for _, grading in inside.gradings() if grading.key.seed != 123}
    assert trained == {(1000, "test_b"), (1001, "test_b")}
    assert "bob" in (inside.folder / "final.html").read_text()
    board = (inside.folder / "final.csv").read_text()
    assert "bob" in board

    inside.call("final", "--csv", "again.csv")
    inside.call("leaderboard", "--split", "test_b", "--csv", "board.csv")
    assert len(workers.calls) == 6
    assert {(inside.folder / name).read_text() for name in ("again.csv", "board.csv")} == {board}


def test_a_final_as_the_public_board_trains_nothing(inside, light, monkeypatch):
    """With the seed and the draw of the public board the stored models are scored, and no sandbox is asked for."""
    inside.describe()
    inside.submit("ann", ALL_SAMPLES)
    inside.call("batch")
    monkeypatch.setattr(grader.contest.attended, "bwrap_problem", lambda: "there is none")
    [row] = rows_of(inside.call("final"), "ann")
    assert row[:3] == ["1", "0", "ann"]
    assert [grading.origin.value for _, grading in inside.gradings()] == ["trained", "rescored"]
    inside.describe(final=FINAL)
    assert "no sandbox: there is none" in inside.call("final", status=3)


def test_a_final_that_failed_by_our_own_fault_goes_on(inside, scripted):
    """What could not be graded is named, with exit status 3; the same command grades that alone."""
    inside.describe(final=FINAL)
    submit(inside, "ann")
    submit(inside, "bob")
    workers = scripted(bob=[OK, *[OURS] * 4, OK])
    inside.call("batch")
    del workers.calls[:]
    printed = inside.call("final", status=3)
    assert "not graded for this board, in number 1: bob; the same command tries again" in printed
    assert [name for name, _ in workers.calls] == ["ann", "bob"] * FINAL["seeds"] + ["bob"] * 2
    del workers.calls[:]
    assert len(rows_of(inside.call("final"), "ann", "bob")) == 2
    assert [name for name, _ in workers.calls] == ["bob", "bob"]


def test_a_final_without_a_store_or_a_public_board_says_so(inside, scripted):
    """There is nothing to rank: one line tells what is missing, and no store is made."""
    inside.describe(final=FINAL, grading={"seed": 5})
    assert "there is no store" in inside.call("final", status=3)
    assert not inside.store.exists()
    for name in ("one", "two"):
        submit(inside, f"ann/{name}")
    scripted()
    inside.call("batch", "--seed", "6")
    assert "nobody was graded on the public board with seed 5" in inside.call("final", status=2)


def test_the_file_says_how_many_may_be_chosen(inside, scripted):
    """More choices than the file allows: the table's marks are left out; the final refuses those of before."""
    for name in ("one", "two"):
        submit(inside, f"ann/{name}")
    table = inside.folder / "table.csv"
    lines = [f"ann,submissions/ann/{name}.ipynb,2026-03-01T12:00:00Z,1" for name in ("one", "two")]
    table.write_text("\n".join(["participant,path,submitted_at,final", *lines]))
    scripted()
    inside.describe(final={"choices": 1})
    assert "'ann' has 2 submissions marked final, 1 are allowed" in inside.call("batch", table)
    inside.describe()
    inside.call("batch", table)
    inside.describe(final={"choices": 1})
    assert "ann has 2 submissions marked final, 1 are allowed" in inside.call("final", status=2)


def test_what_came_too_early_or_too_late_does_not_count(inside, scripted):
    """Such a submission is named and neither graded nor ranked; the second of the closing still counts."""
    times = {"early": "08:59:59", "opening": "09:00:00", "closing": "18:00:00", "late": "18:00:01"}
    for name, time in times.items():
        submit(inside, f"ann/{name}", f"2026-03-01T{time}+00:00")
    submit(inside, "bob", "2026-03-02T12:00:00+00:00")
    opening = datetime.fromisoformat("2026-03-01T10:00:00+01:00")
    inside.describe(rules={"opening": opening, "closing": datetime(2026, 3, 1, 18, tzinfo=UTC)})
    workers = scripted()
    workers.bacs = {"early": 0.9, "opening": 0.6, "closing": 0.7, "late": 0.8}
    printed = inside.call("batch")
    assert [name for name, _ in workers.calls] == ["opening", "closing"]
    told = "before the opening, so it does not count: ann's early.ipynb of 2026-03-01T08:59:59+00:00"
    late = "after the closing, so it does not count: ann's late.ipynb of 2026-03-01T18:00:01+00:00, bob's bob.ipynb of"
    assert told in printed
    assert late in printed
    inside.call("batch", "--missing")
    assert len(workers.calls) == 2
    printed = inside.call("leaderboard", "--split", "test_a", "--csv", "board.csv")
    assert told in printed
    assert late in printed
    [_, row] = (inside.folder / "board.csv").read_text().splitlines()
    assert "ann" in row
    assert "0.7" in row
    assert rows_of(inside.call("final"), "bob") == []


def test_references_come_at_any_time(inside, scripted):
    """Opening and closing are the participants': a baseline of last year is graded and shown."""
    inside.describe(rules={"opening": datetime(2026, 3, 1, 10, tzinfo=UTC)})
    submit(inside, "everything", "2020-01-01T00:00:00+00:00")
    scripted()
    assert "done: 1 graded now" in inside.call("batch", "submissions", "--reference")
    assert "everything (reference)" in inside.call("leaderboard", "--split", "test_a")


def test_a_file_that_does_not_fit_the_store_is_refused(inside, scripted, data):
    """Gradings of other data stop batch, board and final, which say what differs; nothing is graded or shown."""
    inside.describe()
    submit(inside, "ann")
    workers = scripted()
    inside.call("batch")
    other = inside.folder / "other data"
    shutil.copytree(data, other)
    for part, split in (("public", "train"), ("private", "test_a")):
        manifest = other / part / "manifest.json"
        content = json.loads(manifest.read_text())
        content["splits"][split]["sha256"] = "0" * 64
        manifest.write_text(json.dumps(content))
        private = other / "private" / "manifest.json"
        content = json.loads(private.read_text())
        content["splits"].get(split, {})["sha256"] = "0" * 64
        private.write_text(json.dumps(content))
    inside.data = other
    inside.describe()
    for command in (["batch"], ["batch", "--missing"], ["leaderboard", "--split", "test_a"], ["final"]):
        printed = inside.call(*command, status=3)
        assert (
            "contest.toml does not fit the store: of its 1 gradings 1 with another train or val, 1 on another"
            in printed
        )
    assert len(workers.calls) == 1
    assert "done: 1 graded now" in inside.call("batch", "--store", "new.sqlite")
    (inside.folder / "contest.toml").unlink()
    inside.run("batch", inside.submissions)


def test_gradings_with_another_notebook_are_refused(inside, scripted, monkeypatch):
    """A store that another version of the kit has filled is not gone on with, and the message names the reason."""
    inside.describe()
    submit(inside, "ann")
    scripted()
    inside.call("batch")
    with Store(inside.store) as store:
        [grading] = store.gradings()
        monkeypatch.setattr("grader.contest.fitting.draft_record", lambda settings: grading.record)
    inside.call("leaderboard", "--split", "test_a")
    changed = replace(grading.record, template_sha256="f" * 64)
    monkeypatch.setattr("grader.contest.fitting.draft_record", lambda settings: changed)
    printed = inside.call("leaderboard", "--split", "test_a", status=3)
    assert "of its 1 gradings 1 with the notebook of another version of this kit" in printed
