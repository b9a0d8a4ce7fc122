"""What a process can reach from inside the sandbox: one attempt, one test, named after the attempt.

Each piece of code raises an error with the word REACHED when its attempt succeeds. Where that is harmless, the same
code is run without a sandbox too, to show that the attempt succeeds there: a test that cannot fail proves nothing. No
kernel is started where none is looked at.
"""

import os
import socket
import subprocess
import sys
import textwrap

import pytest

from grader.sandbox import Backend
from grader.sandbox.plain import InFolder
from grader.sandbox.python_files import hide_kit
from grader.sandbox.running import CAPTURED_BYTES
from tests.confined import run_confined
from tests.conftest import ALL_SAMPLES, REPOSITORY

CANARY = "canary-5f1c"

READ_PATH = """
from pathlib import Path
for name in {paths!r}:
    path = Path(name)
    try:
        found = list(path.iterdir()) if path.is_dir() else path.read_text(errors="replace")
    except OSError:
        continue
    if found:
        raise RuntimeError(f"REACHED {{name}}: {{str(found)[:200]}}")
"""

SEARCH_ENVIRONMENT = """
import os
from pathlib import Path
seen = dict(os.environ)
for process in Path("/proc").glob("[0-9]*"):
    try:
        seen[process.name] = (process / "environ").read_text(errors="replace")
    except OSError:
        pass
if any({backwards!r}[::-1] in value for value in seen.values()):
    raise RuntimeError("REACHED the environment")
"""

USE_NETWORK = """
import socket
for family, address in ((socket.AF_INET, ("127.0.0.1", {port})), (socket.AF_UNIX, "\\0{abstract}")):
    try:
        with socket.socket(family) as connection:
            connection.settimeout(2)
            connection.connect(address)
    except OSError:
        continue
    raise RuntimeError(f"REACHED {{address}}")
interfaces = [name for _, name in socket.if_nameindex()]
if interfaces != ["lo"]:
    raise RuntimeError(f"REACHED the interfaces {{interfaces}}")
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Give the organizer a home folder and an environment variable that nobody else may see."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "secret.txt").write_text(CANARY)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("SECRET_TOKEN", CANARY)
    return folder


def told(code, folder, backend=Backend.BWRAP):
    """Run code where the notebook would run; return what it prints, "through" at its end if nothing stopped it."""
    ended = run_confined(code + "\nprint('through')", folder, backend)
    assert (ended.breach, ended.lost) == (None, None)
    return ended.printed.strip()


def test_the_private_folder_cannot_be_reached(data):
    """Labels by path: neither the private folder nor the data folder exists in the sandbox, and outside they do."""
    paths = [str(data / "private" / "train_truth.csv"), str(data / "private"), str(data), "private", "../private"]
    code = READ_PATH.format(paths=paths)
    assert told(code, data / "public" / "train") == "through"
    assert "REACHED" in told(code, data / "public" / "train", Backend.NONE)


def test_the_organizers_home_cannot_be_reached(home, tmp_path):
    """The home folder, its files, the clone's sources and the system's accounts are not there."""
    paths = [str(home), str(home / "secret.txt"), "/home", "/etc/passwd", "/etc/shadow", "/var", "/srv"]
    paths += [str(REPOSITORY / name) for name in ("README.md", "grader", "tests", ".git")]
    code = READ_PATH.format(paths=paths)
    assert told(code, tmp_path) == "through"
    assert "REACHED" in told(code, tmp_path, Backend.NONE)


def test_the_organizers_environment_cannot_be_reached(home, tmp_path):
    """No variable of the organizer's is in any process that the notebook can see; the search finds one that is."""
    code = SEARCH_ENVIRONMENT.format(backwards=CANARY[::-1])
    assert told(code, tmp_path) == "through"
    planted = "import subprocess\nsubprocess.Popen(['sleep', '30'], env={'X': " + repr(CANARY) + "})\n"
    assert "REACHED" in told(planted + code, tmp_path)


def test_the_network_cannot_be_reached(tmp_path):
    """Neither a server on this machine, by address or abstract socket, nor any interface but loopback is there."""
    with socket.socket() as server, socket.socket(socket.AF_UNIX) as local:
        server.bind(("127.0.0.1", 0))
        server.listen()
        local.bind(f"\0kit-{os.getpid()}")
        local.listen()
        code = USE_NETWORK.format(port=server.getsockname()[1], abstract=f"kit-{os.getpid()}")
        assert told(code, tmp_path) == "through"
        assert "REACHED" in told(code, tmp_path, Backend.NONE)


