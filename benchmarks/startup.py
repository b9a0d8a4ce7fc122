"""How long commands take that train nothing, and which slow libraries they load.

    python -m benchmarks.startup [--repeats 5]

Each runs in a fresh process in an empty folder with a small contest in it. The table has the median and the largest of
all repeats in seconds, and the same for an interpreter that imports torch, which each of them did once.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HEAVY = frozenset(("torch", "torchvision", "sklearn", "pandas", "matplotlib", "scipy", "ray", "lark"))
REPOSITORY = Path(__file__).parents[1]


@dataclass(frozen=True)
class Command:
    """A command line, the package that it belongs to, and its exit status."""

    package: str
    arguments: tuple[str, ...]
    status: int


COMMANDS = {
    "grader --help": Command("grader", ("--help",), 0),
    "grader grade --help": Command("grader", ("grade", "--help"), 0),
    "grader history anna": Command("grader", ("history", "anna"), 0),
    "grader remove anna --reason TEXT": Command("grader", ("remove", "anna", "--reason", "TEXT"), 0),
    "grader export-results --csv FILE": Command("grader", ("export-results", "--csv", "results.csv"), 0),
    "grader doctor --help": Command("grader", ("doctor", "--help"), 0),
    "grader leaderboard --split test_a": Command("grader", ("leaderboard", "--split", "test_a"), 0),
    "competition package cell.py": Command("competition", ("package", "cell.py"), 0),
    "competition build-notebook --check": Command(
        "competition", ("build-notebook", "--check", "-o", "starter.ipynb"), 0
    ),
    "a usage error": Command("grader", ("batch",), 2),
    "a notebook that is missing": Command("grader", ("grade", "missing.ipynb"), 2),
    "a notebook that is no notebook": Command("grader", ("grade", "words.ipynb"), 1),
    "a run that is none": Command("grader", ("report", "words.ipynb"), 3),
    "a reference that is none": Command("grader", ("validate", "nobody"), 2),
}


def prepare(folder: Path) -> None:
    """Make what the commands read: a contest with one submission, manifests without images, files of every kind."""
    from competition.notebook import starter_text
    from grader.contest.store import Entry, Kind, Store
    from grader.contest_file.reading import CONTEST_FILE
    from grader.contest_file.writing import contest_text

    for part, splits in (("public", ("train", "val")), ("private", ("train", "val", "test_a", "test_b"))):
        for split in splits:
            (folder / "data" / part / split).mkdir(parents=True, exist_ok=True)
        entries = {split: {"sha256": split} for split in splits}
        (folder / "data" / part / "manifest.json").write_text(json.dumps({"splits": entries}))
    (folder / CONTEST_FILE).write_text(contest_text())
    (folder / "reference_solutions").mkdir(exist_ok=True)
    (folder / "cell.py").write_text("def your_select_indices(targets, losses):\n    return [[0], [0]]\n")
    (folder / "words.ipynb").write_text("no notebook")
    (folder / "starter.ipynb").write_text(starter_text(), encoding="utf-8")
    entry = Entry("anna", Kind.PARTICIPANT, Path("anna.ipynb"), datetime(2026, 3, 1, tzinfo=UTC), "0" * 64, "cell:0")
    with Store(folder / "contest.sqlite") as store:
        store.receive([entry])


def loaded_by(command: Command, folder: Path) -> tuple[int, frozenset[str]]:
    """Run a command in a folder that `prepare` fills; return its exit status and the top-level modules it loaded."""
    prepare(folder)
    code = (
        "import atexit, json, pathlib, runpy, sys\n"
        "def tell():\n"
        "    pathlib.Path('modules.json').write_text(json.dumps([name for name in sys.modules if '.' not in name]))\n"
        "atexit.register(tell)\n"
        f"sys.path.insert(0, {str(REPOSITORY)!r})\n"
        f"sys.argv = {[command.package, *command.arguments]!r}\n"
        f"runpy.run_module({command.package!r}, run_name='__main__')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, check=False)
    return ran.returncode, frozenset(json.loads((folder / "modules.json").read_text()))


def seconds(arguments: list[str], folder: Path) -> float:
    """Return the wall clock of one call of this Python."""
    started = time.monotonic()
    subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, check=False)
    return time.monotonic() - started


def main() -> None:
    """Time all commands in turn, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    taken: dict[str, list[float]] = {name: [] for name in [*COMMANDS, "python -c 'import torch'"]}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        prepare(folder)
        for _ in range(repeats):
            for name, command in COMMANDS.items():
                taken[name].append(seconds(["-m", command.package, *command.arguments], folder))
            taken["python -c 'import torch'"].append(seconds(["-c", "import torch"], folder))
        loaded = {name: loaded_by(command, folder)[1] & HEAVY for name, command in COMMANDS.items()}
    print("| command | median, s | largest, s | slow libraries |")
    print("|---|---|---|---|")
    for name, values in taken.items():
        slow = ", ".join(sorted(loaded.get(name, {"torch"}))) or "none"
        print(f"| {name} | {statistics.median(values):.2f} | {max(values):.2f} | {slow} |")


if __name__ == "__main__":
    main()
