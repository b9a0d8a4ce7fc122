"""Run a notebook with papermill where it can do no harm, and bring back what it wrote.

Two backends behind one interface:

- ``bwrap`` (bubblewrap, Linux): own user, mount, PID, network, IPC and UTS namespaces; a read-only allow-list of
  system folders and of this Python; everything writable is a size-limited tmpfs; no capability, no further user
  namespace, a cleared environment. The whole PID namespace dies with the grader.
- ``none``: a plain child process in a temporary folder. It isolates nothing and is meant for one's own notebook.

Not covered by ``bwrap``: kernel bugs (the system-call interface is not filtered), side channels such as timing and
shared caches, and on a GPU whatever NVIDIA's driver lets one process see of another. CPU time is not shared out: a
notebook may slow the trainer down, within its own time limit.
"""

from __future__ import annotations

import json
import os
import re
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO

import psutil

from grader.limits import Limits
from grader.untrusted_file import NotAFile, TooLarge, read_untrusted_file
from grader.verdicts import InfrastructureError

START_SECONDS = 30.0
MINIMUM_BWRAP = (0, 8)
CAPTURED_BYTES = 256 * 1024
INPUT_NOTEBOOK = "notebook.ipynb"
OUTPUT_NOTEBOOK = "executed.ipynb"
GATEWAY_FOLDER = "gateway"
TASK = "/tmp/task"
HOME = "/tmp/home"

SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt/nvidia")
SYSTEM_FILES = (
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
)
# Settings that change the bits of a result, and nothing else, pass through.
NUMERIC_VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "MKL_CBWR",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "OPENBLAS_NUM_THREADS",
)


class Backend(StrEnum):
    """How a notebook is isolated."""

    BWRAP = "bwrap"
    NONE = "none"


@dataclass(frozen=True)
class Job:
    """A notebook to execute in final evaluation mode, and what it may see and use.

    Attributes:
        gateway: the folder with the notebook and the grader's socket; see `gateway_folder`.
        train, val: the folders that stand as ``train/`` and ``val/`` in its working folder.
        device: "cpu" or "cuda".
        threads: CPU threads of its kernel.
        limits: see `Limits`.
    """

    gateway: Path
    train: Path
    val: Path
    device: str
    threads: int
    limits: Limits

    def inputs(self) -> dict[str, Path]:
        """Return the folders that it reads, by their names in its working folder."""
        return {"train": self.train.resolve(), "val": self.val.resolve(), GATEWAY_FOLDER: self.gateway.resolve()}

    def papermill(self) -> list[str]:
        """Return the arguments for Python that execute it."""
        return [
            *("-m", "papermill", f"{GATEWAY_FOLDER}/{INPUT_NOTEBOOK}", OUTPUT_NOTEBOOK),
            *("--kernel", "python3", "--no-progress-bar"),
            *("-p", "FINAL_EVALUATION_MODE", "True", "-p", "NUM_THREADS", str(self.threads)),
        ]


def bwrap_problem() -> str | None:
    """Say why bubblewrap can't be used here, with what to do; None where it can."""
    program = shutil.which("bwrap")
    if program is None:
        return "bubblewrap is not installed: on Debian or Ubuntu, 'apt-get install bubblewrap'"
    shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    version = tuple(int(part) for part in re.findall(r"\d+", shown)[:2])
    if version < MINIMUM_BWRAP:
        return (
            f"{shown.strip() or program} is too old: bubblewrap {'.'.join(map(str, MINIMUM_BWRAP))} or newer is needed"
        )
    trial = [program, *namespace_options(), "--ro-bind", "/", "/", "true"]
    result = subprocess.run(trial, capture_output=True, text=True, timeout=START_SECONDS, check=False)
    if result.returncode != 0:
        return (
            f"bubblewrap cannot make a sandbox here ({result.stderr.strip()}): allow user namespaces; on Ubuntu 24.04, "
            "'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0'"
        )
    return None


def namespace_options() -> list[str]:
    """Return the options that isolate everything which is not a file."""
    return [
        *(
            "--unshare-all",
            "--unshare-user",
            "--disable-userns",
            "--cap-drop",
            "ALL",
            "--uid",
            "65534",
            "--gid",
            "65534",
        ),
        *("--new-session", "--die-with-parent", "--clearenv", "--hostname", "sandbox"),
    ]


