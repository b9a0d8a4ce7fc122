"""Whatever is handed in is received, or named and left aside; nothing about one entry ends the batch."""

import csv
import os
import socket
import subprocess
import sys

import pytest

from competition.notebook import MAX_CELL_BYTES, graft, locked_cells, notebook_text
from grader.contest.folder import Found, names_in, time_of
from grader.contest.names import name_key, poses_as_reference
from grader.contest.receiving import read_entries
from grader.contest.store import Kind, Store
from grader.verdicts import Verdict
from tests.conftest import ALL_SAMPLES
from tests.contest import contest, scripted

__all__ = ["contest", "scripted"]  # fixtures

NOTEBOOK = notebook_text(graft(ALL_SAMPLES))


def put(contest, *names):
    """Put a good notebook under each of these names."""
    for name in names:
        path = contest.submissions / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(NOTEBOOK)


def table(contest, *rows, columns="participant,path,submitted_at,final", name="received.csv"):
    """Write a CSV as text, one row a line."""
    path = contest.folder / name
    path.write_text("\n".join([columns, *rows, ""]), encoding="utf-8", errors="surrogateescape")
    return path


def reasons(handed_in):
    """Return why things were left aside, by their places."""
    return {aside.place: aside.reason for aside in handed_in.aside}


def verdicts(contest):
    """Return every participant's verdict."""
    return {name: grading.record.verdict for name, grading in contest.gradings()}


def test_notebooks_are_found_at_any_depth_and_in_any_spelling(contest, scripted):
    """The participant is the first folder, or the file's own name; the extension's case does not matter."""
    put(contest, "anna.ipynb", "carol.IPYNB", "dave/attempt 1/nb.ipynb", "dave/nb.Ipynb", "eve/a/b/c/d/nb.ipynb")
    os.utime(contest.submissions / "dave/nb.Ipynb", (1e9, 1e9))
    scripted()
    printed = contest.run("batch", contest.submissions)
    assert "left aside" not in printed
    assert sorted(name for name, _ in contest.gradings()) == ["anna", "carol", "dave", "dave", "eve"]


def test_what_is_no_notebook_is_named_and_what_editors_leave_is_counted(contest, scripted):
    """Other files, folders without a notebook and hidden ones are named with what to do; leavings only by number."""
    put(contest, "anna/nb.ipynb", ".bob.ipynb", "far/" + "x/" * 13 + "nb.ipynb", "cid.ipynb/nb.ipynb")
    put(contest, ".ipynb_checkpoints/nb.ipynb", "anna/.ipynb_checkpoints/nb.ipynb", "__MACOSX/anna/._nb.ipynb")
    put(
        contest,
        "anna/.DS_Store",
        "Thumbs.db",
        "anna/~$nb.ipynb",
        "anna/.nb.ipynb.swp",
        "anna/nb.ipynb~",
        "._anna.ipynb",
    )
    for name in ("anna/notes.txt", "fred/main.c", "fred/data/a.bin", "gina.zip"):
        put(contest, name)
    (contest.submissions / "empty").mkdir()
    scripted()
    printed = contest.run("batch", contest.submissions, status=2)
    assert [name for name, _ in contest.gradings()] == ["anna"]
    handed_in = read_entries(contest.submissions)
    found = {place[:9]: reason for place, reason in reasons(handed_in).items()}
    assert {place: reason.split(":")[0] for place, reason in found.items()} == {
        ".bob.ipyn": "it is hidden",
        "anna/note": "it is no notebook (.ipynb)",
        "cid.ipynb": "it is a folder with the name of a file",
        "empty": "the folder is empty",
        "far/x/x/x": "it lies more than 12 folders deep",
        "fred": "the folder holds no notebook, but other files or folders (2)",
        "gina.zip": "unpack it, or let 'grader collect' do it",
    }
    assert handed_in.leavings == 9
    assert "editors and systems leave them behind: 9 files or folders" in printed
    assert all(f"left aside: {place}" in printed for place in found)


def test_a_folder_beside_notes_is_no_error(contest, scripted):
    """Files that nobody takes for a submission are named, and the exit status stays 0."""
    put(contest, "anna.ipynb", "README.txt")
    scripted()
    assert "left aside: README.txt: it is no notebook" in contest.run("batch", contest.submissions)


