"""The red-team corpus: every hostile submission gets its verdict, no more than it earns, and leaves nothing behind.

One of each group runs by default; `make redteam` and `make test-all` run all. What works against a careless grader is
shown to work there.
"""

import ctypes
import json
import os
import platform
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest
import torch

import grader.grading.settings
import grader.sandbox.bubblewrap
from competition.foreign_text import MAX_MESSAGE
from competition.notebook import MAX_CELL_BYTES, graft, notebook_text
from competition.splits import open_split
from competition.task.data import make_loader
from competition.task.points import performance
from competition.task.training import train_two_models
from grader.analysis import read_truth
from grader.grading import Settings, evaluate, find_data, load_models, open_training_splits, unpack_selections
from grader.grading.trainer import warm_up
from grader.sandbox import INPUT_NOTEBOOK, Backend, Job, default_limits, gateway_folder, run_notebook
from grader.sandbox.running import CAPTURED_BYTES
from grader.verdicts import Verdict
from tests.conftest import ALL_SAMPLES, REPOSITORY
from tests.redteam import GROUPS, NO_SANDBOX, ONE_PROCESS, PAGE_FILE, memorise, read_corpus, with_table

CORPUS = list(read_corpus())
ON_CPU, ON_CUDA = ([attack for attack in CORPUS if attack.needs_cuda == needs] for needs in (False, True))
NAMED = {attack.name: attack for attack in CORPUS}
CANARY = f"canary-{secrets.token_hex(8)}"
PLANTED = "redteam-planted*"  # what attacks call the files that they leave anywhere
PLACES = ("/", "/tmp", "/dev/shm", "/var/tmp", str(REPOSITORY), str(Path.home()), sys.prefix)
ONE_THREAD = ("--threads", "1")  # which is quick also where several tests run side by side
TIME_LIMIT = ("--time-limit", "10")  # seconds
SMALL_MEMORY = 2 << 30  # enough for a kernel with torch, and quickly filled
NEVER_STARTS = "PresentationError/notebook"  # files that are refused before a sandbox is made
SPARE_MEMORY = 64 << 20  # bytes of the card that may come and go
UNEARNED = 0.6  # balanced accuracy; what the attacks on metric and state select earns less
FAST = {  # one of each group, with five verdicts; the others are slow, as each starts a kernel
    *("metric_labels_all_one", "state_no_check", "files_fill_tmp"),
    *("process_system_exit", "channel_early_answers", "notebook_transformers"),
}
SEARCH, UNLINK, USER_RING = 10, 9, -4
KEY_CALLS = {"x86_64": (248, 250), "aarch64": (217, 219)}  # add_key, keyctl


def parameters(attacks):
    """Make a test's parameters of attacks; the fast ones are unmarked."""
    made = []
    for attack in attacks:
        name = f"{attack.verdict}/{attack.name}"
        fast = attack.name in FAST or (name.startswith(NEVER_STARTS) and attack.name != "notebook_million_cells")
        marks = [] if fast else [pytest.mark.slow]
        made.append(pytest.param(attack, id=name, marks=marks))
    return made


@dataclass(frozen=True)
class Organizer:
    """Somebody who grades, with secrets in the private folder, at home and in the environment.

    Attributes:
        data: the data folder.
        temporary: the folder for temporary files, whose name is on every mount of a sandbox of ours.
    """

    data: Path
    temporary: Path


@pytest.fixture
def organizer(data, tmp_path, monkeypatch) -> Iterator[Organizer]:
    """Plant the canary where attacks look for secrets, and give this test a temporary folder of its own."""
    if torch.cuda.is_available():  # what CUDA keeps open and reserved is no attack's
        warm_up(open_training_splits(find_data(data)), Settings(data, "val", device="cuda", threads=1))
    (data / "private" / "secret.txt").write_text(CANARY)
    (data / "private" / "test_a" / "secret.txt").write_text(CANARY)
    home = tmp_path / "home"
    home.mkdir()
    (home / "secret.txt").write_text(CANARY)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SECRET_TOKEN", CANARY)
    temporary = Path(tempfile.mkdtemp(prefix="redteam-"))
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield Organizer(data, temporary)
    shutil.rmtree(temporary)


