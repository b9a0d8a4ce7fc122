"""Faults of the machine: killed processes, full disks, vanished data, a jumping clock, several graders at once.

Nothing is lost or half-written, the participant is never blamed for what can be told to be ours, and grading again
works. What a killed grader leaves behind is tested in `test_grading` too.
"""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time

import psutil
import pytest

import grader.grading.trainer
from competition.task.data import read_labels
from grader.grading import read_record
from grader.grading.training import ATTEMPTS
from grader.safe_io import write_whole
from grader.sandbox import bubblewrap
from grader.verdicts import Verdict
from tests.confined import run_confined
from tests.conftest import ALL_SAMPLES, REPOSITORY


@pytest.fixture
def kill_sandboxes(monkeypatch):
    """Kill each of the first sandboxes as soon as it stands; return a list that tells how many were started."""
    started: list[int] = []

    def arrange(times):
        start = bubblewrap.start

        def start_and_kill(job, group):
            running = start(job, group)
            started.append(running.pid)
            if len(started) <= times:
                os.kill(running.pid, signal.SIGKILL)
            return running

        monkeypatch.setattr(bubblewrap, "start", start_and_kill)
        return started

    return arrange


def test_a_sandbox_killed_from_outside_is_tried_again(grade, light, kill_sandboxes):
    """One kill -9 of the sandbox costs a second attempt, and nothing else."""
    started = kill_sandboxes(1)
    graded = grade(f"import time\ntime.sleep(2)\n{ALL_SAMPLES}")
    assert (graded.status, graded.record["verdict"]) == (0, "OK"), graded.printed
    assert len(started) == 2


def test_a_sandbox_that_is_always_killed_is_our_fault(grade, light, kill_sandboxes):
    """After three attempts the verdict is InfrastructureError: no points, and no blame."""
    started = kill_sandboxes(99)
    graded = grade(f"import time\ntime.sleep(2)\n{ALL_SAMPLES}")
    assert (graded.status, graded.record["verdict"], graded.record["points"]) == (3, "InfrastructureError", None)
    assert "killed from outside (signal 9)" in graded.record["message"]
    assert len(started) == ATTEMPTS
    assert not any(psutil.pid_exists(pid) for pid in started)


def test_a_sandbox_that_outlives_its_monitor_is_killed_too(tmp_path, monkeypatch, kill_sandboxes):
    """Killed early enough, bubblewrap's outer process does not take the inner one along: then we do."""
    options = [option for option in bubblewrap.namespace_options() if option != "--die-with-parent"]
    monkeypatch.setattr(bubblewrap, "namespace_options", lambda: options)
    kill_sandboxes(1)
    code = "import time; time.sleep(7534)"
    assert "killed from outside" in run_confined(code, tmp_path).lost
    assert not [p for p in psutil.process_iter(["cmdline"]) if code in (p.info["cmdline"] or [])]


def test_a_sandbox_that_does_not_start_is_our_fault(grade, monkeypatch):
    """A bubblewrap that fails at the start is tried three times, with its own words at the end."""
    attempts = []
    options = bubblewrap.file_options

    def broken(job):
        attempts.append(job)
        return [*options(job), "--ro-bind", "/no/such/folder", "/x"]

    monkeypatch.setattr(bubblewrap, "file_options", broken)
    graded = grade(ALL_SAMPLES)
    assert (graded.status, graded.record["verdict"]) == (3, "InfrastructureError")
    assert "the sandbox did not start: bwrap: Can't find source path /no/such/folder" in graded.record["message"]
    assert len(attempts) == ATTEMPTS


@pytest.mark.slow
def kill_kernels(grade, cell, begun):
    """Grade a cell while a thread kills each kernel below this process, once its solution cell has begun or at once."""
    over, killed = threading.Event(), []

    def commands():
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                yield process, process.cmdline()

    def kill():
        while not over.wait(0.05):
            found = list(commands())
            if begun and not any(command == ["sleep", "300"] for _, command in found):
                continue
            for process, command in found:
                if process not in killed and any("ipykernel_launcher" in part for part in command):
                    with contextlib.suppress(psutil.Error):
                        process.kill()
                        killed.append(process)

    thread = threading.Thread(target=kill)
    thread.start()
    graded = grade(cell)
    over.set()
    thread.join()
    return graded, len(killed)


SLEEPS = f"import subprocess\nsubprocess.run(['sleep', '300'])\n{ALL_SAMPLES}"


def test_a_kernel_killed_from_outside_looks_like_one_that_ended_itself(grade):
    """The kernel is the participant's own process, so its death is theirs: nobody could tell who sent the signal.

    What can be told, a kill by the machine's out-of-memory killer, is ours; see `test_limits`.
    """
    graded, kills = kill_kernels(grade, SLEEPS, begun=True)
    assert kills == 1
    assert (graded.status, graded.record["verdict"]) == (1, "RuntimeError")
    assert "ended after 0 answered batches" in graded.record["message"]


