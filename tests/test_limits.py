"""Limits: what breaks them in the real sandbox, with a control group and without; and the control groups themselves."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from grader.sandbox import Limits, bubblewrap, cgroup, default_limits, kernel_limits
from grader.sandbox.cgroup import PREFIX, ControlGroup, Events, Place, make_group, places, settings, sweep
from grader.sandbox.limits import MIB, TASKS_PER_PROCESS
from grader.sandbox.watchdog import threads_of
from grader.verdicts import InfrastructureError, Verdict
from tests.confined import run_confined

BALLOON = "b = bytearray(600 << 20)\nfor i in range(0, len(b), 4096): b[i] = 1\nimport time; time.sleep(60)"
EMPTY_FILES = "import os\nfor i in range(200_000): open(f'{folder}/{{i}}', 'w').close()"
LITTLE = "import time; time.sleep(1)"  # long enough to be seen starting, however busy the machine is
FILL = "with open('{folder}/full', 'wb') as f:\n    while True: f.write(bytes(1 << 22))"


@pytest.fixture
def control_group():
    """Make sure that this machine lets us make control groups."""
    group = make_group(Limits(60.0))
    if group is None:
        pytest.skip("control groups cannot be made here: run as root, or below systemd-run --user --scope")
    group.remove()


@pytest.fixture(params=["control group", "watchdog"])
def enforced_by(request, monkeypatch):
    """Run a test twice: with a control group, and with the watchdog alone."""
    if request.param == "watchdog":
        monkeypatch.setattr(bubblewrap, "make_group", lambda limits: None)
    else:
        request.getfixturevalue("control_group")
    return request.param


def test_who_limits_is_known_without_a_notebook(control_group, monkeypatch):
    """Where a group can be made its version is named and none is left; without one there is no name."""
    made = []

    def make(limits):
        made.append(make_group(limits))
        return made[-1]

    monkeypatch.setattr(cgroup, "make_group", make)
    assert kernel_limits() == made[0].name
    assert not any(folder.exists() for folder in made[0]._place.folders)
    monkeypatch.setattr(cgroup, "make_group", lambda limits: None)
    assert kernel_limits() is None


def test_too_much_memory_is_found_by_either(tmp_path, enforced_by):
    """Memory over the limit is MemoryLimitExceeded, whoever finds it."""
    ended = run_confined(BALLOON, tmp_path, memory_bytes=300 * MIB)
    assert ended.breach is not None
    assert ended.breach.verdict is Verdict.MEMORY_LIMIT
    assert "300 MiB are allowed" in ended.breach.message


@pytest.mark.parametrize(
    "code",
    [
        "open('/tmp/file', 'wb').write(bytes(200 << 20))",
        "open('/dev/shm/file', 'wb').write(bytes(200 << 20))",
        "import os\nnameless = os.memfd_create('x')\nfor _ in range(200): os.write(nameless, bytes(1 << 20))",
    ],
    ids=["/tmp", "/dev/shm", "a file without a name"],
)
def test_files_in_memory_count_as_memory_in_a_control_group(tmp_path, control_group, code):
    """What lies in a tmpfs or in a nameless file is memory too, though no process has mapped it."""
    ended = run_confined(code, tmp_path, memory_bytes=100 * MIB)
    assert ended.breach is not None
    assert ended.breach.verdict is Verdict.MEMORY_LIMIT


def test_too_many_processes_are_found_by_either(tmp_path, enforced_by):
    """Twice as many processes as allowed end in RuntimeError, and in no process left."""
    marker = "import os, time\nfor _ in range(8): os.fork()\ntime.sleep(7532)"
    ended = run_confined(marker, tmp_path)
    assert ended.breach is not None
    assert ended.breach.verdict is Verdict.RUNTIME_ERROR
    assert "more than 128 processes" in ended.breach.message
    assert not [p for p in psutil.process_iter(["cmdline"]) if marker in (p.info["cmdline"] or [])]


@pytest.mark.slow
def test_a_fork_bomb_ends(tmp_path, control_group):
    """Processes that do nothing but fork get no further than the limit, and leave nothing behind."""
    bomb = "import os\nwhile True: os.fork()  # 7533"
    ended = run_confined(bomb, tmp_path, processes=16)  # few, for the sake of the tests beside this one
    assert ended.breach is not None
    assert ended.breach.verdict is Verdict.RUNTIME_ERROR
    assert not [p for p in psutil.process_iter(["cmdline"]) if bomb in (p.info["cmdline"] or [])]


def test_too_many_threads_are_found_by_either(tmp_path, enforced_by):
    """Threads are tasks: a process that starts thousands is stopped too."""
    code = "import threading, time\nfor _ in range(5000): threading.Thread(target=time.sleep, args=(60,)).start()"
    ended = run_confined(code, tmp_path)
    assert ended.breach is not None
    assert ended.breach.verdict is Verdict.RUNTIME_ERROR


def test_work_in_the_trainings_turn_is_found_by_either(tmp_path, enforced_by):
    """Processes that work while it is not their turn are at fault when the guard strikes; one that sleeps is not."""
    busy = "import os\nfor _ in range(2): os.fork()\nwhile True: pass"
    ended = run_confined(busy, tmp_path, waited_for=False, guard=4.0)
    assert ended.breach.verdict is Verdict.TIME_LIMIT
    assert "while it was not its turn" in ended.breach.message
    ended = run_confined("import time\ntime.sleep(60)", tmp_path, waited_for=False, guard=2.0)
    assert isinstance(ended.breach, InfrastructureError)


def test_a_control_group_counts_the_work_of_processes_that_have_ended(control_group):
    """No process can hide its CPU time by ending before anybody looks, or as a child that nobody waits for."""
    group = make_group(Limits())
    busy = "import os, time\nif os.fork():\n    os._exit(0)\nwhile time.process_time() < 0.3: pass\nprint('done')"
    ran = subprocess.run(group.entering([sys.executable, "-S", "-c", busy]), capture_output=True, text=True, check=True)
    try:
        assert ran.stdout == "done\n"
        assert group.cpu_seconds() >= 0.3
    finally:
        group.remove()


@pytest.mark.parametrize(
    ("version", "name", "text", "seconds"),
    [
        (2, "cpu.stat", "usage_usec 2500000\nuser_usec 2000000\n", 2.5),
        (1, "cpuacct.usage", "2500000000\n", 2.5),
        (1, "memory.oom_control", "oom_kill 0\n", None),
    ],
)
def test_the_cpu_time_of_a_group_is_read(tmp_path, version, name, text, seconds):
    """Either version counts in a unit of its own; where the kernel counts nothing, the process tree has to tell."""
    (tmp_path / name).write_text(text)
    assert ControlGroup(Place(version, (tmp_path,)), Limits()).cpu_seconds() == seconds


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm"])
def test_a_million_small_files_are_too_many(tmp_path, enforced_by, folder):
    """Empty files use up no quota but memory of the kernel: too many of them are OutputLimitExceeded."""
    ended = run_confined(EMPTY_FILES.format(folder=folder), tmp_path)
    assert ended.breach is not None
    assert ended.breach.verdict is Verdict.OUTPUT_LIMIT
    assert "65,536 files" in ended.breach.message


@pytest.mark.parametrize(("folder", "size"), [("/tmp", 512), ("/dev/shm", 256)])
def test_each_file_system_has_its_quota(tmp_path, folder, size):
    """Writing without end stops at the quota of the file system, which is seen to be full afterwards."""
    ended = run_confined(FILL.format(folder=folder), tmp_path)
    assert ended.breach is None
    assert ended.full
    assert "No space left on device" in ended.printed
    within = f"import os\nopen('{folder}/x', 'wb').write(bytes({size - 8} << 20))"
    assert not run_confined(within, tmp_path).full


def test_a_sparse_file_is_harmless(tmp_path):
    """A file that claims a terabyte takes no room, and is not read as the executed notebook."""
    code = "open('executed.ipynb', 'wb').truncate(1 << 40)\nprint('done')"
    ended = run_confined(code, tmp_path)
    assert (ended.breach, ended.full, ended.executed) == (None, False, None)
    assert ended.printed == "done\n"


def test_the_sandbox_sees_nothing_of_its_control_group(tmp_path):
    """No control file system, no path of the group, no environment: process 1 says nothing of the organizer."""
    code = (
        "import os\n"
        "print(os.path.exists('/sys/fs/cgroup'), open('/proc/1/environ').read() == '',"
        " {line.strip().split(':')[2] for line in open('/proc/self/cgroup')})"
    )
    assert run_confined(code, tmp_path).printed == "False True {'/'}\n"


def test_no_traceback_tells_where_python_lies(tmp_path):
    """Packages and the standard library are seen under neutral paths, so that no traceback names a folder of ours."""
    code = (
        "import sys, site\nsite.main()\nimport json, numpy, traceback\nprint(sys.path, numpy.__file__)\njson.loads('{')"
    )
    shown = run_confined(code, tmp_path).printed
    assert "site-packages/numpy/__init__.py" in shown
    assert "json.decoder.JSONDecodeError" in shown
    for prefix in (sys.prefix, sys.base_prefix):
        assert prefix.startswith("/usr") or prefix not in shown


def test_no_control_group_is_left(tmp_path, control_group):
    """After a grading its group is gone; what a killed grader left behind goes with the next one."""
    before = set(groups_below(os.getpid()))
    run_confined(LITTLE, tmp_path)
    assert set(groups_below(os.getpid())) == before
    command = "import os\nfrom grader.sandbox.cgroup import make_group\nfrom grader.sandbox import Limits\n"
    command += "make_group(Limits(1.0)); print(os.getpid(), flush=True); os.kill(os.getpid(), 9)"
    killed = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False)
    dead = int(killed.stdout)
    assert groups_below(dead)
    run_confined(LITTLE, tmp_path)
    assert not groups_below(dead)


def groups_below(pid):
    """List the groups of a grader, wherever they may be."""
    described = [Path(f"/proc/self/{name}").read_text() for name in ("mountinfo", "cgroup")]
    found = [folder for place in places(*described) for folder in place.folders]
    return [group for folder in found for group in folder.glob(f"{PREFIX}{pid}-*")]


SYSTEMD = "30 24 0:26 / {root} rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
OLD = (
    "32 31 0:29 / {root}/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    "33 31 0:30 {inside} {root}/memory rw - cgroup cgroup rw,memory\n"
    "34 31 0:31 / {root}/pids rw - cgroup cgroup rw,pids\n"
    "35 31 0:32 / {root}/unified rw - cgroup2 cgroup2 rw\n"
)


def fake_group(folder, handed_down):
    """Make a folder that looks like a version 2 group."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cgroup.subtree_control").write_text(handed_down)


