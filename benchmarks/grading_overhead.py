"""What does isolation cost? `grader grade` against the same training in one process.

    python -m benchmarks.grading_overhead [--data data] [--pairs 3]

Both commands train the co-teaching reference on the same data, score ``test_a`` and start from nothing; they run in
turn, so that a machine whose speed drifts is unfair to neither. Printed: the time of each and the ratio, pair by pair.
Their balanced accuracies must be equal.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.at_home import train_at_home
from competition.notebook import graft, notebook_text
from competition.splits import open_split
from grader.grading import evaluate

CELL = Path("reference_solutions/co_teaching.py")


def train_in_process(data: Path) -> None:
    """Train with the reference's function in this process, without grader or sandbox; print the BACs."""
    models, _ = train_at_home(CELL, data / "public", "cpu")
    print(json.dumps(evaluate(models, open_split(data / "private", "test_a").dataset)))


def timed(command: list[str]) -> tuple[float, str]:
    """Run a command; return its seconds and what it printed."""
    started = time.perf_counter()
    output = subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True, text=True).stdout
    return time.perf_counter() - started, output


def compare(data: Path, pairs: int) -> None:
    """Run both commands in turn and print the table."""
    ratios = []
    with tempfile.TemporaryDirectory() as scratch:
        notebook, report = Path(scratch) / "co_teaching.ipynb", Path(scratch) / "report.json"
        notebook.write_text(notebook_text(graft(CELL.read_text())))
        grade = ["grader", "grade", str(notebook), "--data", str(data), "--runs", scratch, "--report", str(report)]
        for pair in range(1, pairs + 1):
            graded, _ = timed([*grade, "--device", "cpu"])
            plain, printed = timed(["benchmarks.grading_overhead", "--in-process", "--data", str(data)])
            if json.loads(printed) != json.loads(report.read_text())["bac"]:
                raise SystemExit(f"error: the grader's BACs differ from {printed}")
            ratios.append(graded / plain)
            print(
                f"pair {pair}: grader grade {graded:.1f} s, one process {plain:.1f} s, ratio {ratios[-1]:.3f}",
                flush=True,
            )
    print(f"grader grade / one process: median {statistics.median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}")


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Time 'grader grade' against the same training in one process.")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--in-process", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.in_process:
        train_in_process(arguments.data)
    else:
        compare(arguments.data, arguments.pairs)


if __name__ == "__main__":
    main()
