"""Whole gradings on the debug profile: verdicts, bits, records, kills. Each runs a notebook in the real sandbox."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from nbformat.v4 import new_code_cell
from safetensors.torch import load_file
from typer.testing import CliRunner

import grader.grading.cli
import grader.grading.settings
from competition.notebook import SOLUTION_MARKER, graft, notebook_text
from competition.splits import open_split
from competition.task.constants import NUM_THREADS
from grader.cli import app
from grader.grading import evaluate, load_models, read_record, unpack_losses, unpack_selections
from grader.sandbox import default_limits
from grader.sandbox.running import CAPTURED_BYTES
from tests.conftest import ALL_SAMPLES

FUNCTION = "def your_select_indices(targets, losses):\n    "

# Draws from every generator, switches what can be switched, trains for itself, takes names of the locked cells for its
# own, and writes into the data: and must still repeat itself.
RANDOM = """
import random
import numpy as np
import torch

own = torch.nn.Linear(196, 2)
torch.set_num_threads(1)
train_loader.dataset.targets[:] = 0
BATCH_SIZE, NUM_EPOCHS, SEED = 7, 1, 2


def train(model, *_, **__):
    raise RuntimeError("not the loop's")


seed_everything = isolated_random_state = predict_and_compare = train


def your_select_indices(targets, losses):
    images = next(iter(train_loader))[0].flatten(1)
    with torch.enable_grad():
        own(images).square().mean().backward()
    torch.set_grad_enabled(False)
    draws = [random.random(), np.random.random(), torch.rand(1).item(), own.weight.grad.sum().item()]
    keep = torch.rand(len(targets)) < 0.5 + 0.4 * draws[0]
    return [keep, np.random.permutation(len(targets))[: int(100 * draws[1]) + 1]]
"""


def test_a_valid_submission_is_graded_and_kept(grade, data):
    """Verdict OK, exit 0, a whole record, and a run folder from which the score can be computed again."""
    graded = grade(FUNCTION + "return [targets == 1, [0, 0, 5]]")
    record = graded.record
    assert (graded.status, record["verdict"], record["sandbox"], record["split"]) == (0, "OK", "bwrap", "test_a")
    assert record["bac_mean"] == sum(record["bac"]) / 2
    assert set(record) >= {"message", "points", "seed", "device", "seconds", "solution_sha256", "data_sha256"}
    assert record["seconds"] > record["clock_seconds"] > record["answer_seconds"] > 0
    files = {path.name for path in graded.run.iterdir()}
    assert files == {
        *("record.json", "submission.ipynb", "executed.ipynb", "output.txt", "history.json", "selections.npz"),
        "losses.npz",
        *("model_1.safetensors", "model_2.safetensors"),
    }
    assert json.loads((graded.run / "record.json").read_text()) == record
    test_a = open_split(data / "private", "test_a").dataset
    assert list(evaluate(load_models(graded.run), test_a)) == record["bac"]
    steps = unpack_selections(graded.run)
    labels = open_split(data / "public", "train").dataset.targets.numpy()
    assert len(steps) == 12
    for step, (first, second) in enumerate(steps):
        batch = labels[128 * (step % 2) : 128 * (step % 2) + 128]
        assert first.tolist() == np.flatnonzero(batch == 1).tolist()
        assert second.tolist() == [0, 0, 5]
    losses = unpack_losses(graded.run, len(labels))
    assert losses.shape == (6, 2, len(labels))
    assert (losses >= 0).all()
    assert len(json.loads((graded.run / "history.json").read_text())) == 6
    assert not list(graded.run.parent.glob(".*"))


def test_the_same_number_at_home_and_at_the_grader(grade, data, tmp_path):
    """'Run All' at home and `grader grade --split val` agree to the last bit, for a solution full of randomness."""
    home = tmp_path / "home"
    shutil.copytree(data / "public", home)
    notebook = graft(RANDOM)
    tell = "import json\nfrom dataclasses import asdict\nprint(json.dumps([asdict(epoch) for epoch in history]))"
    notebook.cells.append(new_code_cell(tell))
    (home / "mine.ipynb").write_text(notebook_text(notebook))
    command = [sys.executable, "-m", "papermill", "mine.ipynb", "done.ipynb", "--no-progress-bar"]
    subprocess.run(command, cwd=home, check=True, capture_output=True, timeout=300)
    told = json.loads((home / "done.ipynb").read_text())["cells"][-1]["outputs"]  # a kernel may flush in mid-print
    at_home = json.loads("".join("".join(output["text"]) for output in told if output["name"] == "stdout"))
    graded = grade(RANDOM, "--split", "val", "--threads", str(NUM_THREADS))
    assert graded.status == 0, graded.printed
    assert json.loads((graded.run / "history.json").read_text()) == at_home
    assert at_home[-1]["val_bac"] == graded.record["bac"]
    assert len({epoch["train_loss"][0] for epoch in at_home}) == 6


@pytest.mark.slow
def test_another_seed_gives_another_training(grade):
    """The training's seed travels to the notebook and to the trainer."""
    first, second = (grade(RANDOM, "--seed", seed, "--split", "val") for seed in ("1", "2"))
    assert first.record["seed"] == 1
    assert (first.run / "history.json").read_bytes() != (second.run / "history.json").read_bytes()
    assert (first.run / "selections.npz").read_bytes() != (second.run / "selections.npz").read_bytes()


