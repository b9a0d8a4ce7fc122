"""`grader batch`, `history`, `leaderboard`: from a folder of notebooks to a board, also when something goes wrong."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace

import pytest
from rich.console import Console

import grader.contest.attended
from competition.notebook import graft, notebook_text
from competition.splits import open_split
from grader.contest.batch import Event, Step, make_jobs
from grader.contest.progress import BatchView
from grader.contest.receiving import read_entries
from grader.contest.store import Origin, Store
from grader.grading import Settings, draft_record, evaluate, load_models, read_record
from grader.verdicts import Verdict
from tests.conftest import ALL_SAMPLES
from tests.contest import contest, scripted

__all__ = ["contest", "scripted"]  # fixtures

OK, TIME, OURS = Verdict.OK, Verdict.TIME_LIMIT, Verdict.INFRASTRUCTURE_ERROR
ENOUGH_SECONDS = 240.0


def test_a_night_of_grading(contest, light):
    """From a folder to the final ranking: each solution trained once, faults kept apart, test_b from stored models."""
    contest.submit("ann/first", ALL_SAMPLES)
    changed = contest.submit("bob", ALL_SAMPLES)
    notebook = json.loads(changed.read_text())
    locked = next(cell for cell in notebook["cells"] if "LOCKED CELL [model]" in "".join(cell["source"]))
    locked["source"] = [*locked["source"], "\n# mine"]
    changed.write_text(json.dumps(notebook))
    (contest.submissions / "dave.ipynb").write_text("no notebook")
    printed = contest.run("batch", contest.submissions)
    assert "done: 2 graded now, 1 same solution; 2 OK, 1 PresentationError" in printed
    gradings = dict(contest.gradings())
    trained, twin = gradings["ann"], gradings["bob"]
    assert (trained.origin, twin.origin, twin.source_id) == (Origin.TRAINED, Origin.SAME_SOLUTION, trained.id)
    assert twin.record.bac == trained.record.bac
    assert (trained.record.notices, twin.record.notices) == (
        (),
        ("the locked cell [model] was changed; the change is ignored",),
    )
    assert (contest.runs / twin.run / "submission.ipynb").read_bytes() == changed.read_bytes()
    assert read_record(contest.runs / twin.run) == twin.record

    files = sorted(contest.runs.rglob("*"))
    assert "done: 3 graded before" in contest.run("batch", contest.submissions)
    assert sorted(contest.runs.rglob("*")) == files
    assert dict(contest.gradings()) == gradings

    references = contest.folder / "references"
    references.mkdir()
    (references / "everything.py").write_text(ALL_SAMPLES)
    printed = contest.run("batch", references, "--reference", "--oracle")
    assert "done: 1 same solution" in printed
    assert "oracle, seed 123: BAC 0." in printed

    board = contest.board("--split", "test_b")
    models = load_models(contest.runs / trained.run)
    expected = evaluate(models, open_split(contest.data / "private", "test_b").dataset)
    rows = {row["participant"]: row for row in board}
    assert [(float(row["bac_1"]), float(row["bac_2"])) for row in map(rows.get, ("ann", "bob"))] == [expected] * 2
    assert [(rows[name]["rank"], rows[name]["tied"], rows[name]["shift"]) for name in ("ann", "bob")] == [
        ("1", "1", "0")
    ] * 2
    assert (rows["everything"]["reference"], rows["everything"]["rank"]) == ("1", "")
    assert (rows["dave"]["verdict"], rows["dave"]["bac_mean"]) == ("PresentationError", "")
    kept = [(name, grading.origin.value) for name, grading in contest.gradings() if grading.key.split == "test_b"]
    assert sorted(kept) == [(name, "rescored") for name in ("ann", "bob", "dave", "everything", "oracle")]
    page = contest.folder / "board.html"
    printed = contest.run("leaderboard", "--split", "test_b", "--html", page, "--title", "Spring contest")
    assert "the oracle's bound is a BAC of 0." in printed
    assert "Spring contest" in page.read_text()
    assert printed.count("notice:") == 1
    assert "notice: close places may be chance: this ranks by the mean over 1 training seed; from 5 on" in printed


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT], ids=lambda sent: sent.name)
def test_a_batch_that_was_stopped_goes_on(contest, sent):
    """Killed or interrupted in the second of two gradings, the same command repeats only that one."""
    contest.submit("ann", ALL_SAMPLES)
    contest.submit("bob", f"import time\n{ALL_SAMPLES}\ntime.sleep(20)")
    command = [sys.executable, "-m", "grader", *contest.arguments("batch", contest.submissions)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + ENOUGH_SECONDS
    while not contest.store.exists() or not contest.gradings():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    time.sleep(2)
    process.send_signal(sent)
    printed = process.communicate(timeout=ENOUGH_SECONDS)[0]
    [(name, first)] = contest.gradings()
    assert name == "ann"
    if sent is signal.SIGINT:
        assert process.returncode == 130
        assert "the same command goes on from here" in printed
    again = contest.run("batch", contest.submissions)
    assert "done: 1 graded before, 1 graded now; 2 OK" in again
    assert next((name, grading.run) for name, grading in contest.gradings()) == ("ann", first.run)
    assert len(contest.gradings()) == 2
    assert {path.name for path in contest.runs.iterdir()} == {grading.run for _, grading in contest.gradings()}


def test_our_own_failure_is_tried_once_more(contest, scripted):
    """One InfrastructureError is repeated; a second one is kept, reported with exit 3, and tried by the next call."""
    for name in ("ann", "bob", "cid"):
        contest.submit(name, f"# {name}\n{ALL_SAMPLES}")
    workers = scripted(ann=[OURS, OK], bob=[OURS, OURS, OK])
    printed = contest.run("batch", contest.submissions, status=3)
    assert [name for name, _ in workers.calls] == ["ann", "bob", "cid", "ann", "bob"]
    assert "1 of these are our own fault" in printed
    assert "bob bob.ipynb, seed 123: InfrastructureError, 0.0 s: it was InfrastructureError" in printed
    rows = {row["participant"]: row["verdict"] for row in contest.board("--split", "test_a")}
    assert rows == {"ann": "OK", "cid": "OK", "bob": "not graded"}
    assert "in number 1: bob" in contest.run("leaderboard", "--split", "test_a")
    contest.run("batch", contest.submissions)
    assert [name for name, _ in workers.calls[5:]] == ["bob"]
    assert [name for name, _ in contest.gradings()] == ["cid", "ann", "bob", "bob"]


def test_what_is_beyond_the_daily_limit_is_named_and_costs_nothing(contest, scripted):
    """Of a participant's day the first N are graded, whichever call receives them; references know no limit."""
    for hour, name in enumerate(("one", "two", "three"), 10):
        contest.submit(f"ann/{name}", f"# {name}\n{ALL_SAMPLES}", f"2026-03-01T{hour}:00:00+00:00")
    contest.submit("ann/four", f"# four\n{ALL_SAMPLES}", "2026-03-02T10:00:00+00:00")
    workers = scripted(one=[OURS, OURS, OK])
    printed = contest.run("batch", contest.submissions, "--daily-limit", "1", status=3)
    assert printed.count("not graded, beyond the daily limit of 1: ann ") == 2
    assert "beyond the daily limit of 1: ann two.ipynb, 2026-03-01T11:00:00+00:00" in printed
    assert [name for name, _ in workers.calls] == ["one", "four", "one"]
    del workers.calls[:]
    printed = contest.run("batch", contest.submissions, "--daily-limit", "1")
    assert [name for name, _ in workers.calls] == ["one", "two"]  # our failure used up nothing
    assert printed.count("not graded, beyond the daily limit of 1: ann three.ipynb") == 1
    contest.run("batch", contest.submissions, "--daily-limit", "1", "--reference")
    assert [name for name, _ in workers.calls[2:]] == ["three"]


