"""References with a few lines replaced, graded by ``grader validate`` in a folder of their own.

The folder, a workshop below ``build/``, has the practice data and the solutions under the names that the command looks
for. It keeps runs and measurements, so that a call that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from competition.profiles import PROFILES
from competition.task.constants import SEED
from grader.validation.bands import BANDS_FILE, REFERENCES_FOLDER
from grader.validation.references import PRACTICE_FOLDER, practice_data
from grader.verdicts import InfrastructureError

Edits = tuple[tuple[str, str], ...]
"""Texts of a source, and what stands in their place."""


def edited(source: str, edits: Edits) -> str:
    """Return a source with each text replaced.

    Raises:
        ValueError: a text does not stand in it exactly once.
    """
    for old, new in edits:
        if source.count(old) != 1:
            raise ValueError(f"{old.strip()!r} stands {source.count(old)} times in the reference: mend the variant")
        source = source.replace(old, new)
    return source


def variant(reference: str, edits: Edits) -> str:
    """Return the source of a reference with each text replaced; see `edited`."""
    return edited((REFERENCES_FOLDER / f"{reference}.py").read_text(encoding="utf-8"), edits)


def results_of(workshop: Path, data: str, name: str) -> Path:
    """Return where the measurements of one solution are kept: a file for each, as several are measured at a time."""
    return workshop / f"{data}-{name}.json"


def set_up(workshop: Path, profile: str, solutions: Mapping[str, str]) -> None:
    """Write solutions into a workshop, beside the practice data.

    Raises:
        SystemExit: the practice data cannot be used.
    """
    try:
        practice_data(profile)
    except InfrastructureError as error:
        raise SystemExit(f"error: {error.message}") from None
    references = workshop / REFERENCES_FOLDER
    references.mkdir(parents=True, exist_ok=True)
    (references / BANDS_FILE).touch()
    for name, source in solutions.items():
        (references / f"{name}.py").write_text(source, encoding="utf-8")
        lay_beside(results_of(workshop, profile, name), profile)
    if not (workshop / PRACTICE_FOLDER).exists():
        (workshop / PRACTICE_FOLDER).symlink_to(PRACTICE_FOLDER.resolve())


def measuring_parser(description: str, results: Path, seeds: int) -> argparse.ArgumentParser:
    """Make a parser of the options that every measurement of references takes, with these defaults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--profile", choices=PROFILES, default="standard")
    parser.add_argument("--seeds", type=int, default=seeds, help="trainings of each")
    parser.add_argument("--workers", type=int, default=2, help="trainings at the same time")
    parser.add_argument("--out", type=Path, default=results)
    return parser


def validated(name: str, data: Sequence[str], seeds: int, results: Path, folder: Path = Path()) -> dict:
    """Grade one reference on the CPU with the training seeds from 123 on, one thread for each training.

    Args:
        data: the option of ``grader validate`` that names the data.
        results: where measurements are kept, and those that still hold are found.
        folder: where the command runs.

    Returns:
        Its name, and a list of `seeds` figures for each of "test_a", "test_b" (mean BAC of both models), and "purity".

    Raises:
        SystemExit: a grading failed.
    """
    command = [sys.executable, "-m", "grader", "validate", name, *data, "--seeds", str(seeds)]
    graded = subprocess.run(
        [*command, "--device", "cpu", "--threads", "1", "--results", results.resolve()],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if graded.returncode != 0:
        raise SystemExit(f"error: {name}, {' '.join(data)}: {graded.stderr.strip()[-2000:]}")
    print(f"{name}, {' '.join(data)}: done", file=sys.stderr, flush=True)
    entries = {
        entry["conditions"]["seed"]: entry
        for entry in json.loads(results.read_text(encoding="utf-8"))["measurements"]
        if (entry["conditions"]["reference"], entry["conditions"]["device"]) == (name, "cpu")
    }
    wanted = [entries[seed] for seed in range(SEED, SEED + seeds)]
    return {"name": name} | {key: [entry[key] for entry in wanted] for key in ("test_a", "test_b", "purity")}


def lay_beside(results: Path, name: str) -> None:
    """Copy the measurements that are kept with the references under a name, such as "full", to a file not yet there.

    ``grader validate`` takes from it what was measured under its conditions, and measures the rest.
    """
    kept = REFERENCES_FOLDER / "results" / f"{name}.json"
    if kept.exists() and not results.exists():
        shutil.copyfile(kept, results)


def measure_all(workshop: Path, solutions: Mapping[str, str], profile: str, seeds: int, workers: int) -> list[dict]:
    """Set a workshop up and measure all its solutions, so many at a time; see `validated`."""
    set_up(workshop, profile, solutions)

    def measure(name: str) -> dict:
        return validated(name, ("--profile", profile), seeds, results_of(workshop, profile, name), workshop)

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(measure, solutions))
