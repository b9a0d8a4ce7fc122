"""What a GPU changes, as far as a machine without one can tell; `benchmarks.on_gpu` tells the rest on one."""

import ctypes
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch

import grader.grading.record
import grader.grading.trainer
from benchmarks.on_gpu import __main__ as on_gpu
from benchmarks.on_gpu.commands import CommandError, run
from benchmarks.on_gpu.plan import Found, Plan
from benchmarks.on_gpu.references import Job, gather, kept
from competition.notebook import graft, notebook_text
from competition.task.baseline import default_select_indices
from competition.task.data import make_loader
from competition.task.training import train_two_models
from grader import grading
from grader.contest.reuse import grading_key
from grader.grading import Settings, draft_record, find_data, open_training_splits
from grader.grading.trainer import warm_up
from grader.sandbox import Backend, nvidia
from grader.validation.results import ResultsFile
from grader.verdicts import Verdict
from tests.conftest import ALL_SAMPLES, REPOSITORY

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


class StandInDriver:
    """What answers as the library of NVIDIA's driver does, through ctypes: one card; each call may fail."""

    def __init__(self, cuda=13000, fails=""):
        plain, pointer = ctypes.c_int, ctypes.c_void_p
        self._answers = {
            "cuInit": ((plain,), lambda flags: None),
            "cuDriverGetVersion": ((pointer,), lambda to: fill(to, plain(cuda))),
            "cuDeviceGet": ((pointer, plain), lambda to, number: fill(to, plain(7 + number))),
            "cuDeviceGetName": ((pointer, plain, plain), lambda to, room, of: fill(to, ctypes.c_char_p(b"A card"), 7)),
            "cuDeviceGetUuid_v2": ((pointer, plain), lambda to, of: fill(to, (ctypes.c_ubyte * 16)(*range(of, 23)))),
        }
        for name, (arguments, answer) in self._answers.items():
            status = 999 * (name == fails)
            callback = ctypes.CFUNCTYPE(plain, *arguments)(lambda *given, a=answer, s=status: (a(*given), s)[1])
            setattr(self, name, callback)


def fill(address, value, size=None):
    """Write a value of ctypes, or what it points to, where a caller wants it."""
    source = value.value if isinstance(value, ctypes.c_char_p) else ctypes.addressof(value)
    ctypes.memmove(address, source, size or ctypes.sizeof(value))


@pytest.fixture
def driver(monkeypatch):
    """Put a stand-in in the place of NVIDIA's driver."""

    def install(**options):
        stand_in = StandInDriver(**options)
        monkeypatch.setattr(nvidia.ctypes, "CDLL", lambda name: stand_in)
        nvidia.first_card.cache_clear()

    yield install
    monkeypatch.undo()
    nvidia.first_card.cache_clear()


def test_the_driver_itself_names_the_card(driver, monkeypatch):
    """Name, UUID and version come from the driver's calls, before torch is loaded; a call that fails means no card."""
    monkeypatch.setattr(nvidia, "torch_cuda", lambda: "13.0")
    driver()
    assert nvidia.first_card() == nvidia.Card("A card", "GPU-0708090a-0b0c-0d0e-0f10-111213141516", 13000)
    assert nvidia.cuda_is_available()
    for call in ("cuInit", "cuDriverGetVersion", "cuDeviceGet", "cuDeviceGetName", "cuDeviceGetUuid_v2"):
        driver(fails=call)
        assert nvidia.first_card() is None
        assert not nvidia.cuda_is_available()


@pytest.mark.parametrize(
    ("drivers", "built_for", "usable"),
    [(13000, "13.0", True), (13000, "12.8", True), (12090, "12.8", True), (12090, "13.0", False), (13000, None, False)],
)
def test_a_card_is_used_where_driver_and_torch_fit(driver, monkeypatch, drivers, built_for, usable):
    """Within a generation of CUDA any driver will do; a torch without CUDA uses no card."""
    driver(cuda=drivers)
    monkeypatch.setattr(nvidia, "torch_cuda", lambda: built_for)
    assert nvidia.cuda_is_available() is usable


def test_what_torch_was_built_with_is_known_without_loading_it():
    """A fresh process names torch's CUDA and cuDNN as torch does, and has not loaded it."""
    code = "import sys; from grader.sandbox import nvidia; said = nvidia.torch_cuda(), nvidia.cudnn_version()\n"
    code += "loaded = 'torch' in sys.modules; import torch; print(said[0] == torch.version.cuda, "
    code += "said[1] == str(torch.backends.cudnn.version()), loaded and said[1] != 'None')"
    ran = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "True", "False"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what is so without a GPU")
def test_a_card_that_torch_cannot_use_is_our_failure(data):
    """Where the driver names a card and torch cannot use it, the grading says so and what to do."""
    record, _ = grading.grade(
        notebook_text(graft("")).encode(), Settings(data, "val", device="cuda", backend=Backend.NONE)
    )
    assert record.verdict is Verdict.INFRASTRUCTURE_ERROR
    assert "nvidia-smi" in record.message


