"""Benchmarks of the task and the grader in their smallest setting; those of methods are tested beside the methods."""

import json
import re
import sys

import numpy as np
import pytest

from benchmarks import batch_throughput, best_ablation, grading_overhead, noise_detection, startup, training_loop
from competition.task.constants import NUM_EPOCHS
from grader.validation.bands import REFERENCES_FOLDER
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow


@pytest.fixture
def command(monkeypatch):
    """Call a benchmark's command line."""

    def call(module, *words):
        monkeypatch.setattr(sys, "argv", [module.__name__, *words])
        module.main()

    return call


def test_both_loops_are_timed_and_compute_the_same(command, monkeypatch, capsys):
    """One pair of short trainings has a ratio, and none of the differences is too large."""
    monkeypatch.setattr(training_loop, "BATCHES", 1)
    monkeypatch.setattr(training_loop, "COMPARED_STEPS", NUM_EPOCHS)
    command(training_loop, "--repeats", "1")
    printed = capsys.readouterr().out
    assert re.search(r"^pair 1: naive [\d.]+ s, task [\d.]+ s, ratio [\d.]+$", printed, re.MULTILINE)
    assert printed.count("e-") >= 3


def test_isolation_is_timed_and_changes_no_bit(data, command, monkeypatch, capsys):
    """A grading in the sandbox and the same training in one process have a ratio, and the same balanced accuracies."""
    monkeypatch.chdir(REPOSITORY)
    command(grading_overhead, "--data", str(data), "--pairs", "1")
    assert re.search(r"^pair 1: grader grade .* ratio \d", capsys.readouterr().out, re.MULTILINE)


def test_one_worker_and_two_grade_the_same(command, monkeypatch, tmp_path):
    """Of two submissions one is none; both numbers of workers give the same results, which are kept."""
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(batch_throughput, "VARIED", (("random_drop", "KEEP_RATE = 0.7", ("0.5",)),))
    monkeypatch.setattr(batch_throughput, "UNVARIED", ())
    monkeypatch.setattr(batch_throughput, "BAD", {})
    command(batch_throughput, "--out", str(tmp_path / "deep" / "results.json"))
    results = json.loads((tmp_path / "deep" / "results.json").read_text())
    assert results["verdicts"] == {"bad-file": "PresentationError", "random_drop-0": "OK"}
    assert [each["workers"] for each in results["measured"]] == [1, 2]


def test_a_variant_stands_beside_the_whole(command, monkeypatch, capsys, tmp_path):
    """The reference and one variant of it are graded on the debug profile; the difference from the whole is shown."""
    (tmp_path / REFERENCES_FOLDER).symlink_to(REPOSITORY / REFERENCES_FOLDER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(best_ablation, "VARIANTS", {best_ablation.WHOLE: (), "no_rest": (best_ablation.NO_REST,)})
    command(best_ablation, "--profile", "debug", "--seeds", "1", "--workers", "1", "--out", str(tmp_path / "a.json"))
    printed = capsys.readouterr().out
    assert re.search(r"^\| best \| 0\.\d{4} \|  \| ", printed, re.MULTILINE)
    assert re.search(r"^\| no rest \| 0\.\d{4} \| [+-]0\.\d{4} \| ", printed, re.MULTILINE)
    assert [row["name"] for row in json.loads((tmp_path / "a.json").read_text())["rows"]] == ["best", "no_rest"]


def test_every_command_s_start_is_timed(command, capsys):
    """Each command that trains nothing has a row, and none loads a slow library; torch alone is the last row."""
    command(startup, "--repeats", "1")
    rows = capsys.readouterr().out.splitlines()[2:]
    assert len(rows) == len(startup.COMMANDS) + 1
    assert [row.split(" | ")[-1] for row in rows] == ["none |"] * len(startup.COMMANDS) + ["torch |"]


def test_who_finds_the_wrong_labels_is_told_without_a_stored_run(command, monkeypatch, capsys, tmp_path):
    """Without runs each reference is named as left out; values, controls and the peer, here random, have their rows."""
    for name, folder in (("reference_solutions", REPOSITORY), ("competition", REPOSITORY)):
        (tmp_path / name).symlink_to(folder / name)
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)

    def ask(python, pixels, noisy):
        answer = {"values": rng.random(len(noisy)).tolist(), "flags": (rng.random(len(noisy)) < 0.5).tolist()}
        return {"version": "none", "answers": {name: [answer] for name in noise_detection.CLASS_WEIGHTS}}

    monkeypatch.setattr(noise_detection, "require_peers", lambda python: None)
    monkeypatch.setattr(noise_detection, "ask_peers", ask)
    noise_detection.main(["--profile", "debug", "--out", str(tmp_path / "results.json")])
    printed = capsys.readouterr()
    assert "co_teaching: no run in runs/validate, left out" in printed.err
    rows = [line.split(" | ")[0].removeprefix("| ") for line in printed.out.splitlines()[2:]]
    valued = {"best, confidence", "dvrl_filter, data values", "datarater_filter, ratings"}
    assert set(rows) == valued | set(noise_detection.CONTROLS) | set(noise_detection.CLASS_WEIGHTS)
    assert "nan" not in printed.out
    noise_detection.main(["--plot", "--out", str(tmp_path / "results.json")])
    assert capsys.readouterr().out == printed.out