def test_a_group_is_made_where_controllers_are_handed_down(tmp_path):
    """With version 2, the nearest group upwards that hands memory and pids down is the place."""
    own = tmp_path / "user.slice" / "app.slice" / "grader.scope"
    for folder, handed_down in ((own, ""), (own.parent, "memory pids"), (own.parents[1], "cpu memory pids")):
        fake_group(folder, handed_down)
    (own / "cgroup.subtree_control").unlink()  # as good as one that refuses to be written
    found = list(places(SYSTEMD.format(root=tmp_path), "0::/user.slice/app.slice/grader.scope\n"))
    assert found == [Place(2, (own.parent,), among_groups=True), Place(2, (own.parents[1],), among_groups=True)]
    (own.parent / "cgroup.subtree_control").write_text("cpu io")
    (own.parents[1] / "cgroup.subtree_control").write_text("memory")
    assert list(places(SYSTEMD.format(root=tmp_path), "0::/user.slice/app.slice/grader.scope\n")) == []


def test_a_group_weighs_no_more_than_what_it_competes_with(tmp_path, monkeypatch):
    """Below the grader's own group it competes with threads; beside it, or beside sessions, with whole groups."""
    monkeypatch.setattr(cgroup, "hands_down", lambda group, enable: True)
    monkeypatch.setattr(cgroup, "AUTOGROUPS", tmp_path / "autogroups")
    shown = (SYSTEMD.format(root=tmp_path / "2"), "0::/grader.scope\n")
    older = (OLD.format(root=tmp_path, inside="/"), "5:pids:/\n4:memory:/\n3:cpu,cpuacct:/\n")
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "release_agent").touch()
    for sessions, weights in (("0", [os.cpu_count(), 1]), ("1", [1, 1])):
        (tmp_path / "autogroups").write_text(f"{sessions}\n")
        written = [dict(row[:2] for row in settings(place, Limits())) for place in places(*shown)]
        assert [values["cpu.weight"] for values in written] == [100 * weight for weight in weights]
        [place] = places(*older)
        assert dict(row[:2] for row in settings(place, Limits()))["cpu.shares"] == 1024 * weights[0]