ESCAPES = {
    "write outside the scratch folder": """
for name in ("/x", "/usr/x", "/dev/x", "/etc/x", "train/x", "gateway/x", sys.prefix + "/x"):
    try:
        open(name, "w").close()
    except OSError:
        continue
    raise RuntimeError(f"REACHED {name}")
""",
    "see other processes": """
others = [p for p in os.listdir("/proc") if p.isdigit()]
lines = [open(f"/proc/{p}/cmdline").read() for p in others]
if len(others) > 8 or any("py" + "test" in line or "pub" + "lic" in line for line in lines):
    raise RuntimeError(f"REACHED {lines}")
""",
    "take what a user has few of": """
import ctypes, resource
libc = ctypes.CDLL(None, use_errno=True)
if libc.inotify_init1(0) >= 0 or libc.inotify_init() >= 0:
    raise RuntimeError("REACHED an inotify instance")
limits = [resource.getrlimit(kind)[1] for kind in (resource.RLIMIT_NOFILE, 11, 12)]  # signals, message queues
if limits[0] > 4096 or limits[1] > 1024 or limits[2] > 0:
    raise RuntimeError(f"REACHED limits of {limits}")
""",
    "read where the environment lies, or what else is installed": """
import glob, pathlib
programs = pathlib.Path(sys.executable).parent
if programs.is_relative_to("/environment") and [p for p in programs.iterdir() if not p.name.startswith("python")]:
    raise RuntimeError(f"REACHED {list(programs.iterdir())}")
for packages in ("/usr/lib/python3/dist-packages", *glob.glob(sys.base_prefix + "/lib/python3*/site-packages")):
    if not packages.startswith("/environment") and pathlib.Path(packages).is_dir() and os.listdir(packages):
        raise RuntimeError(f"REACHED {os.listdir(packages)}")
""",
    "make a user namespace": """
import ctypes
if ctypes.CDLL(None, use_errno=True).unshare(0x10000000) == 0:
    raise RuntimeError("REACHED a new user namespace")
""",
    "hold a capability": """
status = open("/proc/self/status").read()
sets = [line.split()[1] for line in status.splitlines() if line.startswith(("CapEff", "CapPrm", "CapBnd", "CapInh"))]
if any(int(value, 16) for value in sets) or os.getuid() == 0:
    raise RuntimeError(f"REACHED {sets} as {os.getuid()}")
""",
    "inherit a file descriptor": """
for number in os.listdir("/proc/self/fd"):
    try:
        target = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        continue
    if target.startswith("/") and not target.startswith(("/dev/", "/proc/", "/usr", "/tmp", sys.prefix)):
        raise RuntimeError(f"REACHED {target}")
""",
}


@pytest.mark.parametrize("attempt", ESCAPES)
def test_an_escape_fails(attempt, tmp_path):
    """What a process in the sandbox may not do fails, and it goes on as if it had not tried."""
    assert told("import os, sys\n" + ESCAPES[attempt], tmp_path) == "through"


PLANTED = {
    "link": "os.symlink('/proc/self/environ', 'executed.ipynb')",
    "link to a file of its own": "open('other', 'w').write('x'); os.symlink('other', 'executed.ipynb')",
    "hard link": "open('other', 'w').write('x'); os.link('other', 'executed.ipynb')",
    "pipe": "os.mkfifo('executed.ipynb')",
    "folder": "os.mkdir('executed.ipynb')",
}


@pytest.mark.parametrize("trick", PLANTED)
def test_a_planted_output_is_not_followed(tmp_path, trick):
    """The executed notebook may be replaced by a link, a pipe or a folder: it is left out, and nothing hangs."""
    ended = run_confined(f"import os\n{PLANTED[trick]}\nprint('planted')", tmp_path)
    assert (ended.printed.strip(), ended.executed, ended.breach, ended.lost) == ("planted", None, None, None)


def test_an_output_that_is_a_file_is_brought_out(tmp_path):
    """A regular file with one name is what the sandbox is asked for."""
    ended = run_confined("open('executed.ipynb', 'w').write('{}')", tmp_path)
    assert ended.executed == b"{}"


