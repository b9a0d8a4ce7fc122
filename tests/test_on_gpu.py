"""What a GPU changes, as far as a machine without one can tell; `benchmarks.on_gpu` tells the rest on one."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import torch

import grader.grading.record
from benchmarks.on_gpu import __main__ as on_gpu
from benchmarks.on_gpu.plan import Found, Plan
from benchmarks.on_gpu.references import measured
from benchmarks.variants import lay_beside
from competition.task.baseline import default_select_indices
from competition.task.data import make_loader
from competition.task.training import train_two_models
from grader.contest.reuse import grading_key
from grader.grading import Settings, draft_record, find_data, open_training_splits
from grader.grading.trainer import warm_up
from grader.sandbox import Backend, nvidia
from grader.validation.results import ResultsFile
from tests.conftest import REPOSITORY

CARD = {"gpu": "a card", "driver": "1.2", "cuda": "13.0", "cudnn": "91900"}


def test_a_record_names_the_card(monkeypatch):
    """On a GPU the versions name card, driver, CUDA and cuDNN; on a CPU they name none."""
    monkeypatch.setattr(grader.grading.record, "card", lambda: CARD)
    assert draft_record(Settings(Path("data"), "val", device="cuda")).versions.items() >= CARD.items()
    assert not draft_record(Settings(Path("data"), "val")).versions.keys() & CARD.keys()


def test_results_of_another_card_are_made_under_other_conditions(data, monkeypatch):
    """A grading on one card is not found again for another one."""
    settings = Settings(data, "test_a", device="cuda")
    monkeypatch.setattr(grader.grading.record, "card", lambda: CARD)
    key = grading_key(settings, "cell:0")
    assert grading_key(settings, "cell:0") == key
    monkeypatch.setattr(grader.grading.record, "card", lambda: CARD | {"gpu": "another card"})
    assert grading_key(settings, "cell:0") != key


def test_a_notebook_finds_the_driver_where_we_do(tmp_path, monkeypatch):
    """Of LD_LIBRARY_PATH the folders with NVIDIA's driver are kept, on a GPU alone, and no others."""
    driver, other = tmp_path / "driver", tmp_path / "other"
    for folder in (driver, other):
        folder.mkdir()
    (driver / "libcuda.so.1").touch()
    monkeypatch.setenv("LD_LIBRARY_PATH", os.pathsep.join(("", str(other), str(driver))))
    monkeypatch.setattr(nvidia, "card_in_use", lambda: ("GPU-1", "/dev/nvidia3"))
    assert nvidia.driver_environment("cpu") == {}
    assert nvidia.driver_environment("cuda") == {"LD_LIBRARY_PATH": str(driver), "CUDA_VISIBLE_DEVICES": "GPU-1"}
    monkeypatch.setenv("LD_LIBRARY_PATH", str(other))
    assert "LD_LIBRARY_PATH" not in nvidia.driver_environment("cuda")


def test_a_notebook_gets_the_card_of_its_training_alone(monkeypatch):
    """The device files are the two that all cards share and the card's own; of all cards where ours can't be told."""
    monkeypatch.setattr(Path, "exists", lambda path: True)
    monkeypatch.setattr(Path, "glob", lambda path, pattern: [Path("/dev/nvidia0"), Path("/dev/nvidia1")])
    monkeypatch.setattr(nvidia, "card_in_use", lambda: ("GPU-1", "/dev/nvidia1"))
    assert nvidia.device_files() == ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia1"]
    monkeypatch.setattr(nvidia, "card_in_use", lambda: None)
    assert nvidia.device_files() == ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia0", "/dev/nvidia1"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what is so without a GPU")
def test_without_a_driver_there_is_no_version_and_no_card():
    """Where NVIDIA's libraries are missing, nothing fails."""
    assert nvidia.driver_version() == "unknown"
    assert nvidia.card_in_use.__wrapped__() is None


def test_the_warm_up_leaves_no_trace_in_the_bits(data):
    """A training after it is the same to the bit."""
    splits = open_training_splits(find_data(data))
    loaders = [make_loader(splits[name].dataset) for name in ("train", "val")]

    def history():
        return train_two_models(*loaders, default_select_indices, threads=1, epochs=1, progress=None)[1]

    before = history()
    warm_up(splits, Settings(data, "val", threads=1))
    assert history() == before


def test_a_part_that_hangs_keeps_what_it_found(tmp_path, monkeypatch):
    """At its time limit a part is killed with all it started; its rows so far are in the table, and that it was."""
    code = "import pathlib, subprocess, sys, time\n"
    code += "from benchmarks.on_gpu.plan import Found\n"
    code += "Found(pathlib.Path(sys.argv[1])).row('a thing', 'seen', True)\n"
    code += "print(subprocess.Popen(['sleep', '1000']).pid, flush=True)\ntime.sleep(1000)\n"
    result = tmp_path / "bits.json"
    start = subprocess.Popen

    def stand_in(command, **options):
        return start([sys.executable, "-c", code, str(result)], **options)

    monkeypatch.setattr(on_gpu.subprocess, "Popen", stand_in)
    monkeypatch.setitem(on_gpu.SECONDS, "bits", 15)
    monkeypatch.chdir(REPOSITORY)
    [(name, found)] = on_gpu.run_stage(["bits"], Plan(tmp_path, True, Backend.BWRAP))
    child = int((tmp_path / "bits.log").read_text())
    assert name == "bits"
    assert found["rows"] == [["a thing", "seen", True], ("not done after 15 s", str(child), False)]
    with suppress(psutil.NoSuchProcess):
        assert psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    assert "| bits | a thing | seen | yes |" in on_gpu.table({"bits": found})


def test_what_a_part_found_is_whole_at_any_moment(tmp_path):
    """After each row the file has all rows so far."""
    found = Found(tmp_path / "found.json")
    for count in (1, 2):
        found.row("what", "a value\nof two lines")
        assert json.loads(found.path.read_text())["rows"] == [["what", "a value of two lines", None]] * count


def test_references_go_on_from_the_stored_measurements(tmp_path, monkeypatch):
    """Before a reference's first training its file gets what is stored, of which its own counts; then it stays."""
    monkeypatch.chdir(REPOSITORY)
    stored = ResultsFile(Path("reference_solutions/results/full-cuda.json")).measurements
    expected = tuple(each for each in stored if each.conditions.reference == "co_teaching")
    path = tmp_path / "co_teaching.json"
    lay_beside(path, "full-cuda")
    assert measured(ResultsFile(path), "co_teaching") == expected != ()
    path.write_text('{"measurements": []}')
    lay_beside(path, "full-cuda")
    assert measured(ResultsFile(path), "co_teaching") == ()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_dry_run_goes_the_whole_way(tmp_path):
    """Every part of the command runs on a CPU, with the smallest data, and finds all as it should be."""
    command = [sys.executable, "-m", "benchmarks.on_gpu", "--dry-run", "--out", str(tmp_path)]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    parts = json.loads((tmp_path / "on_gpu.json").read_text())["parts"]
    assert list(parts) == list(on_gpu.SECONDS)
    assert all(len(found["rows"]) > 0 for found in parts.values())