def put_key(name, content):
    """Put a key on the user's key ring; say whether this machine lets us."""
    add_key, _ = KEY_CALLS[platform.machine()]
    text = content.encode()
    return ctypes.CDLL(None).syscall(add_key, b"user", name.encode(), text, len(text), USER_RING) > 0


def remove_keys():
    """Take this module's keys off the user's key ring; return the names of those that were there."""
    _, keyctl = KEY_CALLS[platform.machine()]
    call = ctypes.CDLL(None).syscall
    found = []
    for name in ("redteam-organizer", "redteam-planted"):
        key = call(keyctl, SEARCH, USER_RING, b"user", name.encode(), 0)
        if key > 0:
            call(keyctl, UNLINK, key, USER_RING)
            found.append(name)
    return found


def sandboxed(temporary):
    """Return every process on this machine that lives in a sandbox made by this test: its mounts tell."""
    found = []
    for mounts in Path("/proc").glob("[0-9]*/mountinfo"):
        with suppress(OSError):
            if temporary.name in mounts.read_text():
                found.append(mounts.parent.name)
    return found


def descriptors():
    """Return what this process has open besides plain files."""
    found = []
    for number in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.append(str(number.readlink()))
    return sorted(name for name in found if name.startswith(("socket:", "pipe:", "anon_inode:", "/tmp/task")))