@pytest.mark.slow
@pytest.mark.parametrize("trick", ["hard link", "pipe"])
def test_a_planted_output_in_the_place_of_papermills(grade, data, trick):
    """A notebook that replaces its own output gets a verdict; a pipe holds papermill up, at its own expense."""
    cell = (
        "import os\n"
        "def your_select_indices(targets, losses):\n    return [[0], [0]]\n"
        f"if os.path.lexists('executed.ipynb'): os.remove('executed.ipynb')\n{PLANTED[trick]}\n"
    )
    graded = grade(cell, "--time-limit", "40")
    assert graded.record["verdict"] in ("OK", "RuntimeError", "TimeLimitExceeded"), graded.record
    executed = graded.run / "executed.ipynb"
    assert not executed.is_symlink()
    assert not executed.exists() or executed.read_bytes().startswith(b"{")


@pytest.mark.slow
@pytest.mark.parametrize("where", ["in the cell", "in the function"])
def test_no_path_of_the_organizers_is_told(grade, data, where):
    """A traceback through torch and the standard library names no folder outside the sandbox, in no file of the run."""
    failing = "import json, torch\ntry:\n    torch.zeros(2).reshape(3)\nexcept RuntimeError:\n    json.loads('{')\n"
    if where == "in the function":
        failing = "def your_select_indices(targets, losses):\n" + textwrap.indent(failing, "    ")
    graded = grade(failing)
    assert graded.record["verdict"] == "RuntimeError"
    assert "JSONDecodeError" in graded.record["message"]
    told = "".join(path.read_text() for path in graded.run.iterdir() if path.suffix in (".json", ".ipynb", ".txt"))
    ours = {str(data), str(data.parent), str(graded.run.parent), str(REPOSITORY), sys.prefix, sys.base_prefix}
    assert not [path for path in ours if path in told and not path.startswith("/usr")]


def test_stray_processes_die_with_the_notebook(tmp_path):
    """A child in a session of its own that ignores every signal does not outlive the sandbox."""
    code = (
        "import subprocess\n"
        "subprocess.Popen(['sh', '-c', 'trap \"\" HUP INT TERM; sleep 7531 & wait'], start_new_session=True)\n"
    )
    assert told(code, tmp_path) == "through"
    listed = subprocess.run(["ps", "ax"], capture_output=True, text=True, check=True).stdout
    assert "sleep 7531" not in listed


def test_nothing_is_left_in_the_temporary_folder(grade, light, short_folder, monkeypatch):
    """The folder with the socket and the notebook is removed."""
    monkeypatch.setenv("TMPDIR", str(short_folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert grade(ALL_SAMPLES).record["verdict"] == "OK"
    assert list(short_folder.iterdir()) == []


@pytest.mark.parametrize("attempt", range(20))
def test_a_program_that_ends_at_once_has_been_held(tmp_path, attempt):
    """However soon it ends, it counts as one that was started: what it printed is kept, and nobody blames us."""
    ended = run_confined("print('done')", tmp_path)
    assert (ended.printed, ended.lost, ended.breach) == ("done\n", None, None)


def test_captured_output_is_cut_with_a_notice(tmp_path):
    """Of a flood on stdout the beginning is kept, and a line says how much was dropped."""
    command = [sys.executable, "-c", "print('x' * 1_000_000)"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0)
    running = InFolder(process, tmp_path)
    running.wait(30)
    running.close()
    text = running.captured().decode()
    assert text.startswith("x" * CAPTURED_BYTES)
    assert text.endswith(f"[cut: {1_000_001 - CAPTURED_BYTES:,} more bytes of output]\n")


def test_an_installed_kit_is_hidden(tmp_path, monkeypatch):
    """Packages that are no editable installation hold the pool, so their folders are covered, and their commands."""
    packages = tmp_path / "lib/site-packages"
    for name in (
        "competition/pool.npz",
        "kit.dist-info/METADATA",
        "one_module.py",
        "other/kept.py",
        "../../bin/grader",
    ):
        path = packages / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("Metadata-Version: 2.1\nName: label-noise-competition\nVersion: 0.1.0\n")
    (packages / "kit.dist-info").rename(packages / "label_noise_competition-0.1.0.dist-info")
    record = packages / "label_noise_competition-0.1.0.dist-info/RECORD"
    record.write_text("../../bin/grader,,\ncompetition/pool.npz,,\none_module.py,,\n")
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    seen = "/environment/lib/site-packages"
    assert hide_kit(packages) == [
        *("--ro-bind", "/dev/null", "/environment/bin/grader"),
        *("--tmpfs", f"{seen}/competition", "--remount-ro", f"{seen}/competition"),
        *("--ro-bind", "/dev/null", f"{seen}/one_module.py"),
    ]
