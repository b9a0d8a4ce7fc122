"""A control group for one notebook: the kernel's own limit on its memory, its processes and threads, its share of CPUs.

Both versions of Linux control groups are spoken. Version 2 needs a group in which ``memory`` and ``pids`` are handed
down to subgroups and in which we may make one: root has that, and so has a user whose grader runs below ``systemd-run
--user --scope``. Version 1 needs root. Where neither is there, `make_group` gives None, and the watchdog is what is
left (see `grader.sandbox.watchdog`).

The ``cpu`` controller is used where it is there too. It keeps a notebook with a thousand busy threads from taking the
CPUs away from the trainer, and a fork bomb from taking them away from the watchdog. The group also counts the CPU time
of all that ever ran in it.

A notebook's processes enter the group before any of its code runs, and cannot leave: the control file system does not
exist in the sandbox.
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from grader.sandbox.limits import TASKS_PER_PROCESS, Limits, default_limits, too_many_processes, too_much_memory
from grader.verdicts import ParticipantFault

PREFIX = "label-noise-"
REMOVE_SECONDS = 5.0
CHARGED_AT_ONCE = 1 << 20  # bytes, generously
CONTROLLERS = ("memory", "pids")
WELCOME = "cpu"
ROOT_ALONE_HAS = "release_agent"  # of all groups of a hierarchy of version 1
AUTOGROUPS = Path("/proc/sys/kernel/sched_autogroup_enabled")
ACCOUNT = "cpuacct"  # of version 1 alone: every group of version 2 counts its CPU time


@dataclass(frozen=True)
class Place:
    """Where a group can be made: the version, and the folder of each hierarchy in which to make it.

    Attributes:
        among_groups: whether the group competes for CPU time with whole groups, one of them the grader's; else with the
            grader's threads, each for itself.
    """

    version: int
    folders: tuple[Path, ...]
    among_groups: bool = False


@dataclass(frozen=True)
class Events:
    """What the kernel counted in a group.

    Attributes:
        memory_limit: how often the group met its memory limit; with version 1 whether it did, 0 or 1.
        killed: how many of its processes were killed for want of memory, the group's or the machine's.
        task_limit: how often a process or a thread could not be started.
    """

    memory_limit: int
    killed: int
    task_limit: int


def mounted(mountinfo: str) -> Iterator[tuple[str, set[str], Path, str]]:
    """Read from the text of ``/proc/self/mountinfo`` every control file system: type, options, folder, its root."""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            _, _, _, root, folder, *_ = left.split(" ")
            yield kind, set(options.split(",")), Path(folder), root


def own_groups(cgroup: str) -> dict[str, str]:
    """Read from the text of ``/proc/self/cgroup`` the group of this process per controller; version 2 is ``""``."""
    groups: dict[str, str] = {}
    for line in cgroup.splitlines():
        _, controllers, path = line.split(":", 2)
        groups |= dict.fromkeys(controllers.split(","), path)
    return groups


def below(folder: Path, root: str, group: str) -> Path:
    """Return where a group is seen in a control file system that is mounted at `folder` and shows what is in `root`."""
    inside = group.removeprefix(root) if root != "/" and group.startswith(root) else group
    return folder / inside.strip("/")


def places(mountinfo: str, cgroup: str) -> Iterator[Place]:
    """Find where a group could be made, the best place first: version 2 from our own group upwards, then version 1."""
    groups = own_groups(cgroup)
    systems = list(mounted(mountinfo))
    for kind, _, folder, root in systems:
        if kind == "cgroup2" and "" in groups:
            own = below(folder, root, groups[""])
            for group in (own, *own.parents):
                if not group.is_relative_to(folder):
                    break
                if hands_down(group, enable=group == own):
                    yield Place(2, (group,), among_groups=group != own or sessions_are_groups())
    hierarchies = {
        controller: below(folder, root, groups[controller])
        for controller in (*CONTROLLERS, WELCOME, ACCOUNT)
        for kind, options, folder, root in systems
        if kind == "cgroup" and controller in options and controller in groups
    }
    if set(CONTROLLERS) <= hierarchies.keys():
        at_the_root = WELCOME in hierarchies and (hierarchies[WELCOME] / ROOT_ALONE_HAS).exists()
        folders = tuple(dict.fromkeys(hierarchies.values()))
        yield Place(1, folders, among_groups=at_the_root and sessions_are_groups())


def sessions_are_groups() -> bool:
    """Say whether the kernel gives each session in the root of the hierarchy a group of its own; see sched(7)."""
    try:
        return AUTOGROUPS.read_text().strip() == "1"
    except OSError:
        return False


def hands_down(group: Path, *, enable: bool) -> bool:
    """Say whether subgroups of a version 2 group have our controllers; with `enable`, try to see to it."""
    control = group / "cgroup.subtree_control"
    for controller in (*CONTROLLERS, WELCOME) if enable else ():
        with suppress(OSError):  # only the root group may hold processes and hand controllers down
            put(control, f"+{controller}")
    try:
        return set(CONTROLLERS) <= set(control.read_text().split())
    except OSError:
        return False


def settings(place: Place, limits: Limits) -> list[tuple[str, int, bool]]:
    """Return the files to write, in order: name, value, and whether a group without it is of no use.

    Among groups it weighs as much as any by default; among threads, all of it together as much as one thread per CPU.
    """
    memory, tasks = limits.memory_bytes, limits.processes * TASKS_PER_PROCESS
    weight = 1 if place.among_groups else os.cpu_count() or 1
    if place.version == 2:
        return [
            ("memory.max", memory, True),
            ("memory.swap.max", 0, False),
            ("memory.oom.group", 1, False),
            ("pids.max", tasks, True),
            ("cpu.weight", min(100 * weight, 10_000), False),
        ]
    return [
        ("memory.limit_in_bytes", memory, True),
        ("memory.memsw.limit_in_bytes", memory, False),
        ("pids.max", tasks, True),
        ("cpu.shares", 1024 * weight, False),
    ]


def put(path: Path, value: str) -> None:
    """Write a value into a control file, which must exist."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def counts(path: Path) -> dict[str, int]:
    """Read a control file of lines with a name and a number, or with a number alone; empty where it is gone."""
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {words[0] if len(words) > 1 else "": int(words[-1]) for words in lines if words and words[-1].isdigit()}


