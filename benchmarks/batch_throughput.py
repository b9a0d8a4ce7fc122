"""How much faster do two workers grade a night's submissions than one?

    python -m benchmarks.batch_throughput [--workers 2] [--out benchmarks/results/batch_throughput.json]

24 submissions, references with varied constants and bad ones, go through ``grader batch`` on the debug profile: with
one worker in one process, then with several on Ray, one CPU thread per grading in both, each with a store of its own.
Each command is then called again, which must change nothing. Verdicts, balanced accuracies and the trained models of
both must be the same bits. The ratio compares whole commands, Ray's start apart.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from competition.build import build_data
from competition.notebook import graft, notebook_text
from competition.pool import fashion_pool
from competition.profiles import NOISE, PRACTICE_SEED, PROFILES
from grader.contest.store import Store

REFERENCES = Path("reference_solutions")
RESULTS_FILE = Path("benchmarks/results/batch_throughput.json")
GOAL = 1.6
VARIED = (
    ("fixed_ratio", "KEEP_RATE = 0.85", ("0.6", "0.7", "0.8", "0.85", "0.9")),
    ("random_drop", "KEEP_RATE = 0.7", ("0.5", "0.6", "0.7", "0.8")),
    ("jocor", "LAMBDA = 0.9", ("0.5", "0.7", "0.9")),
    ("gmm_split", "P_THRESHOLD = 0.5", ("0.4", "0.5", "0.6")),
    ("co_teaching", "T_K = 10 / 200", ("10 / 200", "60 / 200")),
)
UNVARIED = ("class_balance",)
FUNCTION = "def your_select_indices(targets, losses):\n    "
BAD = {
    "syntax": "def your_select_indices(targets, losses)\n    pass\n",
    "raises": f"{FUNCTION}raise ValueError('no idea')\n",
    "nothing": f"{FUNCTION}return None\n",
    "outside": f"{FUNCTION}return [[len(targets)], []]\n",
    "leaves": f"{FUNCTION}import sys; sys.exit(0)\n",
}
STARTED = re.compile(r"took ([\d.]+) s to start")


@dataclass(frozen=True)
class Measured:
    """One number of workers.

    Attributes:
        workers: how many.
        seconds: wall clock of the command, from its start to its end.
        ray_seconds: of these, until Ray was up; 0 without Ray.
        again_seconds: wall clock of the same command called again.
    """

    workers: int
    seconds: float
    ray_seconds: float
    again_seconds: float


def write_submissions(folder: Path) -> int:
    """Write the submissions into a folder, one participant each; return how many there are."""
    cells = {f"bad-{name}": cell for name, cell in BAD.items()}
    cells |= {name: (REFERENCES / f"{name}.py").read_text() for name in UNVARIED}
    for name, line, values in VARIED:
        source = (REFERENCES / f"{name}.py").read_text()
        if source.count(f"\n{line}") != 1:
            raise SystemExit(f"error: {name}.py has not exactly one line {line!r}; mend this benchmark")
        constant = line.split(" = ")[0]
        cells |= {
            f"{name}-{k}": source.replace(f"\n{line}", f"\n{constant} = {value}") for k, value in enumerate(values)
        }
    for name, cell in cells.items():
        (folder / f"{name}.ipynb").write_text(notebook_text(graft(cell)))
    (folder / "bad-file.ipynb").write_text("no notebook")
    return len(cells) + 1


def timed(command: list[str]) -> tuple[float, str]:
    """Run a command; return its seconds and what it printed."""
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(f"error: {' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return seconds, done.stdout


def results_of(folder: Path) -> dict[str, Any]:
    """Return what two batches are compared by: per participant the verdict, the BACs, the trained models' checksums."""
    with Store(folder / "contest.sqlite") as store:
        names = {submission.id: submission.participant for submission in store.submissions()}
        gradings = store.gradings()
    return {
        names[grading.submission_id]: {
            "verdict": grading.record.verdict.value,
            "bac": grading.record.bac,
            "models": [
                hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted((folder / "runs" / grading.run).glob("model_*.safetensors"))
            ],
        }
        for grading in sorted(gradings, key=lambda grading: names[grading.submission_id])
    }


def state_of(folder: Path) -> list[object]:
    """Return everything that calling a batch again could change: the gradings, and all files of the runs."""
    with Store(folder / "contest.sqlite") as store:
        kept: list[object] = [*store.submissions(), *store.gradings()]
    return kept + [(path, path.stat().st_mtime_ns) for path in sorted((folder / "runs").rglob("*"))]


def measure(workers: int, submissions: Path, data: Path, folder: Path) -> Measured:
    """Run the batch with so many workers, twice, into a folder of its own."""
    folder.mkdir()
    command = [sys.executable, "-m", "grader", "batch", str(submissions), "--data", str(data), "--device", "cpu"]
    command += ["--threads", "1", "--workers", str(workers)]
    command += ["--store", str(folder / "contest.sqlite"), "--runs", str(folder / "runs")]
    seconds, printed = timed(command)
    started = STARTED.search(printed)
    before = state_of(folder)
    again_seconds, _ = timed(command)
    if state_of(folder) != before:
        raise SystemExit("error: the second call changed something")
    measured = Measured(workers, round(seconds, 1), float(started[1]) if started else 0.0, round(again_seconds, 1))
    print(
        f"{workers} workers: {measured.seconds:.1f} s, of which Ray's start {measured.ray_seconds:.1f} s; "
        f"called again {measured.again_seconds:.1f} s, nothing changed",
        flush=True,
    )
    return measured


def compare(workers: int) -> dict[str, Any]:
    """Measure one worker and several, compare their results, and return everything."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        (scratch / "submissions").mkdir()
        count = write_submissions(scratch / "submissions")
        build_data(fashion_pool(), PROFILES["debug"], NOISE, PRACTICE_SEED, scratch / "data")
        measured = [
            measure(number, scratch / "submissions", scratch / "data", scratch / f"workers-{number}")
            for number in (1, workers)
        ]
        one, several = (results_of(scratch / f"workers-{number}") for number in (1, workers))
    if one != several:
        different = [name for name in one if one[name] != several.get(name)]
        raise SystemExit(f"error: the results of {', '.join(different)} differ")
    ratio = measured[0].seconds / (measured[1].seconds - measured[1].ray_seconds)
    print(f"{count} submissions, the same bits; throughput ratio {ratio:.2f} (goal {GOAL})")
    return {
        "submissions": count,
        "verdicts": {name: result["verdict"] for name, result in one.items()},
        "bac": {name: result["bac"] for name, result in one.items()},
        "measured": [asdict(each) for each in measured],
        "ratio": round(ratio, 3),
        "cpus": os.cpu_count(),
        "load_before": round(load, 2),
        "versions": {name: version(name) for name in ("ray", "torch")},
    }


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Time 'grader batch' with one worker and with several.")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS_FILE)
    arguments = parser.parse_args()
    if arguments.workers < 2:
        parser.error("--workers must be at least 2")
    results = compare(arguments.workers)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
