"""What the reference solutions reached: measurements, kept in a JSON file, and the table made from them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from competition.task.points import performance
from grader.safe_io import write_whole
from grader.verdicts import InfrastructureError


@dataclass(frozen=True)
class Conditions:
    """Everything that a measurement depends on: with equal conditions a training gives equal results.

    Attributes:
        reference: the reference's file name without ending, or "oracle".
        profile: which practice data, or "own".
        seed: the training's seed.
        device, threads, versions, sandbox: see `grader.grading.Record`.
        solution_sha256, template_sha256, data_sha256: likewise.
        tests_sha256: of both test sets.
    """

    reference: str
    profile: str
    seed: int
    device: str
    threads: int
    sandbox: str
    solution_sha256: str | None
    template_sha256: str
    data_sha256: str | None
    tests_sha256: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Measurement:
    """What one training of one reference gave.

    Attributes:
        conditions: how it was made.
        test_a, test_b: mean BAC of the two models on each test set.
        seconds: wall clock of the grading.
        answer_seconds: of these, spent in the reference's function.
        purity: share of right labels among what was selected, repeats counted.
        clean_recall: share of the rightly labelled samples that a model learned from in an epoch.
    """

    conditions: Conditions
    test_a: float
    test_b: float
    seconds: float
    answer_seconds: float
    purity: float
    clean_recall: float


@dataclass(frozen=True)
class Band:
    """Where a reference's mean BAC on ``test_a`` is expected, both ends included."""

    low: float
    high: float


@dataclass(frozen=True)
class Result:
    """What one reference reached over all seeds.

    Attributes:
        name: the reference's file name without ending, or "oracle".
        measurements: one per seed.
        band: where the mean over ``test_a`` is expected; None where nobody wrote it down.
    """

    name: str
    measurements: tuple[Measurement, ...]
    band: Band | None

    def values(self, name: str) -> list[float]:
        """Return one figure of all measurements, by its attribute's name."""
        return [getattr(measurement, name) for measurement in self.measurements]

    def mean(self, name: str) -> float:
        """Return the mean of one figure over the seeds."""
        return statistics.fmean(self.values(name))

    def violation(self) -> str | None:
        """Say how far the result lies outside its band; None where it lies inside, or has no band."""
        mean = self.mean("test_a")
        if self.band is None or self.band.low <= mean <= self.band.high:
            return None
        distance, side = (self.band.low - mean, "below") if mean < self.band.low else (mean - self.band.high, "above")
        return (
            f"{self.name}: mean BAC {mean:.4f} lies {distance:.4f} {side} "
            f"its band {self.band.low:.3f} to {self.band.high:.3f}"
        )


class ResultsFile:
    """Measurements in a JSON file, which is whole at any moment; without a path they are kept in memory only.

    Raises:
        InfrastructureError: the file is damaged, or cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._measurements: list[Measurement] = []
        if path is not None and path.exists():
            try:
                entries = json.loads(path.read_text())["measurements"]
                self._measurements = [
                    Measurement(**{**entry, "conditions": Conditions(**entry["conditions"])}) for entry in entries
                ]
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise InfrastructureError(f"{path} is damaged ({error}): restore or delete it") from None

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """All measurements."""
        return tuple(self._measurements)

    def find(self, conditions: Conditions) -> Measurement | None:
        """Return the measurement that was made under these conditions, if there is one."""
        return next((found for found in self._measurements if found.conditions == conditions), None)

    def find_all(self, conditions: Conditions) -> list[Measurement]:
        """Return the measurements that differ from these conditions in their seed only, in the order of the seeds."""
        return [found for found in self._measurements if replace(found.conditions, seed=conditions.seed) == conditions]

    def add(self, measurement: Measurement) -> None:
        """Keep a measurement; one of the same reference, profile, device and seed gives way to it."""

        def place(entry: Measurement) -> tuple[str, str, str, int]:
            made = entry.conditions
            return made.profile, made.device, made.reference, made.seed

        kept = [entry for entry in self._measurements if place(entry) != place(measurement)]
        self._measurements = sorted([*kept, measurement], key=place)
        if self._path is None:
            return
        text = json.dumps({"measurements": [asdict(entry) for entry in self._measurements]}, indent=1) + "\n"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, text)
        except OSError as error:
            raise InfrastructureError(f"{self._path} cannot be written: {error}") from None


def spread(scores: list[float], digits: int = 4) -> str:
    """Write scores as "mean ± standard deviation" (the sample's), or as the one score."""
    mean = f"{statistics.fmean(scores):.{digits}f}"
    return f"{mean} ± {statistics.stdev(scores):.{digits}f}" if len(scores) > 1 else mean


TABLE_COLUMNS = (
    *("reference", "seeds", "BAC on test_a", "BAC on test_b", "points"),
    *("purity", "clean recall", "seconds", "in the function"),
)


def table_row(result: Result) -> tuple[str, ...]:
    """Write one result as a row of the table; seconds are means, and those in the function the largest."""
    points = statistics.fmean(performance(score) for score in result.values("test_a"))
    return (
        *(result.name, str(len(result.measurements)), spread(result.values("test_a")), spread(result.values("test_b"))),
        *(f"{points:.0f}", f"{result.mean('purity'):.3f}", f"{result.mean('clean_recall'):.3f}"),
        *(f"{result.mean('seconds'):.0f}", f"{max(result.values('answer_seconds')):.0f}"),
    )


def markdown_table(results: Iterable[Result]) -> str:
    """Write all results as a Markdown table."""
    rows = [TABLE_COLUMNS, ["---"] * len(TABLE_COLUMNS), *map(table_row, results)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
