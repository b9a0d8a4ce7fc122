"""Run a notebook in a container, with podman or docker. The tests use a stand-in for the engine.

The engine must be on this machine (the grader's socket is a file), with the image that ``make image`` builds. The
container has no network, no capability, a read-only root, no environment of the host's, and an unprivileged user; the
engine limits memory, processes and threads, and filters system calls. ``/tmp`` and ``/dev/shm`` are size-limited tmpfs,
which vanish with the container: so the executed notebook is sent out before, through a named pipe beside the socket.
A full ``/tmp`` is therefore the `RuntimeError` that the notebook reports, not `OutputLimitExceeded`.

A container does not die with the grader. Its first process, which nothing in it can kill, ends it soon after the time
limit.
"""

from __future__ import annotations

import csv
import io
import os
import secrets
import select
import shutil
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grader.sandbox.job import GATEWAY_FOLDER, OUTPUT_NOTEBOOK, Job, notebook_environment
from grader.sandbox.limits import TASKS_PER_PROCESS, too_much_memory
from grader.sandbox.running import Running
from grader.verdicts import InfrastructureError, ParticipantFault, SandboxLost

ENGINE_SECONDS = 60.0
ORPHAN_SECONDS = 10.0  # after both guards, which the grader sees to while it lives, the clock inside ends it
ENGINE_FAILED = 125  # the exit status of "run" where the engine itself is at fault
NOT_STARTED = (ENGINE_FAILED, 126, 127)  # the last two: the runtime could not start the command; our script ends with 0
INPUTS = "/inputs"
TASK = "/tmp/task"
HOME = "/tmp/home"
PROGRAMS = "/usr/local/bin"
USER = "65534:65534"
OUTPUT_PIPE = "executed"
# Prepare the working folder, execute the notebook, send out what came of it.
SCRIPT = (
    f"mkdir {TASK} {HOME} && ln -s {INPUTS}/* {TASK} && cd {TASK} || exit {ENGINE_FAILED}; "
    f'python "$@"; cat {OUTPUT_NOTEBOOK} > {GATEWAY_FOLDER}/{OUTPUT_PIPE}; exit 0'
)
ENGINE_OPTIONS = {
    "podman": ["--read-only-tmpfs=false", "--http-proxy=false"],  # otherwise more folders are writable, without limit
    "docker": [],
}
TMP_OPTIONS = {"podman": "", "docker": ",nr_inodes={files}"}  # podman refuses every option that it does not know
GPU_OPTIONS = {"podman": ["--device", "nvidia.com/gpu=all"], "docker": ["--gpus", "all"]}


def read_only_mount(source: Path, target: str) -> str:
    """Return the value of ``--mount`` for a folder; engines read it as a line of CSV."""
    line = io.StringIO()
    csv.writer(line).writerow(["type=bind", f"source={source}", f"target={target}", "readonly"])
    return line.getvalue().strip()


def run_command(engine: str, name: str, job: Job) -> list[str]:
    """Return the command that executes the notebook in a container of this name; pure."""
    limits = job.limits
    environment = notebook_environment(HOME, job.device, PROGRAMS)
    tmp_options = TMP_OPTIONS[engine].format(files=limits.files)
    options = [
        *("--name", name, "--pull", "never", "--log-driver", "none"),
        *("--network", "none", "--ipc", "private", "--hostname", "sandbox", "--user", USER),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--security-opt", "label=disable"),  # SELinux would not let it connect to the grader's socket
        *("--memory", str(limits.memory_bytes), "--memory-swap", str(limits.memory_bytes)),
        *("--pids-limit", str(limits.processes * TASKS_PER_PROCESS), "--ulimit", "core=0:0"),
        *("--read-only", *ENGINE_OPTIONS[engine]),
        *("--tmpfs", f"/tmp:rw,exec,nosuid,nodev,mode=1777,size={limits.scratch_bytes}{tmp_options}"),
        *("--shm-size", str(limits.shm_bytes)),
    ]
    for folder, source in job.inputs().items():
        options += ["--mount", read_only_mount(source, f"{INPUTS}/{folder}")]
    if job.device == "cuda":
        options += GPU_OPTIONS[engine]
    cleared = ["/usr/bin/env", "-i", *(f"{name}={value}" for name, value in environment.items())]
    clock = ["timeout", "--signal", "KILL", f"{2 * limits.guard + ORPHAN_SECONDS:g}"]
    return [engine, "run", *options, job.image, *cleared, *clock, "sh", "-c", SCRIPT, "sh", *job.papermill()]