def test_version_1_takes_a_folder_of_each_hierarchy(tmp_path):
    """With version 1 the group has one folder per hierarchy, found also where a container sees a part of them."""
    shown = OLD.format(root=tmp_path, inside="/docker/1f")
    groups = "5:pids:/\n4:memory:/docker/1f/job\n3:cpu,cpuacct:/a\n0::/\n"
    [place] = places(shown, groups)
    assert place == Place(1, (tmp_path / "memory" / "job", tmp_path / "pids", tmp_path / "cpu" / "a"))
    assert list(places(shown, "4:memory:/\n0::/\n")) == []


@pytest.mark.parametrize("version", [1, 2])
def test_the_limits_are_written(tmp_path, version):
    """Every limit lands in its file; one that the kernel does not have is left out, one that it needs is missed."""
    limits = Limits(60.0, memory_bytes=5 * MIB, processes=7)
    wanted = settings(Place(version, (tmp_path,)), limits)
    for name, _, _ in wanted:
        (tmp_path / name).write_text("")
    group = ControlGroup(Place(version, (tmp_path,)), limits)
    group.limit()
    assert {name: (tmp_path / name).read_text() for name, _, _ in wanted} == {n: str(v) for n, v, _ in wanted}
    values = {value for _, value, needed in wanted if needed}
    assert values == {5 * MIB, 7 * TASKS_PER_PROCESS}
    for name, _, needed in wanted:
        if not needed:
            (tmp_path / name).unlink()
    group.limit()
    (tmp_path / "pids.max").unlink()
    with pytest.raises(FileNotFoundError):
        group.limit()