@pytest.mark.slow
def test_a_kernel_killed_before_its_solution_cell_is_our_failure(grade):
    """Nothing of the participant had run: it is tried again, and then it is ours."""
    graded, kills = kill_kernels(grade, SLEEPS, begun=False)
    assert kills == 3
    assert (graded.status, graded.record["verdict"]) == (3, "InfrastructureError")
    assert "ended before its solution cell began" in graded.record["message"]


def test_training_data_that_vanishes_is_our_fault(grade, light, data, tmp_path, monkeypatch):
    """The notebook fails when it cannot read its images, but the verdict is ours; with the data back, it is graded."""
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    open_splits = grader.grading.trainer.open_training_splits

    def open_and_lose(*given):
        splits = open_splits(*given)
        shutil.rmtree(copy / "public" / "train")
        return splits

    monkeypatch.setattr(grader.grading.trainer, "open_training_splits", open_and_lose)
    lost = grade(ALL_SAMPLES, folder=copy)
    assert (lost.status, lost.record["verdict"], lost.record["points"]) == (3, "InfrastructureError", None)
    assert "train" in lost.record["message"]
    monkeypatch.undo()
    shutil.copytree(data / "public" / "train", copy / "public" / "train")
    assert grade(ALL_SAMPLES, folder=copy).record["verdict"] == "OK"


def test_a_test_set_that_vanishes_is_our_fault(grade, light, data, tmp_path, monkeypatch):
    """Data that is gone when the models are to be scored is our fault too."""
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    train = grader.grading.trainer.train_two_models

    def train_and_lose(*given, **named):
        result = train(*given, **named)
        shutil.rmtree(copy / "private")
        return result

    monkeypatch.setattr(grader.grading.trainer, "train_two_models", train_and_lose)
    lost = grade(ALL_SAMPLES, folder=copy)
    assert (lost.status, lost.record["verdict"], lost.record["points"]) == (3, "InfrastructureError", None)
    assert "test_a" in lost.record["message"]


@pytest.mark.parametrize("command", ["grade", "check"])
def test_damaged_data_is_our_fault_and_named(grade, data, tmp_path, command):
    """Before anything is trained, the message names the image that is missing, or the wrong line of the labels."""
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    labels = copy / "public" / "val" / "dataset_labels.csv"
    lines = labels.read_text().splitlines()
    labels.write_text("\n".join([*lines[:4], "abc.png,coat", *lines[5:]]))
    refused = grade(ALL_SAMPLES, command=command, folder=copy)
    assert (refused.status, refused.record["verdict"]) == (3, "InfrastructureError")
    assert refused.record["message"].startswith(f"{labels}, line 5: expected a file name and 0 or 1")
    image = copy / "public" / "train" / "data" / read_labels(copy / "public" / "train" / labels.name)[0][0]
    image.unlink()
    refused = grade(ALL_SAMPLES, command=command, folder=copy)
    assert refused.record["message"] == f"{image} is missing: restore train/, or build the data again"


@pytest.mark.parametrize("leap", [-86400.0, 86400.0], ids=["back", "forth"])
def test_a_jumping_clock_changes_no_limit(tmp_path, monkeypatch, leap):
    """The time of day may leap by a day at every look at it: limits are kept, and not before their time."""
    leaps = iter(range(1, 10**9))
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + leap * next(leaps))
    endless = run_confined("while True: pass", tmp_path, seconds=2.0)
    assert endless.breach is not None
    assert endless.breach.verdict is Verdict.TIME_LIMIT
    patient = run_confined("import time\ntime.sleep(1)\nprint('done')", tmp_path, seconds=60.0)
    assert (patient.breach, patient.printed) == (None, "done\n")


WRITE_RUNS = """
    import sys
    from pathlib import Path
    import torch
    from competition.task.model import SmallMobileNet
    from grader.grading import Settings, draft_record
    from grader.grading.artifacts import Artifacts
    from grader.grading.run_folder import write_run
    from grader.verdicts import InfrastructureError

    record = draft_record(Settings(Path("data"), "test_a"))
    step = [torch.arange(100), torch.arange(100)]
    losses = [torch.rand(128), torch.rand(128)]
    artifacts = Artifacts(b"{}", b"{}", b"x" * 50_000, [SmallMobileNet(), SmallMobileNet()], [step] * 12, [losses] * 12)
    runs = Path(sys.argv[1])
"""
WHOLE = {"record.json", "submission.ipynb", "executed.ipynb", "output.txt", "selections.npz", "losses.npz"} | {
    "model_1.safetensors",
    "model_2.safetensors",
}


