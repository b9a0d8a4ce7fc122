"""Shared parts of the tests: a built data folder, references that answer batches, notebooks, the command line."""

import importlib.util
import json
import os
import signal
import tempfile

for _library in ("OMP", "OPENBLAS", "MKL"):  # read at the first import; tests run side by side, one core for each
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by a shell's background jobs, and by their children

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from typer.testing import CliRunner

from competition.build import build_data
from competition.notebook import graft, notebook_text
from competition.pool import fashion_pool
from competition.profiles import NOISE, PROFILES
from competition.task.constants import BATCH_SIZE, NUM_EPOCHS
from competition.task.data import load_data
from competition.task.position import position, position_of
from competition.task.selection import call_select_indices
from grader.cli import app
from tests.light import light

__all__ = ["light"]  # a fixture

REPOSITORY = Path(__file__).parents[1]
ALL_SAMPLES = "def your_select_indices(targets, losses):\n    return [list(range(len(targets)))] * 2\n"

# No deadline per example: a hang ends at the timeout of the test. `make test-all` takes the second profile, `make fuzz`
# the third.
CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("default", max_examples=40, deadline=None, suppress_health_check=CHECKS)
settings.register_profile("thorough", max_examples=200, deadline=None, suppress_health_check=CHECKS)
settings.register_profile("fuzz", max_examples=10_000, deadline=None, suppress_health_check=CHECKS, print_blob=True)
settings.load_profile("default")


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Build the debug profile once, with images of a quarter of the pixels: trainings are what most tests wait for."""
    folder = tmp_path_factory.mktemp("organizer") / "data"
    pool = fashion_pool()
    build_data(replace(pool, images=pool.images[:, ::2, ::2]), PROFILES["debug"], NOISE, 7, folder)
    return folder


@dataclass(frozen=True)
class Graded:
    """What ``grader`` printed, its exit status, and the record of ``--report``."""

    status: int
    printed: str
    record: dict
    run: Path | None


@pytest.fixture
def grade(data, tmp_path):
    """Grade a cell, a notebook's text or bytes, with ``grader grade`` (or another command), in this process.

    On one thread, since tests run side by side, and threads that wait for each other there take all the time.
    """

    def run(submission, *options, command="grade", folder=data, suffix=".ipynb"):
        notebook = tmp_path / f"submission{suffix}"
        if isinstance(submission, bytes):
            notebook.write_bytes(submission)
        else:
            notebook.write_text(notebook_text(graft(submission)))
        report, runs = tmp_path / "report.json", tmp_path / "runs"
        before = set(runs.glob("*"))
        arguments = [command, str(notebook), "--data", str(folder), "--report", str(report), "--device", "cpu"]
        arguments += ["--runs", str(runs)] if command == "grade" else []
        arguments += ["--threads", "1"] if command == "grade" and "--threads" not in options else []
        result = CliRunner().invoke(app, [*arguments, *options], env={"COLUMNS": "300"}, catch_exceptions=False)
        record = json.loads(report.read_text()) if report.exists() else {}
        new = sorted(set(runs.glob("*")) - before)
        return Graded(result.exit_code, result.output, record, new[0] if new else None)

    return run


@pytest.fixture
def short_folder():
    """Make a folder with a short path, as that of a socket may have 107 bytes, and a test's own is longer already."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def load_cell(data, monkeypatch):
    """Load a reference as the notebook runs its cell: a module of its own, with the names of the notebook in it.

    With batches of 100 the last one of an epoch is short: the data set has 256 samples.
    """

    def load(name, batch_size=BATCH_SIZE):
        for module in ("data", "position"):
            monkeypatch.setattr(f"competition.task.{module}.BATCH_SIZE", batch_size)
        spec = importlib.util.spec_from_file_location(name, REPOSITORY / "reference_solutions" / f"{name}.py")
        cell = importlib.util.module_from_spec(spec)
        cell.train_loader, cell.val_loader = load_data(data / "public")
        cell.NUM_EPOCHS, cell.position = NUM_EPOCHS, position
        spec.loader.exec_module(cell)
        return cell

    return load


def answer(cell, targets, losses, call=0):
    """Return what a cell answers in one call of a training."""
    samples = len(cell.train_loader.dataset)
    return call_select_indices(cell.your_select_indices, targets, losses, seed=0, call=call, samples=samples)


def answers(cell, losses_of, epochs=NUM_EPOCHS):
    """Call a cell batch by batch in the order of a training; yield each batch's position, labels and selections.

    Args:
        losses_of: (position, labels) -> the losses of both models.
    """
    for call in range(epochs * len(cell.train_loader)):
        here = position_of(call, len(cell.train_loader.dataset))
        targets = cell.train_loader.dataset.targets[here.samples]
        yield here, targets, answer(cell, targets, losses_of(here, targets), call)


@pytest.fixture(autouse=True)
def _quiet_kernels(monkeypatch):
    """Keep kernels that run without a sandbox from warning about debugger files."""
    monkeypatch.setitem(os.environ, "PYDEVD_DISABLE_FILE_VALIDATION", "1")
