"""Run a notebook in bubblewrap: own user, mount, PID, network, IPC, UTS and control group namespaces.

What it sees of the file system is a read-only allow-list of system folders and of this Python; everything writable is
a size-limited tmpfs. It has no capability, cannot make a further user namespace, and its environment is cleared. The
whole PID namespace dies with the grader (see `grader.sandbox.reaper`). Memory and tasks are limited by a control group
where the machine lets us make one (see `grader.sandbox.cgroup`), else by the watchdog.

Not covered: kernel bugs (few system calls are refused, see `grader.sandbox.system_calls`), side channels such as timing
and shared caches, and on a GPU whatever NVIDIA's driver lets one process see of another. Without a control group,
CPU time is not shared out (a notebook may slow the trainer down until the guard strikes, see `grader.sandbox.clock`),
and memory that no process has mapped is not counted (data in a file without a name, or in a pipe).
"""

from __future__ import annotations

import json
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from grader.safe_io import NotAFile, TooLarge, read_untrusted_file
from grader.sandbox.cgroup import ControlGroup, make_group
from grader.sandbox.job import GATEWAY_FOLDER, INPUT_NOTEBOOK, OUTPUT_NOTEBOOK, Job, notebook_environment
from grader.sandbox.limits import TASKS_PER_PROCESS, Limits, too_many_files
from grader.sandbox.nvidia import device_files, driver_environment, driver_folders
from grader.sandbox.python_files import programs_folder, python_options
from grader.sandbox.reaper import start_reaped
from grader.sandbox.running import Running
from grader.sandbox.system_calls import filter_program
from grader.verdicts import InfrastructureError, ParticipantFault, SandboxLost

START_SECONDS = 60.0  # a machine may be very busy
MINIMUM_BWRAP = (0, 8)
TASK = "/tmp/task"
HOME = "/tmp/home"
SHARED_MEMORY = "/dev/shm"
OPEN_FILES = 4096  # of each process
PENDING_SIGNALS = 1024
SMALLEST_ROOM = 64 * 1024  # bytes; with less left, a file system counts as full

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
# What root may read without any capability: the user's key rings, and the state of the whole machine's memory.
HIDDEN_NAMES = "keys key-users kpagecount kpageflags kpagecgroup slabinfo timer_list vmallocinfo"
HIDDEN = tuple(f"/proc/{name}" for name in HIDDEN_NAMES.split())


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
    with start_reaped([program, *namespace_options(), "--ro-bind", "/", "/", "true"]) as trial:
        try:
            failed = trial.wait(START_SECONDS) != 0
            said = trial.stdout.read().decode(errors="replace").strip() if trial.stdout else ""
        except subprocess.TimeoutExpired:
            failed, said = True, f"it did not end within {START_SECONDS:.0f} s"
    if failed:
        return (
            f"bubblewrap cannot make a sandbox here ({said}); where it may not make namespaces, allow user namespaces: "
            "on Ubuntu 24.04, 'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0'"
        )
    return None


def namespace_options() -> list[str]:
    """Return the options that isolate everything which is not a file."""
    return [
        *("--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"),
        *("--uid", "65534", "--gid", "65534", "--hostname", "sandbox"),
        *("--new-session", "--die-with-parent", "--clearenv"),
    ]


def kernel_settings() -> list[str]:
    """Return what of ``/proc`` is no process's and may be written: the kernel's settings, and those of its drivers.

    Root writes most of it without any capability. Where root grades, the notebook's user is root too outside its
    namespace, and bubblewrap leaves all of it writable: with the core pattern alone, a notebook could run a program of
    its own as root.
    """
    return sorted(
        str(path)
        for path in Path("/proc").iterdir()
        if not path.name.isdigit() and not path.is_symlink() and (path.is_dir() or path.stat().st_mode & 0o222)
    )