BAD_CELLS = [
    ("def your_select_indices(targets, losses)\n    pass", "RuntimeError", "SyntaxError"),
    ("x = 1", "RuntimeError", "the solution cell defines no your_select_indices"),
    (FUNCTION + "raise ValueError('my own words')", "RuntimeError", "my own words"),
    (FUNCTION + "return None", "PresentationError", "returned None; expected two selections"),
    (FUNCTION + "return [[len(targets)], []]", "PresentationError", "holds the index 128"),
    (FUNCTION + "return [[0.5], []]", "PresentationError", "values of type float64"),
    (FUNCTION + "return [[0] * 513, []]", "PresentationError", "513 indices"),
    ("import sys\nsys.exit(0)", "RuntimeError", "SystemExit: 0"),
    (FUNCTION + "import sys; sys.exit(0)", "RuntimeError", "SystemExit"),
    ("import os\n" + FUNCTION + "os._exit(1)", "RuntimeError", "ended after 0 answered batches"),
    (FUNCTION + "__import__('os').kill(__import__('os').getpid(), 9)", "RuntimeError", "ended after 0 answered"),
    ("raise SystemError('\\x1b[31mred\\x1b[0m\\u202etxt')", "RuntimeError", "SystemError: redtxt"),
]


QUICK = (2, 4, 9)  # raised, returned, ended: one of each kind


@pytest.mark.parametrize(
    ("cell", "verdict", "words"),
    [pytest.param(*bad, marks=() if place in QUICK else pytest.mark.slow) for place, bad in enumerate(BAD_CELLS)],
)
def test_a_faulty_cell_gets_its_verdict_and_a_message(grade, cell, verdict, words):
    """Exit 1, 0 points, the verdict, and words from which the participant sees what to do."""
    graded = grade(cell)
    assert (graded.status, graded.record["verdict"], graded.record["points"]) == (1, verdict, 0)
    assert words in graded.record["message"]
    assert "\x1b" not in graded.record["message"]
    assert len(graded.record["message"]) <= 4096
    assert graded.record["bac"] is None
    assert (graded.run / "record.json").is_file()
    assert not (graded.run / "model_1.safetensors").exists()


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param(FUNCTION + "while True: pass", id="in the function"),
        pytest.param("while True: pass", id="in the cell", marks=pytest.mark.slow),
    ],
)
def test_an_endless_loop_ends_at_the_time_limit(grade, cell):
    """A loop that never ends is TimeLimitExceeded, and its processes are gone."""
    graded = grade(cell, "--time-limit", "12")
    assert (graded.status, graded.record["verdict"]) == (1, "TimeLimitExceeded")
    assert "12 s that" in graded.record["message"]
    assert graded.record["time_limit"] == 12
    assert not [child for child in psutil.Process().children(recursive=True) if "papermill" in str(child.cmdline())]


@pytest.mark.slow
def test_what_the_notebook_does_afterwards_does_not_matter(grade):
    """All batches answered is OK, though the kernel dies right after the last one: the channel decides."""
    cell = (
        "import os, threading, time\ncalls = 0\n"
        + FUNCTION
        + "global calls\n    calls += 1\n"
        + "    if calls == 12: threading.Timer(0.5, os._exit, [1]).start()\n    return [[0], [1]]"
    )
    assert grade(cell).record["verdict"] == "OK"


@pytest.mark.slow
def test_too_much_memory_is_its_own_verdict(grade, monkeypatch):
    """A notebook over the memory limit is stopped with MemoryLimitExceeded."""
    monkeypatch.setattr(
        grader.grading.settings, "default_limits", lambda *given: replace(default_limits(*given), memory_bytes=2 << 30)
    )
    graded = grade("import time\nimport numpy as np\nhoard = np.ones((4 << 30) // 8)\ntime.sleep(60)\n" + ALL_SAMPLES)
    assert (graded.status, graded.record["verdict"]) == (1, "MemoryLimitExceeded")
    assert "2,048 MiB are allowed" in graded.record["message"]