def notebook_environment(home: str, device: str) -> dict[str, str]:
    """Return the whole environment of a notebook's process."""
    environment = {
        "HOME": home,
        "IPYTHONDIR": f"{home}/.ipython",
        "JUPYTER_PLATFORM_DIRS": "1",
        "LANG": "C.UTF-8",
        "LOGNAME": "participant",
        "MPLCONFIGDIR": f"{home}/.matplotlib",
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), "/usr/bin", "/bin")),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "TMPDIR": home,
        "USER": "participant",
    }
    environment |= {name: os.environ[name] for name in NUMERIC_VARIABLES if name in os.environ}
    if device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    elif "CUDA_VISIBLE_DEVICES" in os.environ:
        environment["CUDA_VISIBLE_DEVICES"] = os.environ["CUDA_VISIBLE_DEVICES"]
    return environment


def file_options(job: Job) -> list[str]:
    """Return the options that say which files exist in the sandbox. Each mount may hide parts of those before it."""
    options = ["--proc", "/proc", "--dev", "/dev", "--size", str(job.limits.shm_bytes), "--tmpfs", "/dev/shm"]
    if job.device == "cuda":
        for node in sorted([*Path("/dev").glob("nvidia*"), *Path("/dev").glob("dri")]):
            options += ["--dev-bind", str(node), str(node)]
    options += ["--remount-ro", "/dev", "--size", str(job.limits.scratch_bytes), "--tmpfs", "/tmp"]
    options += ["--dir", TASK, "--dir", HOME]
    for folder in map(Path, SYSTEM_FOLDERS):
        if folder.is_symlink():
            options += ["--symlink", str(folder.readlink()), str(folder)]
        else:
            options += ["--ro-bind-try", str(folder), str(folder)]
    for path in SYSTEM_FILES:
        options += ["--ro-bind-try", path, path]
    for prefix in sorted({sys.prefix, sys.base_prefix, os.path.realpath(sys.base_prefix)}):
        if not Path(prefix).is_relative_to("/usr"):
            options += ["--ro-bind", prefix, prefix]
    for name, folder in job.inputs().items():
        options += ["--ro-bind", str(folder), f"{TASK}/{name}"]
    return [*options, "--remount-ro", "/", "--chdir", TASK]


class Running:
    """A notebook that is being executed.

    Attributes:
        pid: the process from which its whole tree descends.
    """

    def __init__(self, process: subprocess.Popen[bytes], kill: Callable[[], None]) -> None:
        assert process.stdout is not None
        self.pid = process.pid
        self.kill = kill
        self._output = bytearray()
        self._dropped = 0
        self._process = process
        self._namespace: int | None = None
        self._scratch: int | None = None
        self._reader = threading.Thread(target=self._drain, args=(process.stdout,), daemon=True)
        self._reader.start()

    def alive(self) -> bool:
        """Say whether papermill still runs."""
        return self._process.poll() is None

    def wait(self, seconds: float) -> None:
        """Give papermill time to end by itself."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(seconds, 0.0))

    def hold(self, scratch: str, init_pid: int | None = None) -> None:
        """Keep hold of the folder that the notebook writes into, and of its PID namespace's first process.

        The folder then outlives the sandbox, and `stop` can wait for the death of everything in the namespace.
        """
        if init_pid is not None:
            self._namespace = os.pidfd_open(init_pid)
        self._scratch = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def stop(self) -> None:
        """Kill the notebook and all its processes; return when none lives."""
        self.kill()
        self._process.wait()
        if self._namespace is not None:
            select.select([self._namespace], [], [])  # readable once the namespace's first process is gone, and so all

    def scratch_is_full(self) -> bool:
        """Say whether the notebook used up its quota of files (without a sandbox there is none)."""
        if self._scratch is None or self._namespace is None:
            return False
        room = os.fstatvfs(self._scratch)
        return room.f_bfree * room.f_frsize < 64 * 1024 or room.f_ffree < 16

    def read_file(self, name: str, limit: int) -> bytes | None:
        """Read a file that the notebook wrote; None unless it is a regular, single-link file of at most `limit` bytes.

        Call it after `stop`: nothing can then be exchanged while we look.
        """
        if self._scratch is None:
            return None
        try:
            return read_untrusted_file(name, limit, dir_fd=self._scratch, links=1)
        except (NotAFile, TooLarge, OSError):
            return None

    def captured(self) -> bytes:
        """Return what it printed so far: the first `CAPTURED_BYTES`, and a notice where there was more."""
        notice = f"\n[cut: {self._dropped:,} more bytes of output]\n" if self._dropped else ""
        return bytes(self._output) + notice.encode()

    def close(self) -> None:
        """Stop it and let go of everything that `hold` took."""
        self.stop()
        self._reader.join(timeout=5)
        for descriptor in (self._scratch, self._namespace):
            if descriptor is not None:
                os.close(descriptor)
        self._scratch = self._namespace = None

    def _drain(self, stream: IO[bytes]) -> None:
        with stream:
            while chunk := stream.read(65536):
                kept = chunk[: CAPTURED_BYTES - len(self._output)]
                self._output += kept
                self._dropped += len(chunk) - len(kept)


@contextmanager
def gateway_folder() -> Iterator[Path]:
    """Make the short folder that holds the grader's socket and the notebook to run, and remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="gate-") as folder:
        yield Path(folder)