def python(code, *arguments, before=()):
    """Return the command that runs Python code of the project."""
    return [*before, sys.executable, "-c", textwrap.dedent(WRITE_RUNS) + textwrap.dedent(code), *map(str, arguments)]


def test_several_graders_write_into_one_folder(tmp_path):
    """Three graders write at the same time: every run that can be seen at any moment is whole, and none is lost."""
    code = "for _ in range(8): write_run(runs, record, artifacts)"
    graders = [subprocess.Popen(python(code, tmp_path), cwd=REPOSITORY) for _ in range(3)]
    seen = set()
    while any(process.poll() is None for process in graders):
        for run in tmp_path.glob("[!.]*"):
            assert {path.name for path in run.iterdir()} == WHOLE
            seen.add(run)
    assert [process.returncode for process in graders] == [0, 0, 0]
    runs = list(tmp_path.iterdir())
    assert len(runs) == 24
    assert seen <= set(runs)
    assert all(read_record(run).split == "test_a" for run in runs)


def test_a_grader_killed_while_it_writes_leaves_no_run(tmp_path):
    """Killed in the middle of writing, it leaves nothing that looks like a run; the next one removes what it left."""
    code = """
        import os
        import grader.grading.artifacts
        save = grader.grading.artifacts.np.savez_compressed
        if len(sys.argv) > 2:
            grader.grading.artifacts.np.savez_compressed = lambda *given, **named: os.kill(os.getpid(), 9)
        print(write_run(runs, record, artifacts).name)
    """
    killed = subprocess.run(python(code, tmp_path, "killed"), cwd=REPOSITORY, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert list(tmp_path.glob("[!.]*")) == []
    assert list(tmp_path.glob("**/record.json")) == []
    again = subprocess.run(python(code, tmp_path), cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert {path.name for path in (tmp_path / again.stdout.strip()).iterdir()} == WHOLE
    assert [path.name for path in tmp_path.iterdir()] == [again.stdout.strip()]


FULL_DISK = """
    import subprocess
    runs.mkdir()
    whole = failed = 0
    for size in range(8, 1600, 120):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(runs)], check=True)
        try:
            write_run(runs, record, artifacts)
            whole += 1
            assert len(list(next(runs.iterdir()).iterdir())) == 8
        except InfrastructureError as error:
            failed += 1
            assert "make room and grade again" in error.message
            assert list(runs.iterdir()) == []
        subprocess.run(["umount", str(runs)], check=True)
    print(whole, failed)
"""
OWN_MOUNTS = ("unshare", "--user", "--map-root-user", "--mount")


def test_a_full_disk_leaves_no_half_run(tmp_path):
    """However much room there is, a run is written whole, or not at all with an error of ours; never a traceback."""
    command = python(FULL_DISK, tmp_path / "runs", before=OWN_MOUNTS)
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    whole, failed = map(int, done.stdout.split())
    assert whole >= 2
    assert failed >= 5


@pytest.mark.slow
def test_grading_on_a_full_disk_is_our_fault_and_works_again_with_room(data, short_folder):
    """Runs and temporary files on a full disk: exit 3, no half report, nothing left; with room it is graded."""
    (short_folder / "disk").mkdir()
    shutil.copyfile(REPOSITORY / "starter_notebook.ipynb", short_folder / "mine.ipynb")
    script = f"""
        set -eu
        cd {short_folder}
        mount -t tmpfs -o size=64k tmpfs disk
        head -c 65536 /dev/zero > disk/filler || true
        export TMPDIR={short_folder}/disk/tmp
        grade="{sys.executable} -m grader grade mine.ipynb --data {data} --runs disk/runs --report disk/report.json"
        mkdir disk/tmp || true
        status=0; PYTHONPATH={REPOSITORY} $grade --device cpu || status=$?
        echo "status $status, left: $(find disk -type f -not -name filler | wc -l)"
        rm disk/filler
        mount -o remount,size=64m disk
        mkdir -p disk/tmp
        PYTHONPATH={REPOSITORY} $grade --device cpu
        echo "records: $(find disk -name record.json | wc -l), reports: $(find disk -name report.json | wc -l)"
    """
    command = [*OWN_MOUNTS, "bash", "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "status 3, left: 0" in done.stdout
    assert "records: 1, reports: 1" in done.stdout


def test_a_whole_file_replaces_the_old_one_or_leaves_it(tmp_path):
    """A file that cannot be written to its end leaves the old one as it was, and no rest."""
    path = tmp_path / "report.json"
    write_whole(path, "old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, hard))  # no file may have more bytes
    try:
        with pytest.raises(OSError, match="File too large"):
            write_whole(path, "a new one")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (path.read_text(), list(tmp_path.iterdir())) == ("old", [path])
    write_whole(path, b"a new one")
    assert (path.read_text(), list(tmp_path.iterdir())) == ("a new one", [path])