def listed(folder):
    """Return the name, size and time of everything in a folder."""
    return sorted((str(path), path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.rglob("*"))


def planted():
    """Return the files of attacks that stand outside a sandbox."""
    return [str(path) for place in PLACES for path in Path(place).glob(PLANTED)]


@pytest.fixture
def spotless(organizer):
    """Check, when the grading is over, that no process, socket, mount, file or descriptor of it is left."""
    files, opened = listed(organizer.data), descriptors()
    children = psutil.Process().children(recursive=True)
    yield organizer
    assert psutil.Process().children(recursive=True) == children
    assert sandboxed(organizer.temporary) == []
    assert organizer.temporary.name not in Path("/proc/net/unix").read_text()
    assert list(organizer.temporary.iterdir()) == []
    assert planted() == []
    assert listed(organizer.data) == files
    assert descriptors() == opened


def check_words(graded):
    """Check that what may be shown is bounded and plain, and that no secret is in anything that was written."""
    message = graded.record["message"]
    assert len(message) <= MAX_MESSAGE
    assert {unicodedata.category(each) for each in message if each not in "\n\t"}.isdisjoint({"Cc", "Cs"})
    assert all(len(notice) < 500 for notice in graded.record["notices"])
    assert len(graded.record["notices"]) < 50
    written = [path.read_bytes() for path in graded.run.iterdir() if path.suffix != ".npz"]
    assert not any(CANARY.encode() in content for content in (*written, graded.printed.encode(errors="replace")))
    assert (graded.run / "output.txt").stat().st_size < CAPTURED_BYTES + 100
    assert not any(path.is_symlink() for path in graded.run.iterdir())


def check_score(graded, data):
    """Train a second time from the stored selections alone: the same models, and exactly the score of the record."""
    steps = iter(unpack_selections(graded.run))
    train, val = (open_split(data / "public", split).dataset for split in ("train", "val"))
    models, _ = train_two_models(
        make_loader(train),
        make_loader(val),
        lambda targets, losses: next(steps),
        seed=graded.record["seed"],
        device=torch.device(graded.record["device"]),
        threads=graded.record["threads"],
        progress=None,
    )
    assert next(steps, None) is None
    for ours, stored in zip(models, load_models(graded.run), strict=True):
        for mine, theirs in zip(ours.state_dict().values(), stored.state_dict().values(), strict=True):
            assert torch.equal(mine.cpu(), theirs)
    earned = list(evaluate(models, open_split(data / "private", "test_a").dataset))
    assert earned == graded.record["bac"]
    assert graded.record["bac_mean"] == sum(earned) / 2
    assert graded.record["points"] == performance(sum(earned) / 2)


def keep_little_memory(attack, monkeypatch):
    """Grade an attack on the machine's memory with a limit that is quickly reached."""
    if attack.verdict == Verdict.MEMORY_LIMIT:
        limits = replace(default_limits("cpu"), memory_bytes=SMALL_MEMORY)
        monkeypatch.setattr(grader.grading.settings, "default_limits", lambda *_: limits)


def train_on_the_card(data):
    """Train on all samples on the GPU; return the parameters of both models."""
    train, val = (make_loader(open_split(data / "public", split).dataset) for split in ("train", "val"))
    names: dict = {}
    exec(ALL_SAMPLES, names)
    models, _ = train_two_models(train, val, names["your_select_indices"], device=torch.device("cuda"), progress=None)
    return [tensor for model in models for tensor in model.state_dict().values()]


def free_memory():
    """Return how many bytes of the card are free, without what this process only keeps for later."""
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info()[0]


def seconds_until(holds):
    """Wait until something holds, which must be soon; return how long that took."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < 20
        time.sleep(0.1)
    return time.monotonic() - started


def check_verdict(attack, graded, data):
    """Check how the grading of an attack ended, what it earned and what was written about it."""
    assert graded.record["verdict"] == attack.verdict, graded.record["message"]
    assert "REACHED" not in graded.record["message"]
    assert graded.record["sandbox"] == "bwrap"
    check_words(graded)
    if attack.verdict == Verdict.OK:
        assert graded.status == 0
        check_score(graded, data)
        assert attack.works_against != ONE_PROCESS or graded.record["bac_mean"] < UNEARNED
    else:
        assert (graded.status, graded.record["points"], graded.record["bac"]) == (1, 0, None)
        assert not list(graded.run.glob("*.safetensors"))


@pytest.mark.parametrize("attack", parameters(ON_CPU))
def test_an_attack_gets_its_verdict_and_nothing_else(attack, grade, spotless, monkeypatch):
    """The verdict is the expected one, the score is what the selections earn, no secret is out, and nothing is left."""
    keep_little_memory(attack, monkeypatch)
    options = ONE_THREAD + (TIME_LIMIT if attack.verdict == Verdict.TIME_LIMIT else ())
    graded = grade(attack.submission(), *options)
    check_verdict(attack, graded, spotless.data)


@pytest.mark.cuda
@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("attack", [pytest.param(each, id=f"{each.verdict}/{each.name}") for each in ON_CUDA])
def test_an_attack_on_the_card_ends_with_its_notebook(attack, grade, spotless, monkeypatch, record_property):
    """It gets its verdict, the card's memory is free again afterwards, and the next training has the same bits."""
    before, free = train_on_the_card(spotless.data), free_memory()
    keep_little_memory(attack, monkeypatch)
    graded = grade(attack.submission(), "--device", "cuda", *ONE_THREAD)
    record_property("verdict", graded.record["verdict"])
    record_property("seconds", graded.record["seconds"])
    record_property("of these not the notebook's turn", graded.record["seconds"] - graded.record["clock_seconds"])
    check_verdict(attack, graded, spotless.data)
    record_property("seconds until the card was free", seconds_until(lambda: free_memory() > free - SPARE_MEMORY))
    after = train_on_the_card(spotless.data)
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    "attack", [pytest.param(each, id=each.name) for each in CORPUS if each.works_against == ONE_PROCESS]
)
def test_an_attack_works_against_a_grader_of_one_process(attack, data, tmp_path):
    """Where submission, models and labels share a process, the same cell gains what it did not earn."""
    (tmp_path / "cell.py").write_text(attack.cell)
    command = [sys.executable, "-m", "tests.redteam.one_process", str(tmp_path / "cell.py"), str(data)]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=300)
    assert sum(json.loads(ran.stdout.splitlines()[-1])) / 2 >= UNEARNED


@pytest.mark.slow
@pytest.mark.parametrize(
    "attack", [pytest.param(each, id=each.name) for each in CORPUS if each.works_against == NO_SANDBOX]
)
def test_an_attack_works_without_a_sandbox(attack, grade, organizer):
    """Without the sandbox the same cell reaches what it looks for."""
    graded = grade(attack.submission(), "--sandbox", "none", *ONE_THREAD)
    assert "REACHED" in graded.record["message"]


@pytest.mark.slow
def test_the_key_ring_is_out_of_reach(grade, organizer, monkeypatch):
    """The organizer's key is not read and none is planted; where the calls are not refused, both would be done."""
    if not put_key("redteam-organizer", CANARY):
        pytest.skip("this machine has no key ring for anybody")
    try:
        graded = grade(NAMED["files_key_ring"].submission(), *ONE_THREAD)
        assert graded.record["verdict"] == "OK", graded.record["message"]
        check_words(graded)
        assert remove_keys() == ["redteam-organizer"]
        put_key("redteam-organizer", CANARY)
        monkeypatch.setattr(grader.sandbox.bubblewrap, "filter_program", lambda: None)
        assert "REACHED" in grade(NAMED["files_key_ring"].submission(), *ONE_THREAD).record["message"]
    finally:
        remove_keys()