def test_participants_take_turns(contest, scripted):
    """Nobody waits for all of somebody else's: the oldest of each comes first, then the next of each."""
    for number in range(5):
        contest.submit(f"ann/{number}", f"# ann {number}\n{ALL_SAMPLES}", f"2026-03-01T0{number}:00:00+00:00")
    for name in ("bob", "cid"):
        contest.submit(f"{name}/1", f"# {name} 1\n{ALL_SAMPLES}", "2026-03-03T12:00:00+00:00")
        contest.submit(f"{name}/0", f"# {name} 0\n{ALL_SAMPLES}", "2026-03-02T12:00:00+00:00")
    workers = scripted()
    contest.run("batch", contest.submissions)
    assert [name for name, _ in workers.calls] == [
        *("ann 0", "bob 0", "cid 0", "ann 1", "bob 1", "cid 1", "ann 2", "ann 3", "ann 4")
    ]


def test_what_may_be_the_load_of_several_workers_counts_only_alone(contest, scripted):
    """A time limit, or a machine too slow, is graded again after all others, one at a time: only that is kept."""
    for name in ("ann", "bob", "cid"):
        contest.submit(name, f"# {name}\n{ALL_SAMPLES}")
    workers = scripted(count=2, ann=[TIME, OK], bob=[OURS, TIME])
    contest.run("batch", contest.submissions)
    assert workers.calls == [("ann", 2), ("bob", 2), ("cid", 2), ("ann", 1), ("bob", 1)]
    assert [(name, grading.record.verdict) for name, grading in contest.gradings()] == [
        *(("cid", OK), ("ann", OK), ("bob", TIME))
    ]


