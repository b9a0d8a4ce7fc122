"""What do a hundred hostile entries change for a hundred honest ones?

    python -m benchmarks.hostile_batch [--honest 100] [--hostile 100] [--out benchmarks/results/hostile_batch.json]

Honest entries, half of them in a folder and half in a CSV, go through ``grader batch``, ``leaderboard``, ``similar``
and ``report --all``; then the same ones among hostile entries of the kinds of `tests.hostile_entries`. Every honest
verdict, balanced accuracy and trained model must be the same bits. A bare interpreter in the sandbox answers instead of
a kernel (see `tests.light`), and the images of the debug profile have a quarter of the pixels, as 300 gradings with
kernels would take most of an hour; sandbox, socket, training, record and store are the real ones. The ratios compare
whole commands.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from typer.testing import CliRunner

from competition.build import build_data
from competition.notebook import graft, notebook_text
from competition.pool import fashion_pool
from competition.profiles import NOISE, PRACTICE_SEED, PROFILES
from grader.cli import app
from grader.contest.store import Store
from grader.sandbox import Job
from tests.hostile_entries import FOLDER_KINDS, ROW_KINDS
from tests.light import ANSWER

RESULTS_FILE = Path("benchmarks/results/hostile_batch.json")
TIME_LIMIT = 10  # seconds of the participant's clock, which some hostile entries use up
DAILY_LIMIT = 3  # what stops a flood
HONEST = "honest"
COLUMNS = ("participant", "path", "submitted_at", "final")
CELL = """
def your_select_indices(targets, losses):
    picked = []
    for peer in (1, 0):
        order = sorted(range(len(targets)), key=lambda place: losses[peer][place])
        picked.append(order[: len(order) * {keep} // 1000])
    return picked
"""


@dataclass(frozen=True)
class Measured:
    """What one batch took.

    Attributes:
        entries: how many were handed in.
        seconds: wall clock of all commands.
        cpu_seconds: CPU time of the grader and of what it started.
        by_command: wall clock of each command.
        memory_mb: the most memory that the grader's own process took until then.
        verdicts: how many of each, over all submissions.
        aside: how many were left aside and named.
    """

    entries: int
    seconds: float
    cpu_seconds: float
    by_command: dict[str, float]
    memory_mb: int
    verdicts: dict[str, int]
    aside: int


def cpu_seconds() -> float:
    """Return the CPU time of this process and of all that it has started and that has ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def write_entries(place: Path, honest: int, hostile: int) -> None:
    """Write a contest's folder ``submissions`` and its ``received.csv``, half of the entries into each."""
    folder = place / "submissions"
    folder.mkdir(parents=True)
    (place / "listed").mkdir()
    rows = [b",".join(name.encode() for name in COLUMNS)]
    for number in range(honest):
        text = notebook_text(graft(CELL.format(keep=500 + number)))
        if number % 2:
            (folder / f"{HONEST}-{number}.ipynb").write_text(text)
        else:
            (place / "listed" / f"{HONEST}-{number}.ipynb").write_text(text)
            rows.append(f"{HONEST}-{number},listed/{HONEST}-{number}.ipynb,2026-03-01T12:00:00Z,".encode())
    for number in range(hostile):
        kinds = list((FOLDER_KINDS if number % 2 else ROW_KINDS).values())
        kind = kinds[number // 2 % len(kinds)]
        if number % 2:
            kind(folder, f"{number:03}")
        else:
            at = 1 + number * (len(rows) - 1) // max(hostile, 1)
            rows[at:at] = kind(place, f"{number:03}")
    (place / "received.csv").write_bytes(b"\r\n".join(rows) + b"\r\n")


def commands(place: Path, data: Path) -> dict[str, list[str]]:
    """Return the commands of a night, by what they are called in the table."""
    kept = ["--store", str(place / "contest.sqlite")]
    runs = ["--runs", str(place / "runs"), "--data", str(data)]
    how = ["--device", "cpu", "--threads", "1", "--time-limit", str(TIME_LIMIT), "--daily-limit", str(DAILY_LIMIT)]
    return {
        "batch of the folder": ["batch", str(place / "submissions"), *kept, *runs, *how],
        "batch of the CSV": ["batch", str(place / "received.csv"), *kept, *runs, *how],
        "leaderboard": ["leaderboard", "--split", "test_a", "--csv", str(place / "board.csv"), *kept, *runs],
        "similar": ["similar", str(place / "runs"), *kept],
        "report --all": ["report", "--all", "-o", str(place / "reports"), *kept, *runs],
    }


def measure(place: Path, data: Path, honest: int, hostile: int) -> Measured:
    """Write the entries and run all commands over them."""
    write_entries(place, honest, hostile)
    taken: dict[str, float] = {}
    aside = 0
    before = cpu_seconds()
    for name, arguments in commands(place, data).items():
        started = time.perf_counter()
        with patch.object(Job, "papermill", lambda job: ["-S", "-c", ANSWER]):
            result = CliRunner().invoke(app, arguments, env={"COLUMNS": "300"}, catch_exceptions=False)
        taken[name] = round(time.perf_counter() - started, 1)
        if result.exit_code not in ((0, 2) if hostile else (0,)):
            raise SystemExit(f"error: {name} ended with {result.exit_code}:\n{result.output}")
        if "\x1b" in result.output or "\u202e" in result.output:
            raise SystemExit(f"error: {name} printed a control character")
        aside += sum(line.startswith("left aside: ") for line in result.output.splitlines())
    with Store(place / "contest.sqlite") as store:
        verdicts = Counter(grading.record.verdict.value for grading in store.gradings())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    used = round(cpu_seconds() - before, 1)
    measured = Measured(honest + hostile, round(sum(taken.values()), 1), used, taken, memory, dict(verdicts), aside)
    print(f"{honest} honest and {hostile} hostile entries: {measured.seconds} s, {used} s of CPU time", flush=True)
    return measured


def honest_results(place: Path) -> dict[str, Any]:
    """Return what must not differ: of each honest entry the verdict, the BACs, the trained models, the board's row."""
    with open(place / "board.csv", newline="") as stream:
        board = {row["participant"]: row["bac_mean"] for row in csv.DictReader(stream)}
    with Store(place / "contest.sqlite") as store:
        names = {each.id: each.path.stem for each in store.submissions() if each.participant == each.path.stem}
        return {
            names[grading.submission_id]: {
                "verdict": grading.record.verdict.value,
                "bac": grading.record.bac,
                "board": board.get(names[grading.submission_id]),
                "models": [
                    hashlib.sha256(path.read_bytes()).hexdigest()
                    for path in sorted((place / "runs" / grading.run).glob("model_*.safetensors"))
                ],
            }
            for grading in store.gradings()
            if names.get(grading.submission_id, "").startswith(f"{HONEST}-")
        }


def compare(honest: int, hostile: int, data: Path, scratch: Path) -> dict[str, Any]:
    """Measure honest entries alone, then among hostile ones, compare what the honest ones got; return everything."""
    load = os.getloadavg()[0]
    alone = measure(scratch / "alone", data, honest, 0)
    among = measure(scratch / "among", data, honest, hostile)
    first, second = honest_results(scratch / "alone"), honest_results(scratch / "among")
    if len(first) != honest or any(result["verdict"] != "OK" or not result["models"] for result in first.values()):
        raise SystemExit(f"error: {len(first)} of {honest} honest entries were graded alone, or not all are OK")
    if first != second:
        raise SystemExit(f"error: these differ: {[name for name in first if first[name] != second.get(name)]}")
    if "InfrastructureError" in among.verdicts:
        raise SystemExit(f"error: a hostile entry became our own fault: {among.verdicts}")
    ratio, cpu_ratio = among.seconds / alone.seconds, among.cpu_seconds / alone.cpu_seconds
    print(f"all {honest} honest results are the same bits; {ratio:.2f} times the time, {cpu_ratio:.2f} the CPU time")
    return {
        "honest": honest,
        "hostile": hostile,
        "alone": asdict(alone),
        "among": asdict(among),
        "ratio": round(ratio, 3),
        "cpu_ratio": round(cpu_ratio, 3),
        "bac": {name: result["bac"] for name, result in first.items()},
        "cpus": os.cpu_count(),
        "load_before": round(load, 2),
    }


def table(results: dict[str, Any]) -> str:
    """Return the seconds of each command as a Markdown table."""
    alone, among = results["alone"], results["among"]
    rows = ["| command | honest alone | among hostile ones |", "|---|---|---|"]
    for name, seconds in alone["by_command"].items():
        rows.append(f"| {name} | {seconds} s | {among['by_command'][name]} s |")
    for name, key in (("together", "seconds"), ("CPU time", "cpu_seconds")):
        rows.append(f"| {name} | {alone[key]} s | {among[key]} s |")
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Time a batch with hostile entries against one without.")
    parser.add_argument("--honest", type=int, default=100)
    parser.add_argument("--hostile", type=int, default=100)
    parser.add_argument("--out", type=Path, default=RESULTS_FILE)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        pool = fashion_pool()
        small = replace(pool, images=pool.images[:, ::2, ::2])
        build_data(small, PROFILES["debug"], NOISE, PRACTICE_SEED, Path(name) / "data")
        results = compare(options.honest, options.hostile, Path(name) / "data", Path(name))
    print(table(results))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