def test_links_are_followed_nowhere(contest, scripted):
    """A linked folder takes nobody's work for another's, and a loop of links does not hang; each is named."""
    put(contest, "anna/nb.ipynb")
    (contest.submissions / "mallory").symlink_to("anna")
    (contest.submissions / "loop").symlink_to(".")
    (contest.submissions / "anna" / "deeper").symlink_to("..")
    scripted()
    printed = contest.run("batch", contest.submissions, status=2)
    assert list(verdicts(contest)) == ["anna"]
    for place in ("mallory", "loop", "anna/deeper"):
        assert f"left aside: {place}: it is a link, and none is followed" in printed
    listed = table(
        contest,
        *("mallory,submissions/mallory/nb.ipynb,2026-03-01,", "bob,submissions/anna/nb.ipynb,2026-03-01,"),
        f"eve,{contest.submissions}/loop/anna/nb.ipynb,2026-03-01,",
    )
    printed = contest.run("batch", listed, status=2)
    assert sorted(verdicts(contest)) == ["anna", "bob"]
    assert printed.count("the folder is a link: put the folder itself in its place") == 2


def test_odd_files_end_no_batch(contest, scripted, monkeypatch):
    """Pipes, sockets, impossible times and names that are no text: a verdict or a line each, and the rest goes on."""
    put(contest, "anna.ipynb", "early.ipynb")
    os.utime(contest.submissions / "early.ipynb", (-5, -5))
    os.mkfifo(contest.submissions / "pipe.ipynb")
    with open(os.fsencode(contest.submissions) + b"/\xff\x1b[2J.ipynb", "w") as stream:
        stream.write(NOTEBOOK)
    monkeypatch.chdir(contest.submissions)  # the name of a socket may be no longer than 108 bytes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.ipynb")
    scripted()
    printed = contest.run("batch", contest.submissions, status=2)
    assert verdicts(contest) == {
        "anna": Verdict.OK,
        "pipe": Verdict.OK,  # the scripted workers grade faults too
        "socket": Verdict.OK,
    }
    entries = {entry.participant: entry.code for entry in read_entries(contest.submissions).entries}
    assert entries["pipe"] == entries["socket"]
    assert entries["pipe"].startswith("file:")
    assert "left aside: early.ipynb: its time of change is no date of our time" in printed
    assert "left aside: \\xff.ipynb: its name is not UTF-8" in printed
    assert "\x1b" not in printed


@pytest.mark.parametrize("seconds", [-1, 253_402_300_800, 1e30, float("inf")])
def test_a_time_of_change_outside_the_calendar_is_none(seconds):
    """Some file systems keep times before 1970 and after the year 9999."""
    assert time_of(Found(("x.ipynb",), seconds)) is None


def test_a_file_that_vanishes_while_the_folder_is_read_is_named(contest, monkeypatch):
    """It was listed and is gone: a line says so, and the others are received."""
    put(contest, "anna.ipynb", "bob.ipynb")

    def list_then_remove(descriptor):
        names = names_in(descriptor)
        (contest.submissions / "bob.ipynb").unlink(missing_ok=True)
        return names

    monkeypatch.setattr("grader.contest.folder.names_in", list_then_remove)
    handed_in = read_entries(contest.submissions)
    assert [entry.participant for entry in handed_in.entries] == ["anna"]
    assert "cannot be looked at any more" in reasons(handed_in)["bob.ipynb"]


ROWS = {
    "a NUL": ("nul,a\0b.ipynb,2026-03-01,", "NUL character"),
    "the first moment": ("first,submissions/anna.ipynb,0001-01-01T00:00:00+14:00,", "no date of our time"),
    "the last moment": ("last,submissions/anna.ipynb,9999-12-31T23:59:59-12:00,", "no date of our time"),
    "no such file": ("gone,nowhere.ipynb,2026-03-01,", "nowhere.ipynb cannot be read"),
    "not UTF-8": ("b\udce4r,submissions/anna.ipynb,2026-03-01,", "it is not UTF-8"),
    "a shifted row": ("Roe, Jane,submissions/anna.ipynb,2026-03-01,0", "more cells than there are columns"),
    "a name of nothing": ("\u200b\u2060,submissions/anna.ipynb,2026-03-01,", "shows nothing"),
    "an endless name": ("x" * 2000 + ",submissions/anna.ipynb,2026-03-01,", "1,000 are allowed"),
    "a huge cell": ("x" * 200_000 + ",submissions/anna.ipynb,2026-03-01,", "1,000 are allowed"),
    "a quote that is never closed": ('"quote,submissions/anna.ipynb,2026-03-01,', "a quote is missing"),
    "a quote too many": ('"Bob" Roe,submissions/anna.ipynb,2026-03-01,', "a quote is missing, or one too many"),
    "an escape sequence": ("esc,\x1b]0;title\x07\x1b[2Jno.ipynb,2026-03-01,", "no.ipynb cannot be read"),
    "a folder above the root": ("up," + "../" * 60 + "nowhere/x.ipynb,2026-03-01,", "cannot be read"),
}


