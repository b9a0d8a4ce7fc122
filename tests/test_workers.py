"""Workers: in this process, and on a Ray cluster of which a node dies."""

import contextlib
import os
import sys
import threading
import time

import psutil
import pytest
from typer.testing import CliRunner

import grader.grading
from competition.notebook import graft, notebook_text
from grader.cli import app
from grader.contest.store import Store
from grader.contest.workers import InProcess, RayWorkers, Task, compute
from grader.grading import RECORD_FILE, Settings
from grader.verdicts import InfrastructureError, Verdict
from tests.conftest import ALL_SAMPLES

ENOUGH_SECONDS = 240.0


def test_a_bug_of_the_grader_ends_one_grading_only(data, monkeypatch):
    """An exception that nobody expected becomes an InfrastructureError that shows it; the next task is computed."""
    answers = iter([ZeroDivisionError("a bug of ours"), KeyError("another")])

    def broken(raw, settings):
        raise next(answers)

    monkeypatch.setattr(grader.grading, "grade", broken)
    tasks = [Task(number, b"", Settings(data, "test_a")) for number in (7, 8)]
    outcomes = dict(InProcess().outcomes(iter(tasks), 1))
    assert [outcomes[number].record.verdict for number in (7, 8)] == [Verdict.INFRASTRUCTURE_ERROR] * 2
    assert "ZeroDivisionError: a bug of ours" in outcomes[7].record.message
    assert outcomes[7].record.points is None


def test_a_notebook_sees_the_numeric_settings_of_who_asked(data, monkeypatch):
    """What a worker's own process has set in between, as Ray does, does not reach a grading."""
    seen = []
    monkeypatch.setattr(grader.grading, "grade", lambda raw, settings: seen.append(dict(os.environ)) or 1 / 0)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("MKL_CBWR", "AVX2")
    compute(b"", Settings(data, "test_a"), {"MKL_CBWR": "COMPATIBLE"})
    assert "OMP_NUM_THREADS" not in seen[0]
    assert seen[0]["MKL_CBWR"] == "COMPATIBLE"


def test_without_ray_several_workers_are_refused_and_one_works(data, tmp_path, monkeypatch):
    """The message names the extra to install; a batch with one worker never imports Ray."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InfrastructureError, match=r"label-noise-competition\[cluster\]"):
        RayWorkers(2, threads=1)
    folder = tmp_path / "submissions"
    folder.mkdir()
    (folder / "ann.ipynb").write_text("no notebook")
    arguments = ["batch", str(folder), "--data", str(data), "--store", str(tmp_path / "contest.sqlite")]
    arguments += ["--runs", str(tmp_path / "runs"), "--device", "cpu"]
    for workers, status in (("2", 3), ("1", 0)):
        result = CliRunner().invoke(app, [*arguments, "--workers", workers], catch_exceptions=False)
        assert result.exit_code == status, result.output


def test_an_address_where_no_cluster_is_says_so():
    """A wrong address is our error, with the address in it."""
    with pytest.raises(InfrastructureError, match=r"no Ray cluster at 127\.0\.0\.1:9"):
        RayWorkers(None, threads=1, address="127.0.0.1:9")


@pytest.mark.slow
def test_a_reaper_outlives_a_worker_that_is_cancelled(tmp_path):
    """Ray, which kills a worker at a Ctrl-C, leaves its children to the reaper, which lets nothing live."""
    told = tmp_path / "pid"

    def hold(path):
        import time

        from grader.sandbox.reaper import start_reaped

        process = start_reaped(["/bin/sh", "-c", "setsid sleep 7538 & echo $!; sleep 7538"])
        path.write_text(f"{process.pid} {process.stdout.readline().decode()}")
        time.sleep(7538)

    with RayWorkers(1, threads=1) as workers:
        reference = workers._remote(hold).remote(told)
        deadline = time.monotonic() + ENOUGH_SECONDS
        while not told.exists() or not told.read_text().endswith("\n"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        workers._ray.cancel(reference, force=True)
        pids = [int(pid) for pid in told.read_text().split()]
        while any(psutil.pid_exists(pid) for pid in pids):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def descendants(pid):
    """Return the command lines of all processes below `pid`."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                yield " ".join(process.cmdline())


class NodeKiller(threading.Thread):
    """Kills a node of a cluster while it trains against a notebook; `killed` says that it did."""

    def __init__(self, cluster, node):
        super().__init__(daemon=True)
        self.cluster, self.node, self.killed = cluster, node, False

    def run(self):
        """Wait for a kernel below the node's own processes, then kill them all at once."""
        pid = self.node.all_processes["raylet"][0].process.pid
        deadline = time.monotonic() + ENOUGH_SECONDS
        while time.monotonic() < deadline and not self.killed:
            time.sleep(0.2)
            if any("ipykernel_launcher" in line for line in descendants(pid)):
                self.cluster.remove_node(self.node, allow_graceful=False)
                self.killed = True


@pytest.mark.slow
def test_a_node_that_dies_mid_batch_loses_nothing(data, tmp_path):
    """Of two nodes one is killed while it grades: each result is there, once, with the bits of this process."""
    from ray.cluster_utils import Cluster

    folder, runs, store = tmp_path / "submissions", tmp_path / "runs", tmp_path / "contest.sqlite"
    folder.mkdir()
    cells = {
        "ann": f"import time\ntime.sleep(5)\n{ALL_SAMPLES}",
        "bob": f"import time\ntime.sleep(6)\n{ALL_SAMPLES}",
        "cid": "def your_select_indices(targets, losses):\n    return [targets == 1, losses[0] < losses[0].median()]",
    }
    for name, cell in cells.items():
        (folder / f"{name}.ipynb").write_text(notebook_text(graft(cell)))
    head = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        killer = NodeKiller(cluster, cluster.add_node(num_cpus=1))
        killer.start()
        arguments = ["batch", str(folder), "--data", str(data), "--store", str(store), "--runs", str(runs)]
        arguments += ["--device", "cpu", "--threads", "1", "--ray-address", cluster.address]
        result = CliRunner().invoke(app, arguments, env={"COLUMNS": "300"}, catch_exceptions=False)
    finally:
        cluster.shutdown()
    assert killer.killed
    assert "2 workers on Ray" in result.output
    assert result.exit_code == 0, result.output
    with Store(store) as opened:
        names = {submission.id: submission.participant for submission in opened.submissions()}
        gradings = {names[grading.submission_id]: grading for grading in opened.gradings()}
        assert len(opened.gradings()) == 3
    assert {name: grading.record.verdict for name, grading in gradings.items()} == dict.fromkeys(cells, Verdict.OK)
    assert {path.name for path in runs.iterdir()} == {grading.run for grading in gradings.values()}
    task = Task(0, (folder / "cid.ipynb").read_bytes(), Settings(data, "test_a", threads=1))
    [(_, here)] = InProcess().outcomes(iter([task]), 1)
    there = gradings["cid"]
    assert here.record.bac == there.record.bac
    kept = {path.name: path.read_bytes() for path in (runs / there.run).iterdir() if path.name != RECORD_FILE}
    same = [name for name in here.files if name.endswith((".safetensors", ".json"))]
    assert len(same) == 3
    assert {name: kept[name] for name in same} == {name: here.files[name] for name in same}
    assert set(kept) == set(here.files)