def file_options(job: Job) -> list[str]:
    """Return the options that say which files exist in the sandbox. Each mount may hide parts of those before it."""
    options = ["--proc", "/proc"]
    for settings in kernel_settings():
        options += ["--ro-bind-try", settings, settings]
    for hidden in HIDDEN:
        if Path(hidden).exists():
            options += ["--ro-bind", "/dev/null", hidden]
    options += ["--dev", "/dev", "--size", str(job.limits.shm_bytes), "--tmpfs", SHARED_MEMORY]
    if job.device == "cuda":
        for file in device_files():
            options += ["--dev-bind", file, file]
    options += ["--remount-ro", "/dev", "--size", str(job.limits.scratch_bytes), "--tmpfs", "/tmp"]
    options += ["--dir", TASK, "--dir", HOME]
    for folder in map(Path, SYSTEM_FOLDERS):
        if folder.is_symlink():
            options += ["--symlink", str(folder.readlink()), str(folder)]
        else:
            options += ["--ro-bind-try", str(folder), str(folder)]
    for path in SYSTEM_FILES:
        options += ["--ro-bind-try", path, path]
    for path in driver_folders() if job.device == "cuda" else ():
        if not any(Path(path).is_relative_to(folder) for folder in SYSTEM_FOLDERS):
            options += ["--ro-bind", path, path]
    options += python_options(job)
    for name, folder in job.inputs().items():
        options += ["--ro-bind", str(folder), f"{TASK}/{name}"]
    return [*options, "--remount-ro", "/", "--chdir", TASK]


def process_limits(limits: Limits) -> list[tuple[int, int]]:
    """Return the limits that each process inherits, never above our own.

    No core dump; open files, and signals and messages that wait, which the kernel counts for a user as a whole; and a
    number of tasks for this user: a second fence against fork bombs, which binds everybody but root. On old kernels it
    counts what the user runs besides, so that is added.
    """
    user = os.getuid()
    running = 0
    for process in psutil.process_iter(["uids", "num_threads"]):
        uids, threads = process.info["uids"], process.info["num_threads"]
        running += threads or 0 if uids and uids.real == user else 0
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_SIGPENDING: PENDING_SIGNALS,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_NPROC: running + limits.processes * TASKS_PER_PROCESS,
    }
    ours = {kind: resource.getrlimit(kind)[1] for kind in wanted}
    return [
        (kind, value if ours[kind] == resource.RLIM_INFINITY else min(value, ours[kind]))
        for kind, value in wanted.items()
    ]