def test_a_time_limit_of_one_worker_counts_at_once(contest, scripted):
    """Alone it was already: nothing is repeated, and no later batch repeats it under the same limit."""
    contest.submit("ann", f"# ann\n{ALL_SAMPLES}")
    workers = scripted(ann=[TIME])
    contest.run("batch", contest.submissions)
    contest.run("batch", contest.submissions)
    assert len(workers.calls) == 1
    contest.run("batch", contest.submissions, "--time-limit", "300")
    assert len(workers.calls) == 2


def test_a_worker_with_other_versions_is_refused(contest, scripted):
    """A result of a machine with another library version is our failure and says which, not a score."""
    contest.submit("ann", f"# ann\n{ALL_SAMPLES}")
    workers = scripted()
    workers.changes = {"versions": {"torch": "0.1"}}
    printed = contest.run("batch", contest.submissions, status=3)
    assert "the worker's library versions differ" in printed
    assert all(grading.record.bac is None for _, grading in contest.gradings())


def test_what_is_graded_is_the_file_as_it_was_received(contest, scripted, monkeypatch):
    """A file that changes before its turn is graded as it came; of a store that kept nothing it is our own fault."""
    path = contest.submit("ann", f"# ann\n{ALL_SAMPLES}")
    contest.submit("bob", f"# bob\n{ALL_SAMPLES}")
    workers = scripted()
    make = grader.contest.attended.make_jobs

    def change_then_make(*arguments):
        path.write_text(notebook_text(graft(f"# other\n{ALL_SAMPLES}")))
        return make(*arguments)

    monkeypatch.setattr(grader.contest.attended, "make_jobs", change_then_make)
    contest.run("batch", contest.submissions)
    assert [name for name, _ in workers.calls] == ["ann", "bob"]
    shutil.rmtree(contest.folder / "contest.received")
    shutil.rmtree(contest.runs)
    for _ in range(3):
        printed = contest.run("batch", "--missing", "--seed", "9", status=3)
        assert "ann.ipynb is gone, or was changed since it was received" in printed
    assert [name for name, _ in workers.calls] == ["ann", "bob", "bob"]
    assert len(list(contest.runs.iterdir())) == 2  # the same failure again is told, and not kept again


def test_seeds_are_graded_one_by_one_and_ranked_by_their_mean(contest, scripted):
    """`--seeds 2` gives two gradings of each; the board has their mean and names what is missing for more."""
    contest.submit("ann", f"# ann\n{ALL_SAMPLES}")
    workers = scripted()
    contest.run("batch", contest.submissions, "--seeds", "2")
    assert {grading.key.seed for _, grading in contest.gradings()} == {123, 124}
    [row] = contest.board("--split", "test_a", "--seeds", "2")
    assert (row["seeds"], row["deviation"], row["bac_mean"]) == ("2", "0.0", "0.7")
    printed = contest.run("leaderboard", "--split", "test_a", "--seeds", "3")
    assert "not graded for this board, in number 1: ann" in printed
    contest.run("batch", "--missing", "--seeds", "3")
    assert len(workers.calls) == 3
    assert contest.board("--split", "test_a", "--seeds", "3")[0]["seeds"] == "3"


def test_missing_trains_what_can_count_and_nothing_else(contest, scripted):
    """For a final on more seeds only the finalists are trained: the best two of three; the rest keeps its one seed."""
    for day, name in enumerate(("low", "mid", "top"), 1):
        contest.submit(f"ann/{name}", f"# {name}\n{ALL_SAMPLES}", f"2026-03-0{day}T12:00:00+00:00")
    workers = scripted()
    workers.bacs = {"low": 0.6, "mid": 0.7, "top": 0.8}
    contest.run("batch", contest.submissions)
    del workers.calls[:]
    contest.run("batch", "--missing", "--split", "test_b", "--seeds", "2")
    assert sorted({name for name, _ in workers.calls}) == ["mid", "top"]
    [row] = contest.board("--split", "test_b", "--seeds", "2")
    assert (row["rank"], row["bac_mean"], row["submissions"]) == ("1", "0.8", "3")


def test_a_final_on_other_seeds_takes_its_finalists_from_the_public_board(contest, scripted):
    """The best two of the public board are trained anew, whatever the final's seed; the board shows the shift."""
    for day, name in enumerate(("top", "mid", "low"), 1):
        contest.submit(f"ann/{name}", f"# {name}\n{ALL_SAMPLES}", f"2026-03-0{day}T12:00:00+00:00")
    contest.submit("bob", f"# bob\n{ALL_SAMPLES}")
    workers = scripted()
    workers.bacs = {"low": 0.6, "mid": 0.7, "top": 0.8, "bob": 0.75}
    contest.run("batch", contest.submissions)
    del workers.calls[:]
    workers.bacs["bob"] = 0.9
    final = ["--split", "test_b", "--seed", "1000", "--seeds", "2"]
    contest.run("batch", "--missing", *final)
    assert sorted({name for name, _ in workers.calls}) == ["bob", "mid", "top"]
    rows = contest.board(*final)
    assert [(row["participant"], row["rank"], row["shift"]) for row in rows] == [("bob", "1", "1"), ("ann", "2", "-1")]


