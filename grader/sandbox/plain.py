"""Run a notebook as a plain child process in a temporary folder. It isolates nothing: for one's own notebook."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from competition.scratch import scratch_folder
from grader.safe_io import NotAFile, TooLarge, read_untrusted_file
from grader.sandbox.job import OUTPUT_NOTEBOOK, Job, notebook_environment
from grader.sandbox.nvidia import driver_environment
from grader.sandbox.running import Running


class InFolder(Running):
    """A notebook that runs as a child of ours, in `folder`."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        super().__init__(process)
        self._folder = folder

    def executed(self, limit: int) -> bytes | None:
        """Return the executed notebook; see `Running`."""
        try:
            return read_untrusted_file(self._folder / OUTPUT_NOTEBOOK, limit, links=1)
        except (NotAFile, TooLarge, OSError):
            return None

    def _kill(self) -> None:
        kill_tree(self.pid)


@contextmanager
def notebook_folder(job: Job) -> Iterator[Path]:
    """Make the folder in which a notebook is executed: its inputs as links, and a home, ``tmp``."""
    with scratch_folder("notebook") as folder:
        (folder / "tmp").mkdir()
        for name, target in job.inputs().items():
            (folder / name).symlink_to(target)
        yield folder


def environment_in(folder: Path, job: Job) -> dict[str, str]:
    """Return the environment of a notebook that is executed in a folder of `notebook_folder`."""
    programs = str(Path(sys.executable).parent)
    return notebook_environment(str(folder / "tmp"), job.device, programs) | driver_environment(job.device)


@contextmanager
def run_in_folder(job: Job) -> Iterator[Running]:
    """Execute the notebook as a plain child process; see `grader.sandbox.run_notebook`."""
    with notebook_folder(job) as folder:
        process = subprocess.Popen(
            [sys.executable, *job.papermill()],
            cwd=folder,
            env=environment_in(folder, job),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
        )
        running = InFolder(process, folder)
        try:
            yield running
        finally:
            running.close()


def kill_tree(pid: int) -> None:
    """Kill a process and all that descend from it."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
