"""Nothing lives on: neither what a command left behind when it ended, nor anything of it when its starter is killed."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from grader.sandbox import bubblewrap
from grader.sandbox.reaper import start_reaped
from tests.confined import run_confined

KILLS = 40
DAEMON = "setsid sleep 7536 & echo $!; "  # in a session of its own, with the output open


def shell(script, **options):
    """Run a shell script under a reaper."""
    return start_reaped(["/bin/sh", "-c", script], **options)


def test_a_starter_that_is_killed_at_any_moment_leaves_nothing():
    """Killed with SIGKILL at moments all over the start of a sandbox, a grader leaves no process."""
    command = [sys.executable, "-m", "tests.killed_starts", str(KILLS)]
    looks = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    assert [left for _, left in looks if left] == []
    assert len(looks) == KILLS


def test_a_daemon_does_not_outlive_its_command():
    """What a command leaves in the background is dead once the reaper has ended."""
    with shell(DAEMON + "sleep 0.2; exit 7") as process:
        pid = int(process.stdout.read())
        assert process.wait() == 7
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("ignored", ["", "trap '' TERM INT HUP; "])
def test_closing_the_line_kills_it_all(ignored):
    """The end of its standard input stops the command and its daemons, whatever signals they ignore."""
    with shell(f"{ignored}{DAEMON}sleep 7536") as process:
        pid = int(process.stdout.readline())
        family = psutil.Process(process.pid).children(recursive=True)
        process.stdin.close()
        assert process.wait() == -signal.SIGKILL
    assert len(family) >= 2
    assert not psutil.pid_exists(pid)
    assert not any(member.is_running() for member in family)


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("exit 0", 0),
        ("exit 143", 143),
        *(
            (f"kill -{number} $$", -number)
            for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGSEGV, signal.SIGKILL)
        ),
    ],
)
def test_it_ends_as_its_command_did(script, status):
    """The reaper's own status is the command's: a number, or the same signal, even one that it ignores."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as for all that a shell starts in the background
    try:
        with shell(script) as process:
            assert process.wait() == status
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda sent: sent.name)
def test_a_signal_to_every_process_of_a_job_does_not_end_the_reaper(sent):
    """It lives on, and kills what is left when the line ends; its command gets the signal as usual."""
    with shell(f"trap 'echo got it' {sent.name.removeprefix('SIG')}; {DAEMON}while :; do sleep 0.05; done") as process:
        pid = int(process.stdout.readline())
        [command] = psutil.Process(process.pid).children()
        for member in (command.pid, process.pid):
            os.kill(member, sent)
        assert process.stdout.readline() == b"got it\n"
        process.stdin.close()
        assert process.wait() == -signal.SIGKILL
    assert not psutil.pid_exists(pid)


def test_a_reaper_started_with_signals_ignored_and_blocked_works():
    """Neither an ignored SIGCHLD nor a mask that it inherits keeps it from its work, or gets to the command."""
    program = f"""
import signal
from grader.sandbox.reaper import start_reaped
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
with start_reaped(["/bin/grep", "SigBlk", "/proc/self/status"]) as process:
    print(process.stdout.read().split()[1].decode())
process = start_reaped(["/bin/sh", "-c", "{DAEMON} sleep 7536"])
print(process.stdout.readline().decode())
process.stdin.close()
process.stdout.read()
"""
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    mask, pid = printed.split()
    assert int(mask, 16) == 0
    assert not psutil.pid_exists(int(pid))


def test_a_sandbox_that_is_interrupted_while_it_starts_is_stopped(tmp_path, monkeypatch):
    """Ctrl-C before the sandbox stands leaves no process and no descriptor."""

    def interrupt(init_pid, running):
        processes.extend(psutil.Process(running.pid).children(recursive=True))
        raise KeyboardInterrupt

    processes, before = [], len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(bubblewrap, "wait_for_mounts", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_confined("import time; time.sleep(7536)", tmp_path)
    assert len(processes) >= 2
    assert not any(process.is_running() for process in processes)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_descriptors_beyond_a_thousand_do_no_harm(tmp_path):
    """A grader with many open files, where the machine allows them, starts a sandbox like any other."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    many = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    try:
        assert run_confined("print('ran')", tmp_path).printed == "ran\n"
    finally:
        for descriptor in many:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


def test_a_command_gets_nothing_but_what_it_was_given(monkeypatch):
    """Its environment is empty, its input ends at once, its limits are set, and it has the descriptors passed on."""
    monkeypatch.setenv("SECRET", "x")
    mine, its = os.pipe()
    code = (
        "import os, resource; print(sorted(os.listdir('/proc/self/fd')), repr(open('/proc/self/environ').read()),"
        "os.read(0, 1), resource.getrlimit(resource.RLIMIT_CORE));"
        f"os.write({its}, b'passed on')"
    )
    limits = [(resource.RLIMIT_CORE, 0)]
    with start_reaped([sys.executable, "-I", "-S", "-c", code], limits, pass_fds=[its]) as process:
        os.close(its)
        printed = process.stdout.read().decode().strip()
    listing = "3" if its != 3 else "4"  # to read the folder takes a descriptor
    assert printed == f"{sorted(['0', '1', '2', listing, str(its)])} '' b'' (0, 0)"
    with open(mine, "rb") as stream:
        assert stream.read() == b"passed on"


def test_a_command_that_cannot_start_says_so():
    """The reaper's own failure ends it with status 1 and its words."""
    with start_reaped(["/no/such/program"]) as process:
        assert "No such file" in process.stdout.read().decode()
        assert process.wait() == 1


def test_a_low_limit_of_our_own_is_kept(tmp_path, monkeypatch):
    """A grader that may itself have fewer processes than a sandbox would get starts it all the same, with as many."""
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (100, 900))
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_NPROC))"
    assert run_confined(code, tmp_path).printed == "(900, 900)\n"