class ControlGroup:
    """The group of one notebook.

    Attributes:
        name: "cgroup v2" or "cgroup v1".
    """

    def __init__(self, place: Place, limits: Limits) -> None:
        """Take over folders that exist.

        Args:
            place: the version, and the folders of the group itself.
        """
        self.name = f"cgroup v{place.version}"
        self._place, self._limits = place, limits

    def limit(self) -> None:
        """Set the limits.

        Raises:
            OSError: the group cannot hold one of them.
        """
        for name, value, needed in settings(self._place, self._limits):
            try:
                put(self._file(name), str(value))
            except OSError:
                if needed:
                    raise

    def entering(self, command: list[str]) -> list[str]:
        """Return a command that enters the group and then becomes `command`, with no environment at all."""
        files = [str(folder / "cgroup.procs") for folder in self._place.folders]
        steps = [f'echo 0 > "${number}"' for number in range(1, len(files) + 1)]
        script = " && ".join([*steps, f"shift {len(files)}", 'exec /usr/bin/env -i "$@"'])
        return ["/bin/sh", "-c", script, "sh", *files, *command]

    def events(self) -> Events:
        """Read what the kernel counted so far."""
        tasks = counts(self._file("pids.events")).get("max", 0)
        if self._place.version == 2:
            memory = counts(self._file("memory.events"))
            return Events(memory.get("oom", 0), memory.get("oom_kill", 0), tasks)
        killed = counts(self._file("memory.oom_control")).get("oom_kill", 0)
        # The counter of failures stays at 0 on new kernels, so the largest usage tells; memory is charged in batches.
        largest = counts(self._file("memory.max_usage_in_bytes")).get("", 0)
        return Events(int(largest + CHARGED_AT_ONCE > self._limits.memory_bytes), killed, tasks)

    def cpu_seconds(self) -> float | None:
        """Return the CPU time of all processes that are, or were, in the group; None where the kernel counts none."""
        if self._place.version == 2:
            used = counts(self._file("cpu.stat")).get("usage_usec")
            return None if used is None else used / 1e6
        used = counts(self._file("cpuacct.usage")).get("")
        return None if used is None else used / 1e9

    def breach(self) -> ParticipantFault | None:
        """Return the fault of a limit that the kernel had to enforce, None as long as there is none."""
        events = self.events()
        if events.killed and events.memory_limit:
            return too_much_memory(self._limits)
        return too_many_processes(self._limits) if events.task_limit else None

    def killed_by_the_machine(self) -> bool:
        """Say whether one of its processes was killed for want of memory, although the group kept its own limit."""
        events = self.events()
        return events.killed > 0 and not events.memory_limit

    def remove(self) -> None:
        """Remove the group, and kill whatever should still be in it."""
        deadline = time.monotonic() + REMOVE_SECONDS
        for folder in self._place.folders:
            while folder.exists() and time.monotonic() < deadline:
                with suppress(OSError):
                    folder.rmdir()
                    break
                kill_all(folder)
                time.sleep(0.01)

    def _file(self, name: str) -> Path:
        for folder in self._place.folders:
            if (folder / name).exists():
                return folder / name
        return self._place.folders[0] / name


def kill_all(group: Path) -> None:
    """Kill every process of a group."""
    with suppress(OSError):
        put(group / "cgroup.kill", "1")
        return
    with suppress(OSError):
        for pid in (group / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


def sweep(parent: Path) -> None:
    """Remove the empty groups of graders that were killed."""
    for left in parent.glob(f"{PREFIX}*"):
        owner = left.name.removeprefix(PREFIX).split("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            with suppress(OSError):
                left.rmdir()


def make_group(limits: Limits) -> ControlGroup | None:
    """Make a group with these limits; None where this machine does not let us."""
    try:
        described = [Path(f"/proc/self/{name}").read_text() for name in ("mountinfo", "cgroup")]
    except OSError:
        return None
    name = f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
    for place in places(*described):
        group = ControlGroup(replace(place, folders=tuple(folder / name for folder in place.folders)), limits)
        try:
            for folder in place.folders:
                sweep(folder)
                (folder / name).mkdir()
            group.limit()
        except OSError:
            group.remove()
            continue
        return group
    return None


def kernel_limits() -> str | None:
    """Return which control groups would limit a notebook here, "cgroup v2" or "cgroup v1"; None for the watchdog."""
    group = make_group(default_limits("cpu"))
    if group is None:
        return None
    group.remove()
    return group.name