@pytest.mark.parametrize(
    ("version", "files", "events", "verdict", "machine"),
    [
        (2, {"memory.events": "low 0\nmax 9\noom 0\noom_kill 0\n"}, Events(0, 0, 0), None, False),
        (2, {"memory.events": "max 9\noom 2\noom_kill 3\n"}, Events(2, 3, 0), Verdict.MEMORY_LIMIT, False),
        (2, {"memory.events": "max 0\noom 0\noom_kill 1\n"}, Events(0, 1, 0), None, True),
        (2, {"pids.events": "max 4\n"}, Events(0, 0, 4), Verdict.RUNTIME_ERROR, False),
        (
            1,
            {"memory.oom_control": "under_oom 0\noom_kill 1\n", "memory.max_usage_in_bytes": f"{8192 * MIB}\n"},
            Events(1, 1, 0),
            Verdict.MEMORY_LIMIT,
            False,
        ),
        (
            1,
            {"memory.oom_control": "under_oom 0\noom_kill 1\n", "memory.max_usage_in_bytes": f"{100 * MIB}\n"},
            Events(0, 1, 0),
            None,
            True,
        ),
        (1, {"pids.events": "max 1\n"}, Events(0, 0, 1), Verdict.RUNTIME_ERROR, False),
        (1, {}, Events(0, 0, 0), None, False),
    ],
)
def test_what_the_kernel_counted_is_understood(tmp_path, version, files, events, verdict, machine):
    """A kill within the group's limit is the participant's, one without is the machine's, of either version."""
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    group = ControlGroup(Place(version, (tmp_path,)), default_limits("cpu"))
    assert group.events() == events
    breach = group.breach()
    assert (breach.verdict if breach else None) is verdict
    assert group.killed_by_the_machine() is machine


