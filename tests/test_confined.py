"""The sandbox by Landlock, for containers that refuse namespaces: what it hides, what it lets through."""

import os
import signal
import subprocess
import sys

import pytest

from grader.sandbox import Backend, confined
from grader.sandbox.confine import LEAST_VERSION, SCOPES_VERSION, landlock_version, rights
from grader.sandbox.system_calls import REFUSED, TRACING, filter_program
from grader.verdicts import InfrastructureError, Verdict
from tests.confined import run_confined


@pytest.fixture
def told(data, monkeypatch):
    """Run a line confined, as in a container without a network, and return what it printed."""
    monkeypatch.setattr(confined, "networks", list)

    def tell(code, **limits):
        return run_confined(code, data / "public" / "train", Backend.CONFINED, **limits)

    return tell


TRY = """
import os
def attempt(what):
    try:
        print('REACHED', what())
    except OSError as error:
        print('refused', error.errno)
"""


def test_private_data_and_other_folders_are_out_of_reach(told, data, tmp_path):
    """Neither private data nor a file of the grader's user can be opened, emptied, listed, moved or made."""
    secret = tmp_path / "secret.txt"
    secret.write_text("answer")
    tries = [
        f"open({str(secret)!r}).read()",
        f"open({str(secret)!r}, 'w').write('x')",
        f"os.truncate({str(secret)!r}, 0)",
        f"os.unlink({str(secret)!r})",
        f"os.rename({str(secret)!r}, 'here')",
        f"os.link({str(secret)!r}, 'here')",
        f"os.listdir({str(data / 'private')!r})",
        f"os.mkdir({str(tmp_path / 'made')!r})",
        "os.listdir('/root')",
        "open('/tmp/lies', 'w')",
        "open('/etc/passwd').read()",
    ]
    printed = told(TRY + "".join(f"attempt(lambda: {each})\n" for each in tries)).printed
    assert printed.count("refused") == len(tries), printed
    assert secret.read_text() == "answer"
    assert [path.name for path in tmp_path.iterdir()] == ["secret.txt"]


def test_what_a_notebook_needs_is_there(told):
    """Its inputs can be read, its own folder written, memory shared, and a process started that is confined too."""
    code = (
        "import os, subprocess, sys, tempfile\n"
        "print(len(os.listdir('train/data')) > 0)\n"
        "open('mine', 'w').write('x'); os.mkdir('folder'); os.rename('mine', 'folder/mine')\n"
        "tempfile.TemporaryFile().write(b'x')\n"
        "open('/dev/shm/shared', 'w').write('x'); os.unlink('/dev/shm/shared')\n"
        "print(subprocess.run([sys.executable, '-S', '-c', 'open(\"/etc/passwd\")'], stderr=-3).returncode)\n"
    )
    assert told(code).printed.split() == ["True", "1"]


def test_the_trainer_can_be_neither_read_nor_traced(told):
    """Memory and environment of the grader's process are refused, and the calls that trace are not there."""
    ours = os.getpid()
    code = TRY + (
        f"for name in ('mem', 'environ'):\n    attempt(lambda: open('/proc/{ours}/' + name, 'rb').read(1))\n"
        "import ctypes\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        f"print(libc.ptrace(16, {ours}, 0, 0), libc.unshare(0x10000000), libc.chroot(b'.'))\n"
    )
    printed = told(code).printed
    assert printed.count("refused") == 2, printed
    assert "-1 -1 -1" in printed


def test_no_signal_reaches_the_trainer(told):
    """With Landlock's sixth version a notebook cannot even ask whether a process outside takes a signal.

    Before it can, as the module says.
    """
    expected = "refused 1" if landlock_version() >= SCOPES_VERSION else "REACHED"
    assert expected in told(TRY + f"attempt(lambda: os.kill({os.getpid()}, 0))\n").printed


def test_nothing_lives_on(told):
    """A process that detached itself is dead when the sandbox is."""
    code = "import os, time\nchild = os.fork()\nif not child:\n    os.setsid()\n    time.sleep(300)\nprint(child)"
    ended = told(code)
    pid = int(ended.printed.split()[0])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_limits_hold(told):
    """Memory is the watchdog's, the size of a file the kernel's, and ending oneself by a signal is nobody's loss."""
    assert told("x = bytearray(1 << 29); import time; time.sleep(60)", memory_bytes=1 << 28).breach.verdict is (
        Verdict.MEMORY_LIMIT
    )
    code = TRY + "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    code += "big = os.open('big', os.O_CREAT | os.O_WRONLY)\nprint(os.write(big, bytes(2 << 20)))\n"
    printed = told(code + "attempt(lambda: os.write(big, b'x'))", scratch_bytes=1 << 20).printed
    assert printed.split() == [str(1 << 20), "refused", "27"]
    assert told(f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})").lost is None


def test_a_container_with_a_network_is_refused(data, monkeypatch):
    """Where an interface is up, nothing runs, and the message names the setting that switches it off."""
    monkeypatch.setattr(confined, "networks", lambda: ["eth0"])
    monkeypatch.setattr(confined.confine, "landlock_version", lambda: LEAST_VERSION)
    with pytest.raises(InfrastructureError, match=r"eth0.*NETWORK_DISABLED=True"):
        run_confined("print()", data / "public" / "train", Backend.CONFINED)


@pytest.mark.parametrize(("version", "said"), [(0, "no Landlock"), (2, "version 2 of Landlock")])
def test_a_kernel_without_landlock_is_refused(data, monkeypatch, version, said):
    """Where the kernel cannot confine, nothing runs."""
    monkeypatch.setattr(confined.confine, "landlock_version", lambda: version)
    with pytest.raises(InfrastructureError, match=said):
        run_confined("print()", data / "public" / "train", Backend.CONFINED)


def test_the_launcher_refuses_by_itself_too():
    """The program that confines ends before it becomes the command where Landlock is too old."""
    code = "from grader.sandbox import confine\nconfine.landlock_version = lambda: 1\nconfine.restrict_files([], [])\n"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "version 1 of Landlock" in ran.stderr


def test_each_version_handles_its_rights():
    """A later version handles all rights of those before it, and more."""
    assert rights(1) == (1 << 13) - 1
    assert [bin(rights(version)).count("1") for version in (1, 2, 3, 4, 5, 7)] == [13, 14, 15, 15, 16, 16]


def test_the_filter_refuses_more_here_than_in_namespaces():
    """Tracing is refused where no namespace hides processes; the numbers of both machines are known."""
    for machine in ("x86_64", "aarch64"):
        usual, more = filter_program(machine), filter_program(machine, also=TRACING)
        assert len(more) - len(usual) == 8 * len(TRACING)
    assert not set(TRACING) & set(REFUSED)
