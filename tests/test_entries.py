"""What is handed in: folders, CSV files, and the names in them."""

import csv
import shutil

import pytest

from competition.notebook import graft, notebook_text
from grader.contest.receiving import read_entries
from grader.contest.store import Kind
from grader.submission import lift, read_cells
from grader.verdicts import Verdict
from tests.conftest import ALL_SAMPLES
from tests.contest import contest, scripted

__all__ = ["contest", "scripted"]  # fixtures


def test_what_a_csv_says_counts(contest, scripted):
    """Times, names and choices come from the CSV; the daily limit and the final follow them."""
    for name in ("one", "two", "three"):
        contest.submit(name, f"# {name}\n{ALL_SAMPLES}")
    table = contest.folder / "received.csv"
    table.write_text(
        "participant,path,submitted_at,final\n"
        "ann,submissions/one.ipynb,2026-03-01T00:30:00+01:00,1\n"
        "ann,submissions/two.ipynb,2026-03-01T10:00:00,\n"
        "ann,submissions/three.ipynb,2026-03-01T11:00:00Z,0\n"
    )
    workers = scripted()
    workers.bacs = {"one": 0.6, "two": 0.7, "three": 0.8}
    contest.run("batch", table)
    [everything] = contest.board("--split", "test_a")
    [limited] = contest.board("--split", "test_a", "--daily-limit", "1")
    [last] = contest.board("--split", "test_a", "--policy", "last", "--daily-limit", "1")
    assert [row["bac_mean"] for row in (everything, limited, last)] == ["0.8", "0.7", "0.7"]
    assert everything["last"] == "2026-03-01T11:00:00+00:00"
    contest.run("batch", table, "--split", "test_b")
    assert contest.board("--split", "test_b")[0]["bac_mean"] == "0.6"
    printed = contest.run("history", "ann")
    assert [word in printed for word in ("2026-02-28T23:30:00+00:00", "chosen", "test_b", "0.6000")] == [True] * 4
    assert "knows no participant named 'bob'" in contest.run("history", "bob", status=2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("participant,path\nann,x.ipynb\n", "has no column submitted_at"),
        ("participant|path|submitted_at\n", "commas between: participant,path,submitted_at"),
        ("participant,path,submitted_at\nann,x.ipynb,yesterday\n", "line 2: 'yesterday' is no time"),
        ("participant,path,submitted_at\n,x.ipynb,2026-03-01\n", "line 2: participant and path may not be empty"),
        ("participant,path,submitted_at,final\nann,x.ipynb,2026-03-01,perhaps\n", "final is 'perhaps'"),
        ("participant,path,submitted_at\n", "holds no submission"),
    ],
)
def test_a_wrong_csv_is_a_usage_error(contest, text, words):
    """The message names the line and the remedy; nothing is received or graded."""
    table = contest.folder / "received.csv"
    table.write_text(text)
    assert words in " ".join(contest.run("batch", table, status=2).replace("│", " ").split())
    assert contest.gradings() == []


def test_a_missing_file_is_named_before_anything_is_graded(contest):
    """A path that is not there is a usage error that names the CSV's line; so is a notebook for a folder."""
    table = contest.folder / "received.csv"
    table.write_text("participant,path,submitted_at\nann,nowhere.ipynb,2026-03-01\n")
    printed = " ".join(contest.run("batch", table, status=2).replace("│", " ").split())
    assert "received.csv, line 2:" in printed
    assert "nowhere.ipynb cannot be read" in printed
    notebook = contest.submit("ann", ALL_SAMPLES)
    assert "is a single file" in contest.run("batch", notebook, status=2)


def test_files_that_may_not_be_read_are_faults_of_their_own(contest, tmp_path):
    """A link and a file that is far too large get a verdict; Jupyter's own folders and other files are no entries."""
    secret = tmp_path / "secret.ipynb"
    secret.write_text(notebook_text(graft(ALL_SAMPLES)))
    (contest.submissions / "link.ipynb").symlink_to(secret)
    (contest.submissions / "large.ipynb").write_bytes(bytes(17 << 20))
    (contest.submissions / "notes.txt").write_text("hello")
    (contest.submissions / ".ipynb_checkpoints").mkdir()
    shutil.copy(secret, contest.submissions / ".ipynb_checkpoints" / "ann.ipynb")
    handed_in = read_entries(contest.submissions)
    entries = handed_in.entries
    assert [entry.participant for entry in entries] == ["large", "link"]
    assert [(aside.place, aside.lost) for aside in handed_in.aside] == [("notes.txt", False)]
    assert handed_in.leavings == 1
    assert {entry.code.split(":")[0] for entry in entries} == {"file"}
    contest.run("batch", contest.submissions)
    assert {grading.record.verdict for _, grading in contest.gradings()} == {Verdict.PRESENTATION_ERROR}


def test_a_file_with_the_text_of_a_solution_shares_no_result_with_it(contest):
    """Its checksum is that of the solution, and still it is something else: no notebook."""
    cell = f"# ann\n{ALL_SAMPLES}"
    notebook = contest.submit("ann", cell)
    source = lift(read_cells(notebook.read_bytes())).source
    (contest.submissions / "mallory.ipynb").write_text(source)
    ann, mallory = read_entries(contest.submissions).entries
    assert ann.code.removeprefix("cell:") == mallory.code.removeprefix("file:")
    assert ann.code != mallory.code


def test_solution_files_are_references_only(contest, tmp_path):
    """A .py file is a reference solution where one is asked for, and no submission."""
    (contest.submissions / "mine.py").write_text(ALL_SAMPLES)
    assert read_entries(contest.submissions).entries == []
    printed = contest.run("batch", contest.submissions, status=2)
    assert "left aside: mine.py: only a notebook (.ipynb) is graded from a folder" in printed
    [entry] = read_entries(contest.submissions, Kind.REFERENCE).entries
    assert (entry.participant, entry.kind, entry.code[:5]) == ("mine", Kind.REFERENCE, "cell:")


def test_a_hostile_name_is_only_a_name(contest, scripted):
    """Escape sequences and line breaks in a participant's name reach no terminal."""
    table = contest.folder / "received.csv"
    contest.submit("x", f"# ann\n{ALL_SAMPLES}")
    name = "\x1b[2J\x1b]0;title\x07eve\u202e [bold]b[/bold]" + "y" * 200
    with open(table, "w", newline="") as stream:
        csv.writer(stream).writerows(
            [["participant", "path", "submitted_at"], [name, "submissions/x.ipynb", "2026-03-01"]]
        )
    scripted()
    printed = contest.run("batch", table) + contest.run("leaderboard", "--split", "test_a")
    assert "eve [bold]b[/bold]yyy" in printed
    assert "…" in printed
    assert not {"\x1b", "\x07", "\u202e"} & set(printed)
