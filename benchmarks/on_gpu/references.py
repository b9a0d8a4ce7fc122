"""All references and the oracle on a GPU: measurements, and whether they lie inside their bands.

What was measured before under the same conditions, the card among them, is not trained again. What one reference
reaches is written as its trainings end; another run into the same folder goes on from there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.on_gpu.plan import Found, Plan
from benchmarks.variants import lay_beside
from competition.task.constants import NUM_THREADS
from grader.validation.bands import find_references, read_bands
from grader.validation.results import Measurement, Result, ResultsFile, markdown_table

SEEDS = 3
SLOWEST_FIRST = ("sag_gate", "best", "datarater_filter", "dvrl_filter")


def measured(results: ResultsFile, name: str) -> tuple[Measurement, ...]:
    """Return the measurements of one reference."""
    return tuple(each for each in results.measurements if each.conditions.reference == name)


def validate(plan: Plan, name: str, profile: str, runs: Path) -> tuple[str, Path]:
    """Run ``grader validate`` for one reference; return what it said, and where its measurements are."""
    results = plan.out / "references" / f"{profile}-{name}.json"
    results.parent.mkdir(exist_ok=True)
    if not plan.dry_run:
        lay_beside(results, f"{profile}-cuda")
    command = [sys.executable, "-m", "grader", "validate", name, "--profile", "debug" if plan.dry_run else profile]
    command += [
        "--seeds",
        "1" if plan.dry_run else str(SEEDS),
        "--device",
        plan.device,
        "--sandbox",
        plan.backend.value,
        *("--threads", str(plan.threads)),
    ]
    command += ["--runs", str(runs / f"{profile}-{name}"), "--results", str(results)]
    ran = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    return ("" if ran.returncode == 0 else ran.stderr.strip().splitlines()[-1]), results


def measure(plan: Plan, found: Found) -> None:
    """Run this part."""
    names = ["co_teaching"] if plan.dry_run else sorted(find_references([]), key=lambda n: n not in SLOWEST_FIRST)
    profiles = ("full",) if plan.dry_run else ("full", "standard")
    jobs = [(name, profile) for profile in profiles for name in names]
    for profile in profiles:
        plan.data(profile)  # built once, before several want it
    with (
        tempfile.TemporaryDirectory() as scratch,
        ThreadPoolExecutor(max((os.cpu_count() or 1) // NUM_THREADS, 1)) as pool,
    ):
        done = list(pool.map(lambda job: validate(plan, *job, Path(scratch)), jobs))
        for profile in profiles:
            path = plan.out / f"{profile}-cuda.json"
            path.unlink(missing_ok=True)
            everything = ResultsFile(path)
            for (name, of), (failure, results) in zip(jobs, done, strict=True):
                if of == profile:
                    for measurement in measured(ResultsFile(results), name):
                        everything.add(measurement)
                    if failure:
                        found.row(f"{name} on {profile}", failure, False)
            bands = read_bands(profile, plan.device)
            results_of = [Result(name, made, bands.get(name)) for name in names if (made := measured(everything, name))]
            path.with_suffix(".md").write_text(markdown_table(results_of))
            for result in results_of:
                spread = ", ".join(f"{value:.4f}" for value in result.values("test_a"))
                band = f"band {result.band.low:.2f} to {result.band.high:.2f}" if result.band else "no band"
                inside = None if result.band is None or plan.dry_run else result.violation() is None
                found.row(f"{result.name} on {profile}", f"{result.mean('test_a'):.4f} ({spread}), {band}", inside)
