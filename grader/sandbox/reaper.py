"""Run a command of which nothing lives on, neither when it has ended nor when the process that started it has.

A killed grader cannot clean up, and bubblewrap's ``--die-with-parent`` alone does not see to it: its inner process
waits for the outer one before it asks the kernel to die with it, so one that loses its parent while it starts waits for
ever, or even runs the notebook (containers/bubblewrap#633). So a reaper stands between the two: this module, run as a
program. The orphans of its descendants come to it (``PR_SET_CHILD_SUBREAPER``, prctl(2), Linux), whatever session or
PID namespace they are in.

The reaper's standard input is its line to whoever started it: the first byte starts the command, and the end, which the
kernel sees to however the starter ends, stops it. It has a session of its own and blocks all signals: whatever is sent
to the starter's process group, or to every process of a job, it lives on until its work is done. Only SIGKILL cannot be
blocked. It ends as its command did, by the same signal if it was one.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress

PR_SET_CHILD_SUBREAPER = 36
CHILDREN = "/proc/thread-self/children"
POLL_SECONDS = 0.005
STDIN = 0
RESET = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}  # Python ignores some, a background shell others


def start_reaped(
    command: list[str], limits: Iterable[tuple[int, int]] = (), pass_fds: Iterable[int] = ()
) -> subprocess.Popen[bytes]:
    """Start a command under a reaper, with an empty environment, no input and each signal's default action.

    Closing the reaper's ``stdin`` kills it all. Once the reaper has ended, nothing that the command started lives. The
    line's end must not get into another process that outlives this one, so do not fork without exec meanwhile.

    Args:
        command: an absolute path and arguments.
        limits: resource limits, soft and hard, that its processes inherit: pairs of an ``RLIMIT_`` number and a value.
        pass_fds: descriptors that the command gets under the same numbers.

    Returns:
        The reaper, with pipes for ``stdin`` (the line) and ``stdout`` (all that the command prints).

    Raises:
        OSError: it could not be started.
    """
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, *command],
        env={},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        pass_fds=tuple(pass_fds),
        start_new_session=True,
    )
    assert process.stdin is not None
    for kind, most in limits:
        resource.prlimit(process.pid, kind, (most, most))
    with suppress(BrokenPipeError):  # it has ended already, and has said why
        process.stdin.write(b"\n")
    return process


def spawn(command: list[str]) -> int:
    """Start the command with our outputs and the descriptors that we were given, and nothing else; return its PID."""
    no_input = (os.POSIX_SPAWN_OPEN, STDIN, os.devnull, os.O_RDONLY, 0)
    return os.posix_spawn(command[0], command, {}, file_actions=[no_input], setsigmask=[], setsigdef=RESET)


def kill_children() -> None:
    """Kill our children, and theirs as they become ours, until there is none."""
    while True:
        with open(CHILDREN, encoding="ascii") as stream:
            children = stream.read().split()
        for pid in map(int, children):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(POLL_SECONDS)


def end_like(code: int) -> None:
    """End with an exit status, or where it is negative by that signal, without a core dump: it is not our crash."""
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(OSError):  # SIGKILL has no action to set
            signal.signal(-code, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [-code])
        os.kill(os.getpid(), -code)
    sys.exit(code)


def reap(command: list[str]) -> None:
    """Run the command until it ends or our standard input does, kill what is left, and end as it did."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # where it is ignored, nobody can wait for a child
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        sys.exit(f"this system has no subreapers: {os.strerror(ctypes.get_errno())}")
    if not os.access(CHILDREN, os.R_OK):
        sys.exit(f"this kernel has no {CHILDREN}: it needs CONFIG_PROC_CHILDREN")
    if not os.read(STDIN, 1):
        return
    child = spawn(command)
    select.select([STDIN, os.pidfd_open(child)], [], [])
    os.kill(child, signal.SIGKILL)  # not waited for yet, so the number is still its own
    _, status = os.waitpid(child, 0)
    kill_children()
    end_like(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    reap(sys.argv[1:])
