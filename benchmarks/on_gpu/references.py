"""All references and the oracle on a GPU: measurements, and whether they lie inside their bands.

What was measured before under the same conditions, the card among them, is not trained again, whether it is kept with
the references or in the folder of an earlier call. Rows and files are renewed as trainings end, so that of a part which
is stopped nothing is lost but what was just being trained.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.on_gpu.commands import CommandError, run
from benchmarks.on_gpu.plan import Found, Plan
from competition.task.constants import NUM_THREADS, SEED
from grader.grading import Settings, combined_sha256, find_data, manifest_sha256, open_training_splits
from grader.validation.bands import REFERENCES_FOLDER, find_references, read_bands
from grader.validation.references import prepare
from grader.validation.results import Conditions, Measurement, Result, ResultsFile, markdown_table

SEEDS = 3
SLOWEST_FIRST = ("sag_gate", "best", "datarater_filter", "dvrl_filter")
LOOK_SECONDS = 3.0


@dataclass(frozen=True)
class Job:
    """One reference on one profile.

    Attributes:
        wanted: the conditions of its trainings, one for each seed.
        results: the file of its measurements.
    """

    name: str
    profile: str
    wanted: tuple[Conditions, ...]
    results: Path


def kept(wanted: Iterable[Conditions], *files: ResultsFile) -> list[Measurement]:
    """Return what was measured under these very conditions, from the first file that has it."""
    found = (next(filter(None, (file.find(conditions) for file in files)), None) for conditions in wanted)
    return [measurement for measurement in found if measurement is not None]


def plan_jobs(plan: Plan, profile: str, names: list[str]) -> list[Job]:
    """Say what is to be trained on a profile, and lay beside each reference what is kept of that."""
    data = plan.data(profile)
    folder = find_data(data)
    tests_sha256 = combined_sha256([manifest_sha256(folder, split) for split in ("test_a", "test_b")])
    public = open_training_splits(folder)
    settings = Settings(data, "test_a", device=plan.device, threads=plan.threads, backend=plan.backend)
    stored = ResultsFile(REFERENCES_FOLDER / "results" / f"{profile}-cuda.json")
    jobs = []
    for name in names:
        conditions = prepare(name, settings, public).conditions("debug" if plan.dry_run else profile, tests_sha256)
        wanted = tuple(replace(conditions, seed=SEED + number) for number in range(1 if plan.dry_run else SEEDS))
        job = Job(name, profile, wanted, plan.out / "references" / f"{profile}-{name}.json")
        own = ResultsFile(job.results)
        for measurement in kept(wanted, own, stored):
            own.add(measurement)
        jobs.append(job)
    return jobs


def train(job: Job, plan: Plan, runs: Path) -> None:
    """Train what is not kept.

    Raises:
        CommandError: it failed, or the mean lies outside its band.
    """
    if len(kept(job.wanted, ResultsFile(job.results))) == len(job.wanted):
        return
    arguments = ["-m", "grader", "validate", job.name, "--profile", job.wanted[0].profile]
    arguments += ["--seeds", str(len(job.wanted)), "--device", plan.device, "--sandbox", plan.backend.value]
    arguments += ["--threads", str(plan.threads), "--runs", str(runs / f"{job.profile}-{job.name}")]
    run(*arguments, "--results", str(job.results), seconds=plan.left())


def gather(jobs: list[Job], profile: str, plan: Plan, found: Found) -> None:
    """Write the measurements of a profile, their table and their rows, as far as trainings have ended."""
    everything = ResultsFile(plan.out / f"{profile}-cuda.json")
    bands, results = read_bands(profile, plan.device), []
    for job in jobs:
        if made := kept(job.wanted, ResultsFile(job.results)):
            for measurement in made:
                if everything.find(measurement.conditions) != measurement:
                    everything.add(measurement)
            results.append(result := Result(job.name, tuple(made), bands.get(job.name)))
            spread = ", ".join(f"{value:.4f}" for value in result.values("test_a"))
            band = f"band {result.band.low:.2f} to {result.band.high:.2f}" if result.band else "no band"
            inside = None if result.band is None or plan.dry_run else result.violation() is None
            seeds = f"{len(made)} of {len(job.wanted)} seeds"
            found.row(f"{job.name} on {profile}", f"{result.mean('test_a'):.4f} ({spread}), {seeds}, {band}", inside)
    (plan.out / f"{profile}-cuda.md").write_text(markdown_table(results))


def measure(plan: Plan, found: Found) -> None:
    """Run this part."""
    names = ["co_teaching"] if plan.dry_run else sorted(find_references([]), key=lambda n: n not in SLOWEST_FIRST)
    profiles = ("full",) if plan.dry_run else ("full", "standard")
    jobs = [job for profile in profiles for job in plan_jobs(plan, profile, names)]
    with (
        tempfile.TemporaryDirectory() as scratch,
        ThreadPoolExecutor(max((os.cpu_count() or 1) // NUM_THREADS, 1)) as pool,
    ):
        running = {pool.submit(train, job, plan, Path(scratch)): job for job in jobs}
        while running:
            ended = wait(running, timeout=LOOK_SECONDS).done
            for profile in profiles:
                gather([job for job in jobs if job.profile == profile], profile, plan, found)
            for future in ended:
                job = running.pop(future)
                if isinstance(error := future.exception(), CommandError):
                    found.row(f"{job.name} on {job.profile}: validate", str(error), False)
                elif error is not None:
                    raise error
