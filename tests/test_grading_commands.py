"""The commands of one grading: what they refuse, say, repeat, and leave behind when they are killed."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest
from nbformat.v4 import new_code_cell
from typer.testing import CliRunner

import grader.grading.settings
import grader.pages.checking
from competition.notebook import graft, notebook_text
from competition.task.cells import SOLUTION_MARKER
from grader.cli import app
from grader.grading import Artifacts
from grader.pages.checking import SHOWN_LINES, print_what_it_printed
from grader.verdicts import Verdict
from tests.conftest import ALL_SAMPLES
from tests.contest import make_record
from tests.test_grading import FUNCTION, RANDOM


def test_without_bubblewrap_grade_refuses(grade, light, monkeypatch):
    """No bubblewrap: exit 3 with the remedy, unless --sandbox none is given, which the record tells."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    refused = grade(ALL_SAMPLES)
    assert (refused.status, refused.record["verdict"]) == (3, "InfrastructureError")
    assert "apt-get install bubblewrap" in refused.record["message"]
    trusted = grade(ALL_SAMPLES, "--sandbox", "none")
    assert (trusted.status, trusted.record["sandbox"]) == (0, "none")


def test_check_says_what_the_grader_will_say(grade, light, data, tmp_path, monkeypatch):
    """`grader check` grades on val, names what is ignored, and falls back to no sandbox with one notice."""
    notebook = graft("def your_select_indices(targets, losses):\n    return [everything(targets), everything(targets)]")
    helper = "def everything(targets):\n    return list(range(len(targets)))"
    notebook.cells.insert(0, new_code_cell(helper))
    graded = grade(notebook_text(notebook).encode(), command="check")
    assert (graded.status, graded.record["verdict"], graded.record["split"]) == (1, "RuntimeError", "val")
    assert "line 3: 'everything' is defined in cell 1" in graded.printed
    monkeypatch.setattr(grader.pages.checking, "bwrap_problem", lambda: "bubblewrap is not installed")
    beside = tmp_path / "handed out"
    shutil.copytree(data / "public", beside)
    (beside / "manifest.json").unlink()
    (beside / "mine.ipynb").write_text(notebook_text(graft(ALL_SAMPLES)))
    result = CliRunner().invoke(app, ["check", str(beside / "mine.ipynb"), "--device", "cpu"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert result.output.count("without isolation") == 1
    assert "sandbox none" in result.output


def test_check_can_be_quick_and_write_a_page(grade, light, tmp_path):
    """--quick trains one epoch and gives no points; --html writes the report of a whole training; not both at once."""
    quick = grade(ALL_SAMPLES, "--quick", command="check")
    assert (quick.status, quick.record["epochs"]) == (0, 1)
    assert "none: 1 of 6 epochs" in quick.printed
    page = tmp_path / "mine.html"
    whole = grade(ALL_SAMPLES, "--html", str(page), command="check")
    assert (whole.status, whole.record["epochs"]) == (0, 6)
    assert "Every sample was selected for both models" in whole.printed
    assert "submission.ipynb" in page.read_text()
    assert grade(ALL_SAMPLES, "--quick", "--html", str(page), command="check").status == 2


def test_check_without_data_is_a_usage_error(grade, tmp_path):
    """Where there is no data, or only a part of it, `check` says what to put where, and exits with 2."""
    missing = grade(ALL_SAMPLES, command="check", folder=tmp_path / "nowhere")
    assert missing.status == 2
    assert "--data takes the folder that holds train/ and" in " ".join(missing.printed.replace("│", " ").split())


def test_what_a_notebook_printed_is_shown_within_bounds(grade, capsys):
    """Of endless output the first lines are shown, as plain text; the error of the message is not repeated."""
    text = "\x1b[31mred\n" + "line\n" * 100
    error = {"output_type": "error", "ename": "E", "evalue": "", "traceback": ["solution cell, line 3: E"]}
    cell = {"source": SOLUTION_MARKER, "outputs": [{"output_type": "stream", "text": text}, error]}
    record = make_record(verdict=Verdict.RUNTIME_ERROR, message="solution cell, line 3: E")
    print_what_it_printed(record, Artifacts(executed=json.dumps({"cells": [cell]}).encode()))
    shown = capsys.readouterr().out
    assert shown.splitlines()[1:4] == ["what your notebook printed, the first 40 lines of 101:", "  red", "  line"]
    assert len(shown.splitlines()) == 2 + SHOWN_LINES
    assert "line 3" not in shown


@pytest.mark.slow
def test_regrade_repeats_a_run_full_of_randomness(grade, data, tmp_path):
    """Whatever a solution draws, `grader regrade` draws the same and agrees to the last bit."""
    graded = grade(RANDOM, "--seed", "9")
    options = ["--data", str(data), "--runs", str(tmp_path / "again")]
    result = CliRunner().invoke(app, ["regrade", str(graded.run), *options])
    assert result.exit_code == 0, result.output
    assert "agrees with the first grading" in result.output


def test_regrade_repeats_a_run(grade, light, data, tmp_path):
    """`grader regrade` trains again and agrees to the last bit; a record that was touched up disagrees."""
    graded = grade(ALL_SAMPLES, "--seed", "9")
    options = ["--data", str(data), "--runs", str(tmp_path / "again")]
    result = CliRunner().invoke(app, ["regrade", str(graded.run), *options])
    assert result.exit_code == 0, result.output
    assert "agrees with the first grading" in result.output
    record = json.loads((graded.run / "record.json").read_text())
    (graded.run / "record.json").write_text(json.dumps(record | {"bac": [0.9, 0.9]}))
    assert CliRunner().invoke(app, ["regrade", str(graded.run), *options]).exit_code == 3
    assert CliRunner().invoke(app, ["regrade", str(tmp_path), *options]).exit_code == 3


def test_a_run_that_cannot_be_written_is_ours(data, tmp_path, monkeypatch):
    """When the runs folder becomes a file while it is graded, the exit status is 3 and no half run is left."""
    engine = grader.grading.grade

    def spoil(*given):
        (tmp_path / "runs").write_text("a file, not a folder")
        return engine(*given)

    monkeypatch.setattr(grader.grading, "grade", spoil)
    (tmp_path / "mine.ipynb").write_text("no notebook")
    arguments = ["grade", str(tmp_path / "mine.ipynb"), "--data", str(data), "--runs", str(tmp_path / "runs")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 3
    assert "could not be written" in result.output


@pytest.mark.parametrize("command", ["grade", "check"])
def test_a_report_without_a_folder_is_refused_before_the_training(command, data, tmp_path):
    """A report that could not be written is a usage error at once: nothing is trained for nothing."""
    notebook, report = tmp_path / "mine.ipynb", tmp_path / "nowhere" / "report.json"
    notebook.write_text(notebook_text(graft(FUNCTION + "time.sleep(9999)")))
    result = CliRunner().invoke(app, [command, str(notebook), "--data", str(data), "--report", str(report)])
    assert result.exit_code == 2
    assert "there is no folder" in result.output


@pytest.mark.parametrize("command", ["grade", "check"])
def test_a_stopped_command_says_what_is_kept(command, data, tmp_path, monkeypatch):
    """Ctrl-C ends a grading with one line and the usual status."""

    def stop(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(grader.grading, "grade", stop)
    notebook = tmp_path / "mine.ipynb"
    notebook.write_text("no notebook")
    result = CliRunner().invoke(app, [command, str(notebook), "--data", str(data)])
    assert result.exit_code == 130
    assert "stopped: nothing of this grading is kept" in result.output


def command_lines(processes):
    """Return the command line of each process that still has one."""
    lines = []
    for process in processes:
        with contextlib.suppress(psutil.ZombieProcess, psutil.NoSuchProcess):
            lines.append(" ".join(process.cmdline()))
    return lines


@pytest.mark.parametrize(
    ("moment", "sent"),
    [
        pytest.param("while it trains", signal.SIGKILL, id="while it trains-SIGKILL"),
        *(
            pytest.param(moment, sent, id=f"{moment}-{sent.name}", marks=pytest.mark.slow)
            for moment in ("while it starts", "while it trains")
            for sent in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
            if (moment, sent) != ("while it trains", signal.SIGKILL)
        ),
    ],
)
def test_a_killed_grader_leaves_nothing_behind(data, tmp_path, sent, moment):
    """Whenever the grader is killed, all sandbox processes die with it and no record, whole or half, is written."""
    notebook = tmp_path / "slow.ipynb"
    notebook.write_text(notebook_text(graft("import time\n" + FUNCTION + "time.sleep(1)\n    return [[0], [0]]")))
    runs = tmp_path / "runs"
    command = [sys.executable, "-m", "grader", "grade", str(notebook), "--data", str(data), "--runs", str(runs)]
    process = subprocess.Popen([*command, "--device", "cpu"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wanted = "bwrap" if moment == "while it starts" else "ipykernel_launcher"
        deadline = time.monotonic() + 120
        family: list[psutil.Process] = []
        while not any(wanted in line for line in command_lines(family)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
            family = psutil.Process(process.pid).children(recursive=True)
        time.sleep(3 if wanted == "ipykernel_launcher" else 0)
        family = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, sent)
        assert process.wait(60) != 0
    finally:
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive
    assert not list(runs.glob("**/*")) if runs.exists() else True