def test_a_process_enters_before_it_becomes_the_sandbox(tmp_path):
    """The command writes itself into each hierarchy and then becomes the program, with no environment at all."""
    first, second = tmp_path / "memory", tmp_path / "pids folder"
    for folder in (first, second):
        folder.mkdir()
        (folder / "cgroup.procs").write_text("")
    group = ControlGroup(Place(1, (first, second)), Limits(1.0))
    process = subprocess.Popen(
        group.entering(["/usr/bin/env"]), env={"SECRET": "x"}, stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert process.communicate(timeout=30)[0] == ""
    assert [(folder / "cgroup.procs").read_text() for folder in (first, second)] == ["0\n", "0\n"]
    second.rename(tmp_path / "gone")
    refused = subprocess.run(group.entering(["/usr/bin/env"]), capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "pids folder" in refused.stderr


def test_only_groups_of_dead_graders_are_swept(tmp_path):
    """An empty group goes when its grader is dead, and stays while it lives."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    dead, alive, other = (tmp_path / f"{PREFIX}{who}-1" for who in (ended.pid, os.getpid(), "x"))
    for group in (dead, alive, other):
        group.mkdir()
    sweep(tmp_path)
    assert (dead.exists(), alive.exists(), other.exists()) == (False, True, True)


def test_a_machine_out_of_memory_is_no_fault_of_the_notebook(tmp_path, control_group, monkeypatch):
    """A sandbox of which the machine's out-of-memory killer took a process within its limit counts as lost."""
    monkeypatch.setattr(ControlGroup, "events", lambda self: Events(memory_limit=0, killed=1, task_limit=0))
    ended = run_confined(LITTLE, tmp_path)
    assert ended.breach is None
    assert "the machine ran out of memory" in ended.lost


def test_without_a_control_group_any_such_kill_is_enough(tmp_path, monkeypatch):
    """Where nobody counts whose process was killed, the participant has the benefit of the doubt."""
    monkeypatch.setattr(bubblewrap, "make_group", lambda limits: None)
    kills = iter((5, 5, 5, 6))  # at the start and at the end of two runs; the machine's own count is everybody's
    monkeypatch.setattr(bubblewrap, "out_of_memory_kills", lambda: next(kills))
    assert run_confined(LITTLE, tmp_path).lost is None
    assert "maybe one of the sandbox" in run_confined(LITTLE, tmp_path).lost


def test_the_machines_count_of_kills_is_read():
    """The count that decides is a number that only grows."""
    first = bubblewrap.out_of_memory_kills()
    assert 0 <= first <= bubblewrap.out_of_memory_kills()


def test_a_watchdog_ends_with_its_context(tmp_path):
    """No thread of ours outlives a grading."""
    run_confined(LITTLE, tmp_path)
    deadline = time.monotonic() + 10
    while any(thread.name == "watchdog" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_name_does_not_hide_threads():
    """Threads are counted from the kernel's list of them: a process named like a line of its status fools nobody."""
    code = "import ctypes, threading\nctypes.CDLL(None).prctl(15, b'Threads:\\t1')\n"
    code += "for _ in range(5): threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    code += "print('up', flush=True)\nthreading.Event().wait()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "up\n"
            assert threads_of(psutil.Process(process.pid)) == 6
        finally:
            process.kill()
