"""The house: rooms along a notebook's way, arrows one way, and nothing loads slowly that need not."""

import ast
import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.startup import COMMANDS, HEAVY, loaded_by
from tests.conftest import REPOSITORY

MOST_LINES = 400
ROOMS = sorted(path.parent.name for path in (REPOSITORY / "grader").glob("*/__init__.py"))


def lint_imports(folder):
    """Check the contracts of `pyproject.toml` on the packages in a folder; return the exit status and what it says."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    ran = subprocess.run([*command, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout + ran.stderr


@pytest.fixture
def copy(tmp_path):
    """Copy both packages and the contracts."""
    for name in ("competition", "grader"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("*.npz", "__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    return tmp_path


def test_arrows_point_one_way(copy):
    """The contracts hold: rooms in order, entered by their doors, no circle; the task knows nothing of the grader."""
    status, said = lint_imports(copy)
    assert status == 0, said


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("grader/contest/store.py", "from grader import pages", "only those before it"),
        ("grader/sandbox/job.py", "from grader.grading import Record", "only those before it"),
        ("grader/pages/page.py", "from grader.contest.store import Store", "entered by its door"),
        ("grader/grading/settings.py", "from grader.grading import record", "in a circle"),
        ("competition/noise.py", "import grader.verdicts", "never the other way"),
    ],
)
def test_an_arrow_the_other_way_is_found(copy, file, line, contract):
    """One import in the wrong direction, past a door or in a circle breaks the contract that names it."""
    path = copy / file
    path.write_text(path.read_text() + f"\n{line}\n")
    status, said = lint_imports(copy)
    assert status == 1
    assert re.search(f"{contract}.* BROKEN", said), said


def door(room):
    """Return the module of a room, the names that it exports, and the names of its modules."""
    module = importlib.import_module(f"grader.{room}")
    modules = {path.stem for path in Path(module.__file__).parent.glob("*.py")} - {"__init__"}
    return module, set(getattr(module, "__all__", ())), modules


@pytest.mark.parametrize("room", ROOMS)
def test_a_door_says_what_comes_in_and_what_goes_out(room):
    """A room's first line tells what comes in and what goes out; below, each of its modules has a caption."""
    module, _, modules = door(room)
    first, *captions = module.__doc__.splitlines()
    assert re.search(r"\bcomes? in\b.*\b(out goe?s?|goe?s? out)\b", first)
    captioned = {word for line in captions if line.startswith("    ") for word in line.split()[:2]}
    assert modules <= captioned, modules - captioned


@pytest.mark.parametrize("room", ROOMS)
def test_a_door_lets_out_what_others_use_and_no_more(room):
    """Each exported name is there, and another room uses it."""
    module, exported, _ = door(room)
    assert all(hasattr(module, name) for name in exported)
    used = set()
    for path in (REPOSITORY / "grader").rglob("*.py"):
        if room in path.relative_to(REPOSITORY / "grader").parts[:1]:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.ImportFrom(module=name) if name == f"grader.{room}":
                    used |= {alias.name for alias in node.names}
                case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name == room:
                    used.add(attribute)
    inside = {
        node.attr
        for path in (REPOSITORY / "grader" / room).glob("cli.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == room
    }  # a room's own commands load what is slow through its door
    assert exported <= used | inside, exported - used - inside


def test_no_file_is_longer_than_an_afternoon_allows():
    """No Python file has more than 400 lines."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.pyi"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    paths = [REPOSITORY / name for name in listed.stdout.split()]
    lines = {path.name: path.read_text().count("\n") for path in paths if path.exists()}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_does_not_train_loads_nothing_that_is_slow(name, tmp_path):
    """Help, history, the public board, packaging and errors load neither torch nor scikit-learn, pandas, matplotlib."""
    status, modules = loaded_by(COMMANDS[name], tmp_path)
    assert status == COMMANDS[name].status
    assert modules.isdisjoint(HEAVY)
    assert "typer" in modules


WITHOUT_EXTRAS = """
import sys
for name in ("mkdocs", "python_multipart", "ray", "segno", "starlette", "uvicorn"):
    sys.modules[name] = None
from grader.cli import app
app(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [(["--help"], 0, "leaderboard"), (["serve"], 3, "the site needs"), (["invite", "names.csv"], 3, "the site needs")],
)
def test_without_the_extras_a_command_says_what_to_install(command, status, said, tmp_path):
    """Where no extra is installed the kit works, and what needs one says which, before anything is made."""
    (tmp_path / "names.csv").write_text("name\nAda\n")
    runner = [sys.executable, "-c", WITHOUT_EXTRAS]
    subprocess.run([*runner, "init", "."], cwd=tmp_path, check=True, capture_output=True)
    ended = subprocess.run([*runner, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, said in ended.stdout + ended.stderr) == (status, True), ended.stderr
    assert not (tmp_path / "links.csv").exists()
    if status:
        assert "pip install 'label-noise-competition[site]'" in ended.stderr
        assert not (tmp_path / "contest.sqlite").exists()
