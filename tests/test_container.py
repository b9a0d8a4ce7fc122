"""The container backends: their command line, and whole gradings with a stand-in for the engine.

No engine is needed: see `stand_in_engine`.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grader.cli import app
from grader.sandbox import Job, Limits, container
from grader.sandbox.limits import MIB, TASKS_PER_PROCESS
from grader.verdicts import InfrastructureError
from tests.conftest import ALL_SAMPLES

LIMITS = Limits(
    60.0, 300.0, memory_bytes=2048 * MIB, processes=16, scratch_bytes=64 * MIB, shm_bytes=32 * MIB, files=1000
)


@pytest.fixture
def engine(request, tmp_path, monkeypatch):
    """Put a stand-in for an engine, with our image, in front of every other program; return its name and state."""
    name = getattr(request, "param", "podman")
    state, programs = tmp_path / "engine", tmp_path / "programs"
    (state / "images").mkdir(parents=True)
    (state / "images" / "label-noise-competition").touch()
    programs.mkdir()
    stand_in = programs / name
    stand_in.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).with_name("stand_in_engine.py")} "$@"\n')
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("STAND_IN_STATE", str(state))
    return name, state


def command(engine, device="cpu", train="/data/train"):
    """Build the command for a job, as a list and as text."""
    job = Job(Path("/gate/g"), Path(train), Path("/data/val"), device, 2, LIMITS, image="our-image")
    return container.run_command(engine, "label-noise-1", job)


@pytest.mark.parametrize("name", ["podman", "docker"])
def test_the_container_is_closed_on_every_side(name, monkeypatch):
    """No network, no capability, no privilege, no foreign image, nothing writable but two sized file systems."""
    monkeypatch.setenv("SECRET_TOKEN", "canary")
    built = command(name)
    shown = " ".join(built)
    file_count = {"podman": "", "docker": ",nr_inodes=1000"}[name]  # podman has no option for it
    for expected in (
        f"{name} run --name label-noise-1 --pull never --log-driver none --network none --ipc private",
        "--user 65534:65534 --cap-drop ALL --security-opt no-new-privileges",
        f"--memory {2048 * MIB} --memory-swap {2048 * MIB} --pids-limit {16 * TASKS_PER_PROCESS}",
        f"--tmpfs /tmp:rw,exec,nosuid,nodev,mode=1777,size={64 * MIB}{file_count} --shm-size {32 * MIB}",
        "--mount type=bind,source=/data/train,target=/inputs/train,readonly",
        "--mount type=bind,source=/data/val,target=/inputs/val,readonly",
        "--mount type=bind,source=/gate/g,target=/inputs/gateway,readonly our-image /usr/bin/env -i ",
        f" timeout --signal KILL {2 * 300 + container.ORPHAN_SECONDS:g} sh -c ",
    ):
        assert expected in shown
    assert "--read-only" in built
    assert ("--read-only-tmpfs=false" in built) == ("--http-proxy=false" in built) == (name == "podman")
    assert "--gpus" not in built
    assert "--device" not in built
    assert "canary" not in shown
    assert shown.endswith("--kernel python3 --no-progress-bar -p FINAL_EVALUATION_MODE True -p NUM_THREADS 2")


def test_a_gpu_is_passed_in_as_each_engine_wants_it():
    """Podman takes a CDI device, docker a flag; a CPU job gets neither and sees no GPU."""
    assert " ".join(["--device", "nvidia.com/gpu=all"]) in " ".join(command("podman", "cuda"))
    assert " ".join(["--gpus", "all"]) in " ".join(command("docker", "cuda"))
    assert "CUDA_VISIBLE_DEVICES=" in command("docker")


def test_a_comma_in_a_path_stays_in_the_path():
    """Engines read a mount as a line of CSV, so a folder with a comma adds no option of its own."""
    assert 'type=bind,"source=/data/a,rw",target=/inputs/train,readonly' in command("podman", train="/data/a,rw")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["podman", "docker"], indirect=True)
def test_a_notebook_is_graded_in_a_container(grade, engine):
    """The whole way through an engine: graded, kept with its executed notebook, and no container left."""
    name, state = engine
    cell = "import os\nprint(sorted(os.environ))\n" + ALL_SAMPLES
    graded = grade(cell, "--sandbox", name)
    assert (graded.status, graded.record["sandbox"]) == (0, name), graded.printed
    executed = (graded.run / "executed.ipynb").read_text()
    assert "FINAL_EVALUATION_MODE" in executed
    assert "STAND_IN_STATE" not in executed
    assert list((state / "containers").iterdir()) == []


def test_an_error_comes_out_of_a_container(grade, light, engine):
    """The executed notebook reaches the grader though the container's files are gone."""
    graded = grade("raise ValueError('from within')", "--sandbox", engine[0])
    assert (graded.record["verdict"], graded.status) == ("RuntimeError", 1)
    assert "ValueError: from within" in graded.record["message"]
    assert str(Path(sys.prefix).parent) not in graded.record["message"].replace(sys.prefix, "")


