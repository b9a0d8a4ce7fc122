"""What cannot be written is found out before a training; names and paths reach messages without control characters."""

import contextlib
import os
import socket
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

import competition.cli
import grader.sandbox.job
from competition.notebook import graft, notebook_text
from competition.task.serving import GATEWAY_SOCKET
from grader.cli import app
from grader.safe_io import file_problem, folder_problem
from grader.sandbox import gateway_folder, socket_problem
from grader.verdicts import InfrastructureError
from tests.conftest import ALL_SAMPLES
from tests.contest import contest, scripted

__all__ = ["contest", "scripted"]  # fixtures

NOBODY = 65534


@contextlib.contextmanager
def unprivileged(folder):
    """Be somebody who may enter a folder and write nothing in it."""
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


def test_a_folder_that_can_be_made_is_no_problem(tmp_path):
    """Missing parents are made later; looking leaves nothing behind."""
    assert folder_problem(tmp_path / "a" / "b") is None
    assert file_problem(tmp_path / "a.json") is None
    (tmp_path / "a.json").write_text("older")
    assert file_problem(tmp_path / "a.json") is None
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_what_stands_in_the_way_is_named(tmp_path):
    """A file where a folder is needed, a folder where a file is, a missing parent and a dead link are told apart."""
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    assert folder_problem(tmp_path / "file" / "runs") == f"{tmp_path / 'file'} is no folder: name another one"
    assert "is no folder" in folder_problem(tmp_path / "link")
    assert file_problem(tmp_path) == f"{tmp_path} is a folder: name a file"
    assert file_problem(tmp_path / "no" / "a.json").startswith(f"there is no folder {tmp_path / 'no'} for a.json")
    assert "there is no folder" in file_problem(tmp_path / "file" / "a.json")


def test_a_name_that_is_too_long_is_a_problem_and_no_traceback(tmp_path):
    """The system's own words about a name that it does not take become a sentence, for folders and files."""
    said = [folder_problem(tmp_path / ("x" * 300) / "runs"), file_problem(tmp_path / ("x" * 300))]
    assert ["(File name too long): name another" in each for each in said] == [True, True]


def test_a_folder_without_permission_is_named(short_folder):
    """Who may not write into a folder is told before, also where the folder itself would be made below it."""
    short_folder.chmod(0o755)
    (short_folder / "file").write_text("")
    with unprivileged(short_folder):
        said = [
            folder_problem(short_folder),
            folder_problem(short_folder / "runs"),
            file_problem(short_folder / "file"),
        ]
    assert said == [f"{short_folder} cannot be written (Permission denied): name another folder"] * 3
    assert folder_problem(short_folder) is None


WRITES = {
    "grade --runs": ("grade", "mine.ipynb", "--runs", "file/runs"),
    "grade --report": ("grade", "mine.ipynb", "--report", "folder"),
    "regrade --runs": ("regrade", "run", "--runs", "file"),
    "check --report": ("check", "mine.ipynb", "--report", "nowhere/report.json"),
    "check --html": ("check", "mine.ipynb", "--html", "folder"),
    "batch --runs": ("batch", "folder", "--runs", "file"),
    "batch --store": ("batch", "folder", "--store", "file/contest.sqlite"),
    "leaderboard --csv": ("leaderboard", "--split", "test_a", "--csv", "nowhere/board.csv"),
    "leaderboard --html": ("leaderboard", "--split", "test_a", "--html", "folder"),
    "export-results --csv": ("export-results", "--csv", "nowhere/board.csv"),
    "export-results --json": ("export-results", "--json", "folder"),
    "report --out": ("report", "run", "--out", "folder"),
    "report --all --out": ("report", "--all", "--out", "file"),
    "analyze --out": ("analyze", "folder", "--out", "file"),
    "validate --runs": ("validate", "fixed_ratio", "--runs", "file"),
    "validate --results": ("validate", "fixed_ratio", "--results", "file/results.json"),
}