def ask(engine: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the engine that answers at once.

    Raises:
        InfrastructureError: it does not answer.
    """
    try:
        return subprocess.run(
            [engine, *arguments], capture_output=True, text=True, errors="replace", timeout=ENGINE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InfrastructureError(f"{engine} does not answer: {error}") from None


def container_problem(engine: str, image: str) -> str | None:
    """Say why notebooks cannot run in containers here, with what to do; None where they can."""
    if shutil.which(engine) is None:
        return f"{engine} is not installed"
    answer = ask(engine, "version")
    if answer.returncode != 0:
        return f"{engine} does not work here ({answer.stderr.strip()[-500:]}): start its service, or mend its settings"
    if ask(engine, "image", "inspect", image).returncode != 0:
        return f"there is no image '{image}': build it with 'make image ENGINE={engine}'"
    return None


def require_readable(folder: Path) -> None:
    """Raise `InfrastructureError` where the container's user, nobody in particular here, cannot read a folder."""
    for path in (folder, *folder.rglob("*")):
        needed = stat.S_IROTH | stat.S_IXOTH if path.is_dir() else stat.S_IROTH
        if path.stat().st_mode & needed != needed:
            raise InfrastructureError(f"the container's user cannot read {path}: chmod -R o+rX {folder}")


class OutputPipe:
    """A named pipe into which a notebook sends one file, and a thread that reads it to the end, keeping so much."""

    def __init__(self, path: Path, limit: int) -> None:
        os.mkfifo(path)
        path.chmod(0o622)
        self._limit = limit
        self._content = bytearray()
        self._stopped = threading.Event()
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)  # our own end keeps it open
        self._thread = threading.Thread(target=self._read, name="output-pipe", daemon=True)
        self._thread.start()

    def close(self) -> bytes | None:
        """Stop reading; return what came, None where nothing did or it was too much. Call it after the writer's end."""
        self._stopped.set()
        self._thread.join()
        os.close(self._descriptor)
        return bytes(self._content) if 0 < len(self._content) <= self._limit else None

    def _read(self) -> None:
        while True:
            last = self._stopped.is_set()
            ready, _, _ = select.select([self._descriptor], [], [], 0.0 if last else 0.1)
            if ready:
                chunk = os.read(self._descriptor, 1 << 16)
                self._content += chunk[: self._limit + 1 - len(self._content)]
            elif last:
                return


class InContainer(Running):
    """A notebook in a container; `pid` is the engine's command, whose children are none of its processes."""

    kernel_limits = True

    def __init__(self, process: subprocess.Popen[bytes], engine: str, name: str, job: Job, pipe: OutputPipe) -> None:
        super().__init__(process)
        self._engine, self._name, self._job, self._pipe = engine, name, job, pipe
        self._removed = False
        self._out_of_memory = False
        self._executed: bytes | None = None

    def stop(self) -> None:
        """Kill the container and remove it; return when nothing of it lives.

        Raises:
            InfrastructureError: the engine cannot remove it, so that it may still live.
        """
        if self._removed:
            return
        self._removed = True
        try:
            self.kill()
            self.wait(ENGINE_SECONDS)
            self._process.kill()
            self._process.wait()
            state = ask(self._engine, "container", "inspect", "--format", "{{.State.OOMKilled}}", self._name)
            if state.returncode != 0:
                return  # it was never made
            self._out_of_memory = state.stdout.strip() == "true"
            removal = ask(self._engine, "rm", "--force", self._name)
            if removal.returncode != 0:
                raise InfrastructureError(f"the container {self._name} cannot be removed: {removal.stderr.strip()}")
        finally:
            self._executed = self._pipe.close()

    def breach(self) -> ParticipantFault | None:
        """Return the fault of too much memory, which the engine knows once the container is dead."""
        return too_much_memory(self._job.limits) if self._out_of_memory else None

    def lost(self) -> str | None:
        """Say what ended it from outside; see `Running`."""
        if self._process.returncode in NOT_STARTED:
            return f"{self._engine} did not start it: {self.captured().decode(errors='replace').strip()[-500:]}"
        return super().lost()

    def executed(self, limit: int) -> bytes | None:
        """Return the executed notebook, as far as it was sent out."""
        return self._executed if self._executed is not None and len(self._executed) <= limit else None

    def _kill(self) -> None:
        if ask(self._engine, "kill", "--signal", "KILL", self._name).returncode != 0:
            self._process.kill()  # there is no such container: the engine is still at making it, or at ending


@contextmanager
def run_in_container(engine: str, job: Job) -> Iterator[Running]:
    """Execute the notebook in a container; see `grader.sandbox.run_notebook`."""
    if problem := container_problem(engine, job.image):
        raise InfrastructureError(f"no sandbox: {problem}; or use another one with --sandbox")
    for folder in (job.train, job.val):
        require_readable(folder)
    job.gateway.chmod(0o755)
    for path in job.gateway.iterdir():
        path.chmod(0o644)
    pipe = OutputPipe(job.gateway / OUTPUT_PIPE, job.limits.output_bytes)
    name = f"label-noise-{secrets.token_hex(8)}"
    try:
        process = subprocess.Popen(
            run_command(engine, name, job),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
        )
    except OSError as error:
        pipe.close()
        raise SandboxLost(f"{engine} did not start: {error}") from None
    running = InContainer(process, engine, name, job, pipe)
    try:
        yield running
    finally:
        running.close()