@contextmanager
def run_notebook(backend: Backend, job: Job) -> Iterator[Running]:
    """Execute a notebook; on leaving the context, nothing of it lives.

    Raises:
        InfrastructureError: the sandbox cannot be made.
    """
    if backend is Backend.BWRAP:
        if problem := bwrap_problem():
            raise InfrastructureError(f"no sandbox: {problem}; or, for a notebook that you trust, use --sandbox none")
        with run_in_bwrap(job) as running:
            yield running
    else:
        with run_in_folder(job) as running:
            yield running


@contextmanager
def run_in_bwrap(job: Job) -> Iterator[Running]:
    """Execute the notebook in bubblewrap; see `run_notebook`."""
    program = shutil.which("bwrap") or "bwrap"
    options = [*namespace_options(), *file_options(job)]
    for name, value in notebook_environment(HOME, job.device).items():
        options += ["--setenv", name, value]
    info_read, info_write = os.pipe()
    options_read, options_write = os.pipe()
    # The notebook sees bubblewrap as process 1, with its command line and environment: so both are bare.
    process = subprocess.Popen(
        [program, "--args", str(options_read), "--info-fd", str(info_write), "--", sys.executable, *job.papermill()],
        env={},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        pass_fds=(options_read, info_write),
    )
    os.close(options_read)
    os.close(info_write)
    with open(options_write, "wb") as stream, suppress(BrokenPipeError):
        stream.write(b"".join(os.fsencode(option) + b"\0" for option in options))
    resource.prlimit(process.pid, resource.RLIMIT_CORE, (0, 0))
    running = Running(process, process.kill)
    try:
        init_pid = read_init_pid(info_read)
        running.hold(wait_for_scratch(init_pid, running), init_pid)
    except (ProcessLookupError, FileNotFoundError):
        running.close()
        shown = running.captured().decode(errors="replace").strip()
        raise InfrastructureError(f"the sandbox did not start: {shown or 'no message from bubblewrap'}") from None
    try:
        yield running
    finally:
        running.close()


def read_init_pid(info: int) -> int:
    """Read from bubblewrap's ``--info-fd`` the PID of the first process in its namespace; close the descriptor."""
    text = b""
    with open(info, "rb", buffering=0) as stream:
        while not text.rstrip().endswith(b"}"):
            ready, _, _ = select.select([stream], [], [], START_SECONDS)
            chunk = stream.read(4096) if ready else None
            if not chunk:
                raise ProcessLookupError
            text += chunk
    return int(json.loads(text)["child-pid"])


def wait_for_scratch(init_pid: int, running: Running) -> str:
    """Wait until the sandbox's mounts stand; return the path by which its scratch folder is seen from outside."""
    root = f"/proc/{init_pid}/root"
    deadline = time.monotonic() + START_SECONDS
    while not (Path(f"{root}{TASK}/{GATEWAY_FOLDER}/{INPUT_NOTEBOOK}").exists() and not Path(root).samefile("/")):
        if not running.alive() or time.monotonic() > deadline:
            raise ProcessLookupError
        time.sleep(0.01)
    return f"{root}{TASK}"


@contextmanager
def run_in_folder(job: Job) -> Iterator[Running]:
    """Execute the notebook as a plain child process; see `run_notebook`."""
    with tempfile.TemporaryDirectory(prefix="notebook-", ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch)
        (folder / "tmp").mkdir()
        for name, target in job.inputs().items():
            (folder / name).symlink_to(target)
        environment = notebook_environment(str(folder / "tmp"), job.device)
        process = subprocess.Popen(
            [sys.executable, *job.papermill()],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
        )
        running = Running(process, lambda: kill_tree(process.pid))
        try:
            running.hold(scratch)
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