@pytest.mark.parametrize("case", ROWS)
def test_a_row_that_cannot_be_received_ends_no_other_one(contest, scripted, case):
    """It is named with its line, harmlessly; rows before and after it are graded."""
    put(contest, "anna.ipynb", "bob.ipynb")
    row, words = ROWS[case]
    good = [f"{name},submissions/{name}.ipynb,2026-03-01," for name in ("anna", "bob")]
    scripted()
    printed = contest.run("batch", table(contest, good[0], row, good[1]), status=2)
    assert sorted(verdicts(contest)) == ["anna", "bob"]
    [line] = [line for line in printed.splitlines() if line.startswith("left aside: ")]
    assert words in line
    assert "received.csv, line 3: " in line
    assert not {"\x1b", "\x07", "\0"} & set(printed)


@pytest.mark.parametrize("length", [10, 200_000])
def test_a_name_of_several_lines_forges_no_row(contest, length):
    """What stands in quotes stays one cell, however long: no line of it becomes somebody else's submission."""
    put(contest, "anna.ipynb", "mallory.ipynb")
    name = f"mallory{'x' * length}\nanna,submissions/mallory.ipynb,2026-03-02,1,\n"
    listed = table(
        contest, f'"{name}",submissions/mallory.ipynb,2026-03-01,', "anna,submissions/anna.ipynb,2026-03-01,"
    )
    handed_in = read_entries(listed)
    [entry] = [entry for entry in handed_in.entries if entry.participant == "anna"]
    assert entry.path.name == "anna.ipynb"
    assert [aside.place.rpartition(", ")[2] for aside in handed_in.aside] == (["lines 2 to 4"] if length > 10 else [])


def test_a_solution_file_in_a_csv_is_judged_as_its_participants_work(contest, scripted):
    """Too long, not UTF-8, a locked cell: a verdict for its owner. The same file among references is ours to mend."""
    texts = {
        "long.py": b"#" * (MAX_CELL_BYTES + 1),
        "bytes.py": b"\xff\xfe",
        "locked.PY": next(iter(locked_cells().values())).encode(),
        "good.py": ALL_SAMPLES.encode(),
    }
    for name, text in texts.items():
        (contest.folder / name).write_bytes(text)
    listed = table(contest, *(f"{name[:4]},{name},2026-03-01," for name in texts))
    kinds = {entry.participant: entry.code.split(":")[0] for entry in read_entries(listed).entries}
    assert kinds == {"long": "file", "byte": "file", "lock": "file", "good": "cell"}
    ours = read_entries(listed, Kind.REFERENCE)
    assert [entry.participant for entry in ours.entries] == ["good"]
    assert len(ours.aside) == 3


def test_a_third_choice_for_the_final_stops_nobody(contest, scripted):
    """Whose marks are too many is named and keeps none of them; everybody is received and graded."""
    put(contest, "a.ipynb", "b.ipynb", "c.ipynb", "d.ipynb")
    rows = [f"anna,submissions/a.ipynb,2026-03-0{day},1" for day in (1, 2, 3)]
    scripted()
    printed = contest.run("batch", table(contest, *rows, "bob,submissions/d.ipynb,2026-03-01,1"))
    assert "'anna' has 3 submissions marked final, 2 are allowed" in printed
    with Store(contest.store) as store:
        assert [(each.participant, each.final) for each in store.submissions() if each.final] == [("bob", True)]
        assert len(store.submissions()) == 4


def test_a_csv_is_read_as_spreadsheets_write_it(contest):
    """A byte-order mark, semicolons or tabs, and rows of empty cells are no obstacle."""
    put(contest, "anna.ipynb")
    for separator in ",;\t":
        lines = ["\ufeffparticipant,path,submitted_at,final", ",,,", "anna,submissions/anna.ipynb,2026-03-01,0", " ,,,"]
        path = contest.folder / "received.csv"
        path.write_text("\r\n".join(lines).replace(",", separator))
        handed_in = read_entries(path)
        assert [entry.participant for entry in handed_in.entries] == ["anna"]
        assert handed_in.aside == []