def out_of_memory_kills() -> int:
    """Return how many processes this machine killed for want of memory since it was started, whosever they were."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


class InBubblewrap(Running):
    """A notebook in bubblewrap; outside its file systems and its PID namespace, we keep hold of both."""

    def __init__(self, process: subprocess.Popen[bytes], limits: Limits, group: ControlGroup | None) -> None:
        super().__init__(process)
        assert process.stdin is not None
        self._line = process.stdin
        self.kernel_limits = group is not None
        self._limits, self._group = limits, group
        self._machine_kills = out_of_memory_kills()
        self._namespace: int | None = None
        self._folders: list[int] = []

    def hold(self, init_pid: int) -> None:
        """Keep hold of the first process of its PID namespace, and of its working folder and ``/dev/shm``.

        The files then outlive the sandbox, and `stop` can wait for the death of everything in the namespace.

        Raises:
            OSError: it is gone already.
        """
        self._namespace = os.pidfd_open(init_pid)
        for folder in (TASK, SHARED_MEMORY):
            path = f"/proc/{init_pid}/root{folder}"
            self._folders.append(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    def stop(self) -> None:
        """Kill the notebook and all its processes; return when none lives."""
        super().stop()
        if self._namespace is not None:
            with suppress(ProcessLookupError):  # it is gone, unless somebody else killed its reaper
                signal.pidfd_send_signal(self._namespace, signal.SIGKILL)
            wait_readable(self._namespace)  # it is once the namespace's first process is gone, and so all

    def breach(self) -> ParticipantFault | None:
        """Return the fault of a limit that the kernel enforced, or of too many files."""
        if self._group is not None and (fault := self._group.breach()):
            return fault
        rooms = [os.fstatvfs(folder) for folder in self._folders]
        if any(room.f_files - room.f_ffree > self._limits.files for room in rooms):
            return too_many_files(self._limits)
        return None

    def cpu_seconds(self) -> float | None:
        """Return what its control group counted; see `Running`."""
        return None if self._group is None else self._group.cpu_seconds()

    def is_full(self) -> bool:
        """Say whether a file system that it may write has no room left."""
        rooms = [os.fstatvfs(folder) for folder in self._folders]
        return any(room.f_bfree * room.f_frsize < SMALLEST_ROOM for room in rooms)

    def lost(self) -> str | None:
        """Say what ended it from outside; see `Running`."""
        if self._group is not None and self._group.killed_by_the_machine():
            return "the machine ran out of memory and killed a process of the sandbox, which kept its own limit"
        if self._group is None and out_of_memory_kills() > self._machine_kills:
            return "the machine ran out of memory and killed a process, maybe one of the sandbox, which kept its limit"
        return super().lost()

    def executed(self, limit: int) -> bytes | None:
        """Return the executed notebook: a regular, single-link file, which nothing can exchange any more."""
        if not self._folders:
            return None
        try:
            return read_untrusted_file(OUTPUT_NOTEBOOK, limit, dir_fd=self._folders[0], links=1)
        except (NotAFile, TooLarge, OSError):
            return None

    def close(self) -> None:
        """Stop it and let go of everything that `hold` took."""
        super().close()
        self._line.close()
        for descriptor in (*self._folders, self._namespace):
            if descriptor is not None:
                os.close(descriptor)
        self._folders, self._namespace = [], None
        if self._group is not None:
            self._group.remove()
            self._group = None

    def _kill(self) -> None:
        self._line.close()


@contextmanager
def run_in_bwrap(job: Job) -> Iterator[Running]:
    """Execute the notebook in bubblewrap; see `grader.sandbox.run_notebook`."""
    if problem := bwrap_problem():
        raise InfrastructureError(f"no sandbox: {problem}; or, for a notebook that you trust, use --sandbox none")
    group = make_group(job.limits)
    try:
        running = start(job, group)
    except BaseException:
        if group is not None:
            group.remove()
        raise
    try:
        yield running
    finally:
        running.close()


def start(job: Job, group: ControlGroup | None) -> InBubblewrap:
    """Make the sandbox, hold it, and only then start the notebook in it: so it cannot end before it is held.

    Raises:
        SandboxLost: the sandbox does not come to stand.
    """
    options = [*namespace_options(), *file_options(job)]
    programs = programs_folder()
    for name, value in (notebook_environment(HOME, job.device, programs) | driver_environment(job.device)).items():
        options += ["--setenv", name, value]
    info_read, info_write = os.pipe()
    options_read, options_write = os.pipe()
    calls_read, calls_write = os.pipe()
    go_read, go_write = os.pipe()
    if program := filter_program():
        options += ["--seccomp", str(calls_read)]
        os.write(calls_write, program)
    os.close(calls_write)
    # The notebook sees bubblewrap as process 1, with its command line and environment: so both are bare.
    command = [shutil.which("bwrap") or "bwrap", "--args", str(options_read), "--info-fd", str(info_write)]
    command += ["--block-fd", str(go_read)]
    command += ["--", f"{programs}/{Path(sys.executable).name}", *job.papermill()]
    try:
        process = start_reaped(
            command if group is None else group.entering(command),
            process_limits(job.limits),
            pass_fds=(options_read, info_write, calls_read, go_read),
        )
    except BaseException:
        for ours in (info_read, options_write, go_write):
            os.close(ours)
        raise
    finally:
        for theirs in (options_read, info_write, calls_read, go_read):
            os.close(theirs)
    running = InBubblewrap(process, job.limits, group)
    try:
        with open(options_write, "wb") as stream, suppress(BrokenPipeError):
            stream.write(b"".join(os.fsencode(option) + b"\0" for option in options))
        init_pid = read_init_pid(info_read)
        wait_for_mounts(init_pid, running)
        running.hold(init_pid)
        os.write(go_write, b"\n")
    except OSError:
        running.close()
        shown = running.captured().decode(errors="replace").strip()
        raise SandboxLost(f"the sandbox did not start: {shown or 'no message from bubblewrap'}") from None
    except BaseException:
        running.close()
        raise
    finally:
        os.close(go_write)
    return running


def wait_readable(descriptor: int, seconds: float | None = None) -> bool:
    """Wait until a descriptor, of any number, is readable or at its end; say whether it is."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if seconds is None else seconds * 1000))


def read_init_pid(info: int) -> int:
    """Read from bubblewrap's ``--info-fd`` the PID of the first process in its namespace; close the descriptor."""
    text = b""
    with open(info, "rb", buffering=0) as stream:
        while not text.rstrip().endswith(b"}"):
            chunk = stream.read(4096) if wait_readable(stream.fileno(), START_SECONDS) else None
            if not chunk:
                raise ProcessLookupError
            text += chunk
    return int(json.loads(text)["child-pid"])


def wait_for_mounts(init_pid: int, running: Running) -> None:
    """Wait until the sandbox's mounts stand, as seen from outside, or raise `ProcessLookupError`."""
    root = f"/proc/{init_pid}/root"
    deadline = time.monotonic() + START_SECONDS
    while not (Path(f"{root}{TASK}/{GATEWAY_FOLDER}/{INPUT_NOTEBOOK}").exists() and not Path(root).samefile("/")):
        if not running.alive() or time.monotonic() > deadline:
            raise ProcessLookupError
        time.sleep(0.01)
