"""Nothing lives on: neither what a command left behind when it ended, nor anything of it when its starter is killed."""

import json
import os
import resource
import signal
import subprocess
import sys

import psutil
import pytest

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