@pytest.mark.parametrize("name", WRITES)
def test_every_command_finds_out_first_what_it_cannot_write(name, tmp_path, monkeypatch):
    """A usage error that names the obstacle, before anything is opened: neither data nor a store is there."""
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    Path("folder").mkdir()
    Path("mine.ipynb").write_text(notebook_text(graft(ALL_SAMPLES)))
    result = CliRunner().invoke(app, WRITES[name], env={"COLUMNS": "300"}, catch_exceptions=False)
    assert result.exit_code == 2, result.output
    assert any(said in result.output for said in ("is no folder", "is a folder: name a file", "there is no folder"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "mine.ipynb"]


def test_a_store_without_permission_stops_a_batch_first(contest, scripted):
    """A folder in the place of the store ends the batch with one line before anything is graded."""
    workers = scripted()
    contest.submit("ann", ALL_SAMPLES)
    contest.store.mkdir()
    printed = contest.run("batch", contest.submissions, status=3)
    assert printed.count("error:") == 1
    assert "cannot be opened" in printed
    assert workers.calls == []


def temporary(short_folder, length):
    """Make a folder whose path has this many bytes."""
    missing = length - len(os.fsencode(short_folder)) - 1
    folder = short_folder / ("é" * (missing // 2) + "x" * (missing % 2))
    folder.mkdir()
    assert len(os.fsencode(folder)) == length
    return folder


def test_the_longest_temporary_folder_still_holds_a_socket(short_folder, monkeypatch):
    """Where the path is called short enough, a socket can be bound in it; one byte more, and it cannot."""
    lengths = [length for length in range(20, 120) if socket_problem(Path("/" + "x" * (length - 1))) is None]
    for length, fits in ((lengths[-1], True), (lengths[-1] + 1, False)):
        folder = temporary(short_folder, length)
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        monkeypatch.setattr(grader.sandbox.job, "socket_problem", lambda place: None)
        with gateway_folder() as gate, socket.socket(socket.AF_UNIX) as listener:
            binding = contextlib.nullcontext() if fits else pytest.raises(OSError, match="path too long")
            with binding:
                listener.bind(str(gate / Path(GATEWAY_SOCKET).name))


def test_a_temporary_folder_that_is_too_long_names_the_variable(grade, contest, scripted, short_folder, monkeypatch):
    """A grading is ours, and a batch stops before its first one; both name TMPDIR and what to do."""
    workers = scripted()
    contest.submit("ann", ALL_SAMPLES)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary(short_folder, 100)))
    with pytest.raises(InfrastructureError, match="set the variable TMPDIR"), gateway_folder():
        pass
    graded = grade(ALL_SAMPLES)
    assert (graded.status, graded.record["verdict"]) == (3, "InfrastructureError")
    assert "has a path of 100 bytes" in graded.record["message"]
    assert "set the variable TMPDIR to a folder with a shorter one, such as /tmp" in graded.record["message"]
    printed = contest.run("batch", contest.submissions, status=3)
    assert printed.count("TMPDIR") == 1
    assert workers.calls == []


HOSTILE = "a\x1b[31m\x07\u202eb\nOK 100 points"


@pytest.mark.parametrize(
    "arguments",
    [
        ("grade", HOSTILE),
        ("history", "anna", "--store", HOSTILE),
        ("report", HOSTILE),
        ("report", "run", "--store", HOSTILE),
        ("remove", HOSTILE, "--reason", "x"),
        ("batch", HOSTILE),
        ("leaderboard", "--split", "test_a", "--html", f"{HOSTILE}/x.html"),
        ("check", "mine.ipynb", "--data", HOSTILE),
        ("validate", HOSTILE),
        (HOSTILE,),
    ],
    ids=lambda arguments: arguments[0] if arguments[0] != HOSTILE else "no command",
)
def test_names_reach_no_message_with_control_characters(arguments, tmp_path, monkeypatch):
    """A name with an escape sequence, a bell, an override of direction and a second line is one line of plain text."""
    monkeypatch.chdir(tmp_path)
    Path("mine.ipynb").write_text("no notebook")
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "300"}, catch_exceptions=False)
    assert result.exit_code in (2, 3)
    assert not any(each in result.output for each in "\x1b\x07\u202e")
    assert not any(line.strip("│ ").startswith("OK 100 points") for line in result.output.splitlines())


@pytest.mark.parametrize(
    "arguments",
    [
        ("package", "cell.py", "-o", "nowhere/mine.ipynb"),
        ("build-notebook", "-o", "folder"),
        ("build-data", "--profile", "debug", "--seed", "1", "--out", "file/data"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_the_task_says_in_one_line_what_it_cannot_write(arguments, tmp_path, monkeypatch):
    """What stands in the way of a notebook or of data is named, and there is no traceback."""
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    Path("folder").mkdir()
    Path("cell.py").write_text(ALL_SAMPLES)
    result = CliRunner().invoke(competition.cli.app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 1
    [line] = [line for line in result.output.splitlines() if not line.startswith("warning")]
    assert line.startswith("error: ")
    assert str(arguments[-1]).partition("/")[0] in line
