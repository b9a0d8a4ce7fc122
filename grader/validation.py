"""Reference solutions against their expected bands: does the kit still score them where it should?

Every reference is graded like a submission, in the sandbox, on the practice data; the oracle is trained in this
process. A run that is stored already, of the same solution, template, data, seed, device and versions, is used again.
"""

from __future__ import annotations

import hashlib
import inspect
import statistics
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from competition.build import build_data
from competition.manifest import MANIFEST_FILE
from competition.notebook import graft, notebook_text
from competition.pool import fashion_pool
from competition.profiles import NOISE, PRACTICE_SEED, PROFILES
from competition.task.metric import performance
from grader import oracle
from grader.grading import Settings, draft_record, grade, grade_trusted, open_public_splits
from grader.record import Record, load_models, read_record, write_run
from grader.sandbox import Backend
from grader.trainer import data_sha256, evaluate, find_data, open_verified
from grader.verdicts import InfrastructureError, Verdict

ORACLE = "oracle"
REFERENCES_FOLDER = Path("reference_solutions")
BANDS_FILE = "expected.toml"
PRACTICE_FOLDER = Path("practice")


@dataclass(frozen=True)
class Band:
    """Where a reference's mean BAC on ``test_a`` is expected, both ends included."""

    low: float
    high: float


@dataclass(frozen=True)
class Result:
    """What one reference reached.

    Attributes:
        name: the reference's file name without ending, or "oracle".
        test_a, test_b: one mean BAC per seed.
        seconds: one wall time per seed.
        band: where the mean over `test_a` is expected; None where nobody wrote it down.
    """

    name: str
    test_a: tuple[float, ...]
    test_b: tuple[float, ...]
    seconds: tuple[float, ...]
    band: Band | None

    @property
    def mean_a(self) -> float:
        """The mean over the seeds on ``test_a``."""
        return statistics.fmean(self.test_a)

    def violation(self) -> str | None:
        """Say how far the result lies outside its band; None where it lies inside, or has no band."""
        if self.band is None or self.band.low <= self.mean_a <= self.band.high:
            return None
        distance = self.band.low - self.mean_a if self.mean_a < self.band.low else self.mean_a - self.band.high
        side = "below" if self.mean_a < self.band.low else "above"
        return (
            f"{self.name}: mean BAC {self.mean_a:.4f} lies {distance:.4f} {side} "
            f"its band {self.band.low:.3f} to {self.band.high:.3f}"
        )


def find_references(names: list[str]) -> list[str]:
    """Return the references to validate: `names`, or all of them and the oracle.

    Raises:
        ValueError: a name is none of them.
        InfrastructureError: the folder of references is not here.
    """
    if not REFERENCES_FOLDER.is_dir():
        raise InfrastructureError(f"no folder {REFERENCES_FOLDER}/ here: run this in a clone of the repository")
    known = [*sorted(path.stem for path in REFERENCES_FOLDER.glob("*.py")), ORACLE]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no reference named {', '.join(unknown)}; there are {', '.join(known)}")
    return names or known