@pytest.mark.parametrize(
    ("readying", "training", "verdict", "said"),
    [
        ([True] * 3, [], "InfrastructureError", "the GPU failed before the notebook began: out of memory"),
        ([True, False], [False], "OK", "every batch"),
        ([False] * 4, [True] * 3, "MemoryLimitExceeded", "lost the GPU 3 times, with this notebook only"),
        ([False, False, False, True], [True] * 3, "InfrastructureError", "the GPU fails: out of memory"),
        ([False] * 2, [True, False], "OK", "every batch"),
    ],
    ids=["never ready", "ready later", "lost with the notebook", "lost without it", "lost once"],
)
def test_a_card_that_fails_is_the_notebooks_fault_only_where_it_ran(
    grade, light, monkeypatch, readying, training, verdict, said
):
    """What fails before its cell may begin is ours; what fails three times with it and not without it is its own."""

    def failing(function, failures):
        def fails(*given):
            if failures.pop(0):
                raise torch.OutOfMemoryError("out of memory\nand more")
            return function(*given)

        return fails

    for name, failures in (("get_ready", list(readying)), ("train_against", list(training))):
        monkeypatch.setattr(grader.grading.trainer, name, failing(getattr(grader.grading.trainer, name), failures))
    graded = grade(ALL_SAMPLES)
    assert graded.record["verdict"] == verdict, graded.record["message"]
    assert said in graded.record["message"]


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
    [(name, found)] = on_gpu.run_stage(["bits"], Plan(tmp_path, False, Backend.BWRAP, time.monotonic() + 60))
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
        found.row(f"what {count}", "a value\nof two lines")
        rows = json.loads(found.path.read_text())["rows"]
        assert rows == [[f"what {number}", "a value of two lines", None] for number in range(1, count + 1)]
    found.row("what 1", "renewed", True)
    assert json.loads(found.path.read_text())["rows"][0] == ["what 1", "renewed", True]


def test_references_go_on_from_what_was_measured_under_the_same_conditions(tmp_path):
    """Of several files the first that has it counts; a measurement of another card is none of this one's."""
    stored = ResultsFile(REPOSITORY / "reference_solutions/results/full-cuda.json")
    first, second = [each for each in stored.measurements if each.conditions.reference == "co_teaching"]
    newer = ResultsFile(tmp_path / "newer.json")
    newer.add(replace(first, seconds=1.0))
    wanted = [first.conditions, second.conditions]
    assert kept(wanted, newer, stored) == [replace(first, seconds=1.0), second]
    assert kept(wanted, newer) == [replace(first, seconds=1.0)]
    other_card = first.conditions.versions | {"gpu": "another card"}
    assert kept([replace(first.conditions, versions=other_card)], newer, stored) == []


def test_rows_and_files_grow_as_trainings_end(tmp_path, monkeypatch):
    """A reference has one row, with the seeds that it has so far; the file of the profile has what all of them have."""
    monkeypatch.chdir(REPOSITORY)
    stored = ResultsFile(Path("reference_solutions/results/full-cuda.json"))
    made = [each for each in stored.measurements if each.conditions.reference == "co_teaching"]
    plan, found = Plan(tmp_path, False, Backend.BWRAP, 0.0), Found(tmp_path / "found.json")
    job = Job("co_teaching", "full", tuple(each.conditions for each in made), tmp_path / "one.json")
    for count, measurement in enumerate(made, 1):
        ResultsFile(job.results).add(measurement)
        gather([job], "full", plan, found)
        [(what, value, _)] = found.rows
        assert (what, f"{count} of 2 seeds" in value) == ("co_teaching on full", True)
        assert len(ResultsFile(tmp_path / "full-cuda.json").measurements) == count
    assert "| co_teaching | 2 |" in (tmp_path / "full-cuda.md").read_text()


def test_a_command_that_fails_says_why():
    """The reason has its status and what it said last; one that hangs is stopped."""
    with pytest.raises(CommandError, match="exit status 3: second third fourth"):
        run("-c", "print('first\\nsecond\\nthird'); raise SystemExit(print('fourth') or 3)", seconds=60)
    with pytest.raises(CommandError, match="not done after 1 s"):
        run("-c", "import time; time.sleep(100)", seconds=1)


def test_another_call_keeps_the_other_parts(tmp_path):
    """On the same machine alone."""
    path = tmp_path / "on_gpu.json"
    assert on_gpu.earlier_parts(path, {"cpus": 2}) == {}
    path.write_text(json.dumps({"machine": {"cpus": 2}, "parts": {"start": {}}}))
    assert on_gpu.earlier_parts(path, {"cpus": 2}) == {"start": {}}
    assert on_gpu.earlier_parts(path, {"cpus": 4}) == {}


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