def test_a_container_ends_at_the_time_limit(grade, light, engine):
    """A loop without end is TimeLimitExceeded, and the container is removed."""
    name, state = engine
    graded = grade("while True: pass", "--sandbox", name, "--time-limit", "6")
    assert graded.record["verdict"] == "TimeLimitExceeded"
    assert list((state / "containers").iterdir()) == []
    marker = "label-noise-"
    listed = subprocess.run(["ps", "ax", "-o", "args"], capture_output=True, text=True, check=True).stdout
    assert not [line for line in listed.splitlines() if marker in line and "stand_in_engine" in line]


def test_too_much_memory_is_what_the_engine_says(grade, light, engine):
    """A container that the engine killed for want of memory is MemoryLimitExceeded."""
    name, state = engine
    (state / "oom").touch()
    graded = grade("import os\nos.kill(os.getpid(), 9)", "--sandbox", name)
    assert graded.record["verdict"] == "MemoryLimitExceeded"


@pytest.mark.parametrize(
    ("state_file", "words", "starts"),
    [
        ("down", "the service is down", 0),
        ("broken", "did not start it", 3),
        ("unstartable", "did not start it", 3),
        ("stuck", "cannot be removed", 1),
    ],
)
def test_an_engine_that_fails_is_our_fault(grade, light, engine, state_file, words, starts):
    """A service that is down, a container that does not start or cannot be removed: exit 3, and what to do.

    One that does not start is tried three times.
    """
    name, state = engine
    (state / state_file).touch()
    graded = grade("raise ValueError", "--sandbox", name)
    assert (graded.status, graded.record["verdict"]) == (3, "InfrastructureError")
    assert words in graded.record["message"]
    assert (state / "log").read_text().count("run ") == starts


def test_a_missing_engine_or_image_is_named_with_the_remedy(grade, engine, monkeypatch):
    """Without its program or its image, a backend says what is missing and what to do."""
    name = engine[0]
    other = grade(ALL_SAMPLES, "--sandbox", name, "--image", "elsewhere")
    assert other.status == 3
    assert f"no image 'elsewhere': build it with 'make image ENGINE={name}'" in other.record["message"]
    monkeypatch.setattr("shutil.which", lambda program: None)
    assert f"{name} is not installed" in grade(ALL_SAMPLES, "--sandbox", name).record["message"]


def test_data_that_the_containers_user_cannot_read_is_refused(tmp_path):
    """Folders closed to others would look like the participant's fault, so they are refused before."""
    (tmp_path / "train").mkdir(mode=0o755)
    image = tmp_path / "train" / "image.png"
    image.touch(mode=0o644)
    container.require_readable(tmp_path / "train")
    image.chmod(0o600)
    with pytest.raises(InfrastructureError, match=r"cannot read .*image\.png: chmod -R o\+rX"):
        container.require_readable(tmp_path / "train")


def test_a_flood_into_the_output_pipe_is_bounded(tmp_path):
    """A notebook may send what it likes: it is read to the end, and dropped as a whole when it is too much."""
    for sent, limit, kept in ((b"x" * 3_000_000, 1_000_000, None), (b"y" * 3_000_000, 4_000_000, 3_000_000)):
        path = tmp_path / f"pipe-{limit}"
        pipe = container.OutputPipe(path, limit)
        with open(path, "wb") as stream:
            stream.write(sent)
        content = pipe.close()
        assert (None if content is None else len(content)) == kept
    path = tmp_path / "silent"
    assert container.OutputPipe(path, 10).close() is None


def test_the_image_holds_nothing_but_packages():
    """The Dockerfile copies one file, from a folder without data, and gives up root."""
    lines = Path(container.__file__).with_name("Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith(("COPY", "ADD"))] == ["COPY requirements.txt /"]
    assert [line for line in lines if line.startswith("USER")] == [f"USER {container.USER}"]


def test_the_backends_are_offered(grade):
    """`grader grade --help` names them."""
    shown = CliRunner().invoke(app, ["grade", "--help"], env={"COLUMNS": "200"}).output
    assert "bwrap|podman|docker|confined|none" in shown
