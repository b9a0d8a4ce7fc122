"""A stand-in for Codabench's compute worker: the same steps and mounts, each container a bubblewrap process.

Written from what the platform's own worker does: which folders a container sees and which of them it may write, that a
submission's own command runs before the ingestion with the same output folder, that a failed ingestion goes on to the
scoring, and what makes a submission Finished or Failed.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc")
PARTS = ("ingestion_program", "input_data", "scoring_program", "reference_data")


@dataclass(frozen=True)
class Submitted:
    """What the platform shows of a submission.

    Attributes:
        status: "Finished" or "Failed".
        scores: of ``scores.json``; None without.
        page: the detailed results; "" without.
        printed: what all containers printed.
        results: the folder that the scoring got as ``res``.
    """

    status: str
    scores: dict | None
    page: str
    printed: str
    results: Path


def in_container(python: Path, mounts: dict[str, tuple[Path, bool]], environment: tuple[str, ...] = ()) -> list[str]:
    """Return bubblewrap's command line up to that of a container: no capability, no namespaces, no network.

    Args:
        python: the interpreter whose environment stands for the image.
        mounts: by their names below ``/app``, the folders, and whether they may be written.
        environment: further variables, as NAME=VALUE.
    """
    options = ["--unshare-all", "--unshare-user", "--uid", "0", "--gid", "0", "--cap-drop", "ALL", "--disable-userns"]
    options += ["--new-session", "--die-with-parent", "--clearenv"]
    for variable in (f"PATH={python.parent}:/usr/bin:/bin", "OMP_NUM_THREADS=1", *environment):
        options += ["--setenv", *variable.split("=", 1)]
    base = Path(os.path.realpath(python)).parents[1]
    for path in map(Path, (*SYSTEM, python.parents[1], base)):
        shown = ("--symlink", str(path.readlink())) if path.is_symlink() else ("--ro-bind-try", str(path))
        options += [*shown, str(path)]
    options += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    for name, (path, writable) in mounts.items():
        options += ["--bind" if writable else "--ro-bind", str(path), f"/app/{name}"]
    return ["bwrap", *options, "--chdir", "/app/program", "--"]


class Worker:
    """A worker for one bundle, in a folder of its own.

    Args:
        bundle: the bundle's zip.
        folder: what it works in.
    """

    def __init__(self, bundle: Path, folder: Path) -> None:
        self._folder, self._runs = folder, 0
        self.data = folder / "data"
        self.data.mkdir(parents=True)
        with zipfile.ZipFile(bundle) as archive:
            archive.extractall(folder / "bundle")
        [task] = yaml.safe_load((folder / "bundle" / "competition.yaml").read_text())["tasks"]
        self._parts = {part: folder / "bundle" / task[part] for part in PARTS if part in task}

    def container(self, program: Path, mounts: dict[str, tuple[Path, bool]]) -> tuple[int, str]:
        """Run a program's command; return its exit status and what it printed. Without a command nothing runs."""
        told = program / "metadata.yaml"
        if not told.is_file():
            return 0, ""
        command = shlex.split(yaml.safe_load(told.read_text())["command"])
        mounts = {"program": (program, True), "data": (self.data, False), **mounts}
        ran = subprocess.run(
            [*in_container(Path(sys.executable), mounts), *command],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return ran.returncode, ran.stdout + ran.stderr

    def submit(self, packed: bytes, *, kill_ingestion: bool = False) -> Submitted:
        """Take a submission's zip through both steps."""
        self._runs += 1
        here = self._folder / f"run-{self._runs}"
        submission, output, results, scored, shared = (
            here / name for name in ("submission", "output", "res", "scored", "shared")
        )
        for folder in (submission, output, results, scored, shared):
            folder.mkdir(parents=True)
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            archive.extractall(submission)
        printed = self._predict(submission, output, kill_ingestion)
        shutil.make_archive(str(here / "prediction"), "zip", output)
        shutil.unpack_archive(here / "prediction.zip", results)
        mounts = {"output": (scored, True), "input/res": (results, True), "shared": (shared, True)}
        if "reference_data" in self._parts:
            mounts["input/ref"] = (self._parts["reference_data"], True)
        status, said = self.container(self._parts["scoring_program"], mounts)
        scores, page = scored / "scores.json", scored / "detailed_results.html"
        found = json.loads(scores.read_text()) if scores.exists() else None
        return Submitted(
            "Finished" if status == 0 and found is not None else "Failed",
            found,
            page.read_text() if page.exists() else "",
            printed + said,
            results,
        )

    def _predict(self, submission: Path, output: Path, kill_ingestion: bool) -> str:
        """Run a submission's own command or copy its files, then the ingestion, whatever became of the first."""
        data = {"input_data": (self._parts["input_data"], True)} if "input_data" in self._parts else {}
        printed = ""
        if (submission / "metadata.yaml").is_file():
            _, printed = self.container(submission, {"output": (output, True), **data})
        else:
            shutil.copytree(submission, output, dirs_exist_ok=True)
        if "ingestion_program" in self._parts and not kill_ingestion:
            mounts = {"output": (output, True), "ingested_program": (submission, True), **data}
            printed += self.container(self._parts["ingestion_program"], mounts)[1]
        return printed


@contextmanager
def daemon_at(socket: Path, data: Path, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the real daemon behind a socket, for a contest in `folder`, as a service would."""
    contest = folder / "contest.toml"
    contest.write_text(f'data = "{data}"\n[grading]\ndevice = "cpu"\nthreads = 1\n')
    process = subprocess.Popen(
        [sys.executable, "-m", "grader", "codabench-daemon", "--socket", str(socket), "--each", "50"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        assert "waiting for submissions" in process.stdout.readline()
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=120)


def packed(**files: str | bytes) -> bytes:
    """Make a zip; two underscores in a name stand for the dot of its ending."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return stream.getvalue()