@pytest.mark.slow
def test_too_many_processes_are_stopped(grade):
    """A notebook with more processes than allowed is stopped, all of them with it."""
    graded = grade("import subprocess, time\n[subprocess.Popen(['sleep', '77']) for _ in range(200)]\ntime.sleep(60)")
    assert (graded.status, graded.record["verdict"]) == (1, "RuntimeError")
    assert "more than 128 processes" in graded.record["message"]
    assert not [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "77"]]


@pytest.mark.slow
def test_a_full_scratch_folder_is_its_own_verdict(grade):
    """Writing more than the quota is OutputLimitExceeded, and nothing of it reaches the disk."""
    cell = "with open('/tmp/huge', 'wb') as f:\n    while True: f.write(bytes(1 << 24))"
    graded = grade(cell)
    assert (graded.status, graded.record["verdict"]) == (1, "OutputLimitExceeded")
    assert "512 MiB" in graded.record["message"]


@pytest.mark.slow
def test_a_flood_of_output_is_cut_not_punished(grade):
    """A notebook that prints and prints is graded; what is kept of it is bounded."""
    cell = "import os\n" + FUNCTION + "print('y' * 100_000)\n    os.write(1, b'z' * 100_000)\n    return [[0], [0]]"
    graded = grade(cell)
    assert graded.record["verdict"] == "OK"
    output = (graded.run / "output.txt").read_text()
    assert len(output) < CAPTURED_BYTES + 100


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"no notebook", "not JSON"),
        (b'{"cells": []}', "no solution cell"),
        (b" " * (50 << 20), "50.0 MiB, 16 are allowed"),
    ],
    ids=["not JSON", "no solution cell", "50 MB"],
)
def test_a_file_that_is_no_submission_gets_a_record_too(grade, raw, words):
    """Exit 1, PresentationError, and a run folder, without starting anything."""
    graded = grade(raw)
    assert (graded.status, graded.record["verdict"], graded.record["points"]) == (1, "PresentationError", 0)
    assert words in graded.record["message"]
    assert graded.run.is_dir()


def test_a_missing_notebook_is_a_usage_error(data):
    """A path that does not exist is exit 2, not somebody's fault."""
    result = CliRunner().invoke(app, ["grade", "nowhere.ipynb", "--data", str(data)])
    assert result.exit_code == 2
    assert "No such file" in result.output


def test_missing_data_is_ours(grade, tmp_path):
    """Without a data folder the verdict is InfrastructureError: exit 3, no points, and what to do."""
    graded = grade(ALL_SAMPLES, folder=tmp_path / "nowhere")
    assert (graded.status, graded.record["verdict"], graded.record["points"]) == (3, "InfrastructureError", None)
    assert "--data takes the folder that holds train/ and val/" in graded.record["message"]


def test_unfinished_data_is_ours(grade, data, tmp_path):
    """A data folder whose public manifest is missing is an unfinished build: it is refused, not used unverified."""
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    (copy / "public" / "manifest.json").unlink()
    graded = grade(ALL_SAMPLES, folder=copy)
    assert graded.status == 3
    assert "no finished data in" in graded.record["message"]


@pytest.mark.parametrize("split", ["train", "test_a"])
def test_changed_data_is_ours(grade, light, data, tmp_path, split):
    """One changed label in the training or the test data is InfrastructureError, and names the split."""
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    labels = copy / ("private" if split == "test_a" else "public") / split / "dataset_labels.csv"
    text = labels.read_text()
    labels.write_text(text[:-2] + str(1 - int(text[-2])) + "\n")
    graded = grade(ALL_SAMPLES, folder=copy)
    assert (graded.status, graded.record["verdict"]) == (3, "InfrastructureError")
    assert f"{split} was changed since it was built" in graded.record["message"]


def test_records_can_be_read_back(grade, light):
    """`read_record` returns what was written; `--report` and the run folder hold the same JSON."""
    graded = grade(ALL_SAMPLES)
    assert json.loads(read_record(graded.run).to_json()) == graded.record
    assert load_file(graded.run / "model_1.safetensors")
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{10}-[0-9a-f]{6}", graded.run.name)
    assert SOLUTION_MARKER in (graded.run / "submission.ipynb").read_text()
    assert isinstance(graded.run, Path)
