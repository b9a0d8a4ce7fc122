"""Run a notebook confined by Landlock and a filter of system calls: where namespaces are refused, as in a container.

It is for a container that holds nothing worth hiding but the trainer itself, and has no network: the programs of
Codabench's bundle mode use it, and nothing else. The notebook reads a list of system folders, this Python and its
inputs; it writes its own folder and ``/dev/shm`` alone. It cannot trace the trainer, nor read its memory, and with
Landlock's sixth version (Linux 6.12) it cannot send it a signal.

Not covered: it sees the names of files and the processes of the container; the room for files is limited by file, not
in all; the network is not restricted, so this refuses to run where there is one; before Linux 6.12 it may end the
trainer, which gains it nothing.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from grader.sandbox import confine
from grader.sandbox.bubblewrap import SHARED_MEMORY, SYSTEM_FILES, SYSTEM_FOLDERS, process_limits
from grader.sandbox.job import Job
from grader.sandbox.plain import InFolder, environment_in, notebook_folder
from grader.sandbox.reaper import start_reaped
from grader.sandbox.running import Running
from grader.sandbox.system_calls import TRACING, filter_program
from grader.verdicts import InfrastructureError

PR_SET_DUMPABLE = 4
KERNEL_FILES = ("/proc", "/sys/devices/system/cpu", "/sys/fs/cgroup")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", SHARED_MEMORY)


def networks() -> list[str]:
    """Return the network interfaces that are up, the loopback apart."""
    return sorted(name for name, state in psutil.net_if_stats().items() if state.isup and name != "lo")


def confined_problem() -> str | None:
    """Say why a notebook can't be confined here, with what to do; None where it can."""
    version = confine.landlock_version()
    if version < confine.LEAST_VERSION:
        have = f"version {version} of Landlock" if version else "no Landlock"
        return f"this kernel has {have}: Linux 6.2 or newer is needed, with landlock among its security modules"
    if filter_program() is None:
        return "the numbers of this machine's system calls are not known: use x86-64 or ARM64"
    if found := networks():
        return (
            f"there is a network ({', '.join(found)}): switch it off, on Codabench's worker with "
            "COMPETITION_CONTAINER_NETWORK_DISABLED=True"
        )
    return None


class Confined(InFolder):
    """A notebook that runs under a reaper, confined, in `folder`."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        super().__init__(process, folder)
        assert process.stdin is not None
        self._line = process.stdin

    def lost(self) -> str | None:
        """Say nothing: the notebook can end its own outermost process, so that no signal tells who sent it."""
        return None

    def close(self) -> None:
        """Stop it and let go of its line."""
        super().close()
        self._line.close()

    def _kill(self) -> None:
        self._line.close()


def readable(job: Job) -> list[str]:
    """Return what the notebook may read: real paths, as Landlock follows links to where they lead."""
    paths = [*SYSTEM_FOLDERS, *SYSTEM_FILES, *KERNEL_FILES, sys.prefix, sys.base_prefix]
    return sorted({os.path.realpath(path) for path in [*paths, *map(str, job.inputs().values())]})


@contextmanager
def run_confined(job: Job) -> Iterator[Running]:
    """Execute the notebook confined; see `grader.sandbox.run_notebook`."""
    if problem := confined_problem():
        raise InfrastructureError(f"no sandbox: {problem}")
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # nobody of our user may look into this process
    with notebook_folder(job) as folder:
        file_limit = (resource.RLIMIT_FSIZE, job.limits.scratch_bytes)
        allowed = {
            "folder": str(folder),
            "read": readable(job),
            "write": [str(folder.resolve()), *DEVICES],
            "limits": [*process_limits(job.limits), file_limit],
            "filter": (filter_program(also=TRACING) or b"").hex(),
            "environment": environment_in(folder, job),
            "command": [sys.executable, *job.papermill()],
        }
        told_read, told_write = os.pipe()
        try:
            with open(told_write, "w", encoding="utf-8") as stream:
                json.dump(allowed, stream)
            process = start_reaped(
                [sys.executable, "-I", "-S", confine.__file__, str(told_read)], pass_fds=(told_read,)
            )
        finally:
            os.close(told_read)
        running = Confined(process, folder)
        try:
            yield running
        finally:
            running.close()