@pytest.mark.slow
def test_kernel_settings_would_be_reached_where_they_are_writable(grade, organizer, monkeypatch):
    """Where root grades, a notebook could open the kernel's settings for writing, were they not mounted read-only."""
    if not os.access("/proc/sys/kernel/core_pattern", os.W_OK):
        pytest.skip("whoever runs this may not write the kernel's settings either")
    monkeypatch.setattr(grader.sandbox.bubblewrap, "kernel_settings", list)
    graded = grade(NAMED["files_kernel_settings"].submission(), *ONE_THREAD)
    assert "REACHED /proc/sys" in graded.record["message"]


def test_the_search_for_what_is_left_finds_a_running_sandbox(organizer, light):
    """While a sandbox runs, its processes, its socket's folder and its children are seen; afterwards they are not."""
    with gateway_folder() as folder:
        (folder / INPUT_NOTEBOOK).write_text(notebook_text(graft("import time\ntime.sleep(1000)\n" + ALL_SAMPLES)))
        public = organizer.data / "public"
        job = Job(folder, public / "train", public / "val", "cpu", 2, default_limits("cpu"))
        with run_notebook(Backend.BWRAP, job):
            deadline = time.monotonic() + 60
            while not sandboxed(organizer.temporary):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert psutil.Process().children(recursive=True)
            assert list(organizer.temporary.iterdir())
    assert sandboxed(organizer.temporary) == []


def test_the_corpus_is_large_and_whole():
    """There are at least 50 attacks, some in every group and for every verdict, and none has another's name."""
    assert len(NAMED) == len(CORPUS) >= 50
    assert {attack.group for attack in CORPUS} == set(GROUPS)
    assert {attack.verdict for attack in CORPUS} == set(Verdict) - {Verdict.INFRASTRUCTURE_ERROR}
    assert set(NAMED) >= FAST


def test_the_table_is_that_of_the_corpus():
    """The table of docs/redteam.md is what the headers say (python -m tests.redteam writes it)."""
    page = PAGE_FILE.read_text(encoding="utf-8")
    assert page == with_table(page)


@pytest.fixture(scope="module")
def draws(tmp_path_factory):
    """Build the standard profile with one redraw."""
    folder = tmp_path_factory.mktemp("draws") / "data"
    memorise.build_draws("standard", folder)
    return folder


def run_cell(cell, dataset):
    """Run a cell as the notebook does, with `dataset` as its training set; return which labels it takes for right."""
    notebook = {"train_loader": make_loader(dataset)}
    exec(cell, notebook)
    return torch.cat(
        [torch.as_tensor(notebook["your_select_indices"](targets, None)[0]) for _, targets in make_loader(dataset)]
    )


@pytest.mark.slow
def test_memorised_answers_are_right(draws):
    """The table knows the public draw and nothing of another; the hashes know every image of both; both are short."""
    for draw in ("train", "redraw-1"):
        dataset = open_split(draws / ("public" if draw == "train" else "private"), draw).dataset
        right = read_truth(draws / "private", dataset, draw) == dataset.targets
        _, table, hashes = memorise.cells(draws).values()
        assert max(len(table.encode()), len(hashes.encode())) < MAX_CELL_BYTES / 10
        assert torch.equal(run_cell(hashes, dataset), right)
        known = (run_cell(table, dataset) == right).double().mean()
        assert known == 1 if draw == "train" else abs(known - 0.5) < 0.05


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_redraw_beats_a_table_but_no_hashes(draws):
    """A memorised table scores high on the public draw, and on a redraw as a random half does; hashes survive.

    Trainings on mini spread widely: over five seeds the table reaches 0.88 ± 0.02 and 0.55 ± 0.07.
    """
    _, table, hashes = memorise.cells(draws).values()
    public, redrawn = (memorise.reached(table, draws, draw, seed=123, threads=1) for draw in ("train", "redraw-1"))
    assert public > 0.8
    assert redrawn < public - 0.1
    assert memorise.reached(hashes, draws, "redraw-1", seed=123, threads=1) > 0.8