def test_names_that_look_the_same_are_one_participant(contest, scripted):
    """Other forms of a letter, zero widths and spaces make no second participant; the notice names both spellings."""
    put(contest, "x.ipynb")
    names = ["Zoë", "Zoe\u0308", "Z\u200bo\u00ad\u00eb", " Zoë ", "Ｚｏë"]
    listed = table(contest, *(f"{name},submissions/x.ipynb,2026-03-0{day}," for day, name in enumerate(names, 1)))
    scripted()
    printed = contest.run("batch", listed)
    assert set(verdicts(contest)) == {"Zoë"}
    assert "'Z\\u200bo\\xad\\xeb' is taken for 'Zo\\xeb': both look the same" in printed
    assert "test_a" in contest.run("history", "Zoe\u0308")


@pytest.mark.parametrize("other", ["ANNA", "аnnа", "ΑNNA"], ids=["case", "Cyrillic", "Greek"])
def test_names_that_are_alike_and_stay_two_are_warned_about(contest, scripted, other):
    """Case and letters of other scripts make two participants, as accounts may; a notice asks whether they are one."""
    put(contest, "anna.ipynb", "x.ipynb")
    scripted()
    contest.run("batch", table(contest, "anna,submissions/x.ipynb,2026-03-01,"))
    printed = contest.run("batch", table(contest, f"{other},submissions/x.ipynb,2026-03-02,"))
    assert f"'anna' and {other!a} look alike and are 2 participants" in printed
    assert set(verdicts(contest)) == {"anna", other}


def test_unlike_names_stay_as_they_are():
    """Accents, case and scripts of their own are kept apart."""
    names = ["Zoë", "Zoe", "ZOE", "李", "Ли", "علي", "x\u0301"]
    assert len({name_key(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    "name",
    [
        "best (reference)",
        "best (Reference)",
        "best (ref\u200berence)",
        "best (rеfеrеncе)",
        "best (referenc\u0327e\u0323)",
    ],
)
def test_nobody_passes_for_a_reference(contest, scripted, name):
    """A participant with the mark of the references in their name gets another mark, on terminal and page."""
    put(contest, "x.ipynb")
    references = contest.folder / "references"
    references.mkdir()
    (references / "best.py").write_text(ALL_SAMPLES)
    scripted()
    contest.run("batch", references, "--reference")
    contest.run("batch", table(contest, f"{name},submissions/x.ipynb,2026-03-01,"))
    page = contest.folder / "board.html"
    printed = contest.run("leaderboard", "--split", "test_a", "--html", page)
    [imitation] = [line for line in printed.splitlines() if "(no reference)" in line]
    [reference] = [line for line in printed.splitlines() if "best (reference)" in line and line != imitation]
    assert reference.split()[0] == "ref"
    assert page.read_text().count('<span class="tag">no reference</span>') == 1
    assert poses_as_reference(name)
    assert not poses_as_reference("best")


def test_a_terminal_of_few_letters_ends_no_batch(contest):
    """With an ASCII terminal every name is shown with escapes, and the batch and the board go through."""
    (contest.submissions / "x.ipynb").write_text("no notebook")
    listed = contest.folder / "received.csv"
    with open(listed, "w", newline="", encoding="utf-8") as stream:
        rows = [["participant", "path", "submitted_at"], ["Zoë李", "submissions/x.ipynb", "2026-03-01"]]
        csv.writer(stream).writerows([*rows, ["Łukasz", "fehlt-ö.ipynb", "2026-03-01"]])
    said = {}
    for command, status in ((["batch", listed], 2), (["leaderboard", "--split", "test_a"], 0)):
        ran = subprocess.run(
            [sys.executable, "-m", "grader", *contest.arguments(*command)],
            env={**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "300"},
            capture_output=True,
            check=False,
        )
        assert ran.returncode == status, ran.stderr
        said[command[0]] = (ran.stdout + ran.stderr).decode("ascii")
    assert "Zo\\xeb\\u674e x.ipynb, seed 123: PresentationError" in said["batch"]
    assert "fehlt-\\xf6.ipynb cannot be read" in said["batch"]
    assert "Zo\\xeb\\u674e" in said["leaderboard"]