def test_a_final_without_a_public_board_says_which_seed_it_looked_for(contest, scripted):
    """Where nobody has a public result, the two best of somebody's submissions are not guessed."""
    for name in ("one", "two"):
        contest.submit(f"ann/{name}", f"# {name}\n{ALL_SAMPLES}")
    workers = scripted()
    contest.run("batch", contest.submissions, "--seed", "5")
    final = ["--split", "test_b", "--seed", "6"]
    for command in (["batch", "--missing"], ["leaderboard"]):
        printed = " ".join(contest.run(*command, *final, status=2).replace("│", " ").split())
        assert "nobody was graded on the public board with seed 123: name its seed with --public-seed" in printed
    contest.run("batch", "--missing", *final, "--public-seed", "5")
    assert [name for name, _ in workers.calls] == ["one", "two", "one", "two"]
    assert contest.board(*final, "--public-seed", "5")[0]["shift"] == "0"
    contest.run("leaderboard", *final, "--policy", "last")


def test_what_was_graded_can_be_trained_again_without_its_file(contest, scripted):
    """A file that is gone, or that a newer submission has overwritten, is taken from the store's folder or its run."""
    for name in ("ann", "bob"):
        contest.submit(name, f"# {name}\n{ALL_SAMPLES}")
    workers = scripted()
    contest.run("batch", contest.submissions)
    for name, grading in contest.gradings():
        shutil.copy(contest.submissions / f"{name}.ipynb", contest.runs / grading.run / "submission.ipynb")
    (contest.submissions / "ann.ipynb").unlink()
    contest.submit("bob", f"# newer\n{ALL_SAMPLES}")
    del workers.calls[:]
    contest.run("batch", "--missing", "--seed", "7")
    assert sorted(name for name, _ in workers.calls) == ["ann", "bob"]
    shutil.rmtree(contest.folder / "contest.received")
    contest.run("batch", "--missing", "--seed", "6")
    assert sorted(name for name, _ in workers.calls) == ["ann", "ann", "bob", "bob"]
    shutil.rmtree(contest.runs)
    printed = contest.run("batch", "--missing", "--seed", "8", status=3)
    assert (
        "ann.ipynb is gone, or was changed since it was received, and neither the store nor a run folder in" in printed
    )


@pytest.mark.parametrize("options", [[], ["--missing", "--split", "val"]], ids=["nothing", "no board"])
def test_a_batch_of_nothing_is_a_usage_error(contest, options):
    """Without a folder, --missing or --oracle there is nothing to do; --missing needs a leaderboard's split."""
    contest.run("batch", *options, status=2)


def test_commands_on_no_store_say_so(contest):
    """Neither the history nor the board makes an empty store."""
    for arguments in (["history", "ann"], ["leaderboard", "--split", "test_a"]):
        assert "there is no store" in contest.run(*arguments, status=3)
    assert not contest.store.exists()


def test_the_live_table_shows_what_runs_and_what_remains(contest):
    """On a terminal there are rows for what was graded and what is training, and a bar that counts."""
    for name in ("ann", "bob"):
        contest.submit(name, f"# {name}\n{ALL_SAMPLES}")
    with Store(contest.store) as store:
        submissions = store.receive(read_entries(contest.submissions).entries)
    first, second = make_jobs(submissions, Settings(contest.data, "test_a"), [123])
    console = Console(force_terminal=True, width=120, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with closing(console.file), BatchView(console) as view:
        view.expect(2)
        for job in (first, second):
            view.tell(Event(job, Step.STARTED, None))
        view.tell(Event(first, Step.GRADED, replace(draft_record(first.settings), bac=(0.7, 0.7), bac_mean=0.7)))
        console.print(view._render())
        shown = console.export_text()
    lines = [line.split() for line in shown.splitlines()]
    assert any(line[:2] == ["ann", "ann.ipynb"] and "0.7000" in line for line in lines)
    assert any(line[:2] == ["bob", "bob.ipynb"] and line[-1] == "training" for line in lines)
    assert "1/2" in shown


def test_a_store_that_cannot_be_used_stops_before_grading(contest):
    """A file that is no store is exit 3, and stays as it is."""
    contest.submit("ann", ALL_SAMPLES)
    contest.store.write_text("something else, and long enough to be read as a header" * 10)
    assert "cannot be used as the store" in contest.run("batch", contest.submissions, status=3)
    assert contest.store.read_text().startswith("something else")