def read_bands(profile: str, device: str) -> dict[str, Band]:
    """Read the expected bands of one profile on one device.

    Raises:
        InfrastructureError: the file is missing or damaged.
    """
    path = REFERENCES_FOLDER / BANDS_FILE
    try:
        table = tomllib.loads(path.read_text())
        return {name: Band(*map(float, ends)) for name, ends in table.get(profile, {}).get(device, {}).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InfrastructureError(f"{path} cannot be used: {error}") from None


def practice_data(profile: str) -> Path:
    """Return the practice data of a profile, built with the practice seed at its first use."""
    folder = PRACTICE_FOLDER / profile
    if not (folder / "public" / MANIFEST_FILE).is_file():
        build_data(fashion_pool(), PROFILES[profile], NOISE, PRACTICE_SEED, folder)
    return folder


def stored_run(runs: Path, wanted: Record) -> Path | None:
    """Find a finished run that a grading would only repeat."""
    keys = ("solution_sha256", "template_sha256", "data_sha256", "split", "seed", "device", "versions", "sandbox")
    for folder in sorted(runs.glob("[!.]*")):
        record = read_record(folder)
        if record.verdict is Verdict.OK and all(getattr(record, key) == getattr(wanted, key) for key in keys):
            return folder
    return None


def run_reference(name: str, settings: Settings, runs: Path) -> tuple[Record, Path]:
    """Grade one reference with one seed, or find the stored run that did.

    Raises:
        InfrastructureError: it did not get the verdict `OK`; the message says why.
    """
    folder = find_data(settings.data)
    splits = open_public_splits(folder)
    draft = replace(draft_record(settings), data_sha256=data_sha256(splits))
    if name == ORACLE:
        draft = replace(
            draft, solution_sha256=hashlib.sha256(inspect.getsource(oracle).encode()).hexdigest(), sandbox="none"
        )
        raw = b""
    else:
        notebook = graft((REFERENCES_FOLDER / f"{name}.py").read_text(encoding="utf-8"))
        solution = next(cell.source for cell in notebook.cells if cell.id == "solution")
        draft = replace(draft, solution_sha256=hashlib.sha256(solution.encode()).hexdigest())
        raw = notebook_text(notebook).encode()
    run = stored_run(runs, draft)
    if run is not None:
        return read_record(run), run
    if name == ORACLE:
        clean = oracle.read_truth(folder.folder_of("test_a"), splits["train"].dataset)
        record, artifacts = grade_trusted(oracle.oracle_select_indices(clean), draft, folder, splits, settings)
    else:
        record, artifacts = grade(raw, settings)
    run = write_run(runs, record, artifacts)
    if record.verdict is not Verdict.OK:
        raise InfrastructureError(f"reference {name} got {record.verdict.value}: {record.message}")
    return record, run


def validate(
    names: list[str],
    *,
    profile: str,
    seeds: list[int],
    device: str,
    backend: Backend,
    runs: Path,
    announce: Callable[[str], None],
    progress: bool,
) -> Iterator[Result]:
    """Grade each reference with each training seed on ``test_a``, score its models on ``test_b`` too, and compare.

    Raises:
        InfrastructureError: see `run_reference`.
    """
    data = practice_data(profile)
    bands = read_bands(profile, device)
    test_b = open_verified(find_data(data), "test_b").dataset
    for name in names:
        scores_a, scores_b, seconds = [], [], []
        for seed in seeds:
            announce(f"{name}, seed {seed}")
            settings = Settings(data, "test_a", seed, device, backend, progress=progress)
            record, run = run_reference(name, settings, runs)
            models = [model.to(device) for model in load_models(run)]
            scores_a.append(record.bac_mean or 0.0)
            scores_b.append(statistics.fmean(evaluate(models, test_b)))
            seconds.append(record.seconds)
        yield Result(name, tuple(scores_a), tuple(scores_b), tuple(seconds), bands.get(name))


def spread(scores: tuple[float, ...]) -> str:
    """Write scores as "mean ± standard deviation" (the sample's), or as the one score."""
    mean = f"{statistics.fmean(scores):.4f}"
    return f"{mean} ± {statistics.stdev(scores):.4f}" if len(scores) > 1 else mean


TABLE_COLUMNS = ("reference", "seeds", "BAC on test_a", "BAC on test_b", "points", "seconds", "band", "")


def table_row(result: Result) -> tuple[str, ...]:
    """Write one result as a row of the table."""
    band = f"{result.band.low:.3f} to {result.band.high:.3f}" if result.band else "none"
    points = statistics.fmean(performance(score) for score in result.test_a)
    verdict = "outside" if result.violation() else "inside" if result.band else ""
    return (
        *(result.name, str(len(result.test_a)), spread(result.test_a), spread(result.test_b)),
        *(f"{points:.0f}", f"{statistics.fmean(result.seconds):.0f}", band, verdict),
    )


def markdown_table(results: list[Result]) -> str:
    """Write all results as a Markdown table."""
    rows = [TABLE_COLUMNS[:-2], ["---"] * (len(TABLE_COLUMNS) - 2), *(table_row(result)[:-2] for result in results)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
