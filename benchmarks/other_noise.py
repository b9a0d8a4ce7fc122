"""Would another noise make a better contest? References on `standard` data whose labels other annotators gave.

    python -m benchmarks.other_noise [--profile standard] [--seeds 3] [--workers 2] [--out FILE.json]

The mean flip rates stay those of `competition.profiles.NOISE`, so that one thing changes at a time, which images of a
class are flipped:

- "difficulty": hard ones more often, the kit's noise;
- "categories": those of some categories more often, as annotators confuse shirts with T-shirts;
- "annotators": each of twenty annotators labels a block of random images, and some err far more than others. The images
  are shuffled afterwards and nobody is told who gave which label, so to a participant this noise does not depend on the
  image.

Data is built and graded by the kit's own commands, in ``build/other_noise/``, where it stays: a call that was stopped
goes on where it was. Printed: mean ± sample standard deviation over the training seeds of the mean BAC of both models
on ``test_a``, and the difference from balancing alone, paired by seed, ± its standard error, bold where it is larger
than twice that.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.stored_results import require_place, write_results
from benchmarks.tables import difference, table
from benchmarks.variants import lay_beside, measuring_parser, results_of, validated
from competition.build import build_data
from competition.manifest import MANIFEST_FILE
from competition.noise import flipped
from competition.pool import FASHION_FILE, Pool, fashion_pool
from competition.profiles import NOISE, PRACTICE_SEED, PROFILES
from grader.validation.bands import ORACLE
from grader.validation.references import practice_data
from grader.validation.results import spread

RESULTS_FILE = Path("benchmarks/results/other_noise.json")
WORKSHOP = Path("build/other_noise")
CONTROL = "class_balance"
REFERENCES = (CONTROL, "fixed_ratio", "co_teaching", "best", ORACLE)
CATEGORY_RATES = {0: 0.15, 3: 0.05, 2: 0.60, 4: 0.50, 6: 0.85}
"""Flip rates of T-shirt/top and dress (class 0), pullover, coat and shirt (class 1)."""
ANNOTATORS = 20
CARELESS = {0: (0.25, 0.05), 1: (0.95, 0.50)}
"""Flip rates of the careless annotators and of the others, for images of each class: a third are careless."""

Rates = npt.NDArray[np.float64]


def by_category(labels: npt.NDArray[np.int64], generator: np.random.Generator) -> Rates:
    """Return the flip rate of each image of the embedded pool from its Fashion-MNIST category, float64 [N]."""
    with np.load(FASHION_FILE) as arrays:
        category = arrays["category"]
    rates = np.empty(len(labels))
    for each, rate in CATEGORY_RATES.items():
        rates[category == each] = rate
    return to_mean(rates, labels)


def by_annotator(labels: npt.NDArray[np.int64], generator: np.random.Generator) -> Rates:
    """Return the flip rate of each image from who labelled it, float64 [N]."""
    who = generator.permutation(np.arange(len(labels)) % ANNOTATORS)
    careless = who < round(ANNOTATORS / 3)
    rates = np.where(labels == 1, np.where(careless, *CARELESS[1]), np.where(careless, *CARELESS[0]))
    return to_mean(rates, labels)


def to_mean(rates: Rates, labels: npt.NDArray[np.int64]) -> Rates:
    """Shift the rates of each class to the mean rate of `NOISE`, float64 [N]."""
    shifted = rates.copy()
    for label, mean in ((0, NOISE.flip_0_to_1), (1, NOISE.flip_1_to_0)):
        members = labels == label
        shifted[members] += mean - rates[members].mean()
    return shifted


NOISES: dict[str, Callable[[npt.NDArray[np.int64], np.random.Generator], Rates] | None] = {
    "difficulty": None,
    "categories": by_category,
    "annotators": by_annotator,
}


def annotated(pool: Pool, noise: str) -> Pool:
    """Return the embedded pool with the labels that such annotators give, or as it is where the kit flips them.

    Raises:
        ValueError: a flip rate leaves the range 0 to 1.
    """
    rates_of = NOISES[noise]
    if rates_of is None:
        return pool
    generator = np.random.default_rng(PRACTICE_SEED)
    rates = rates_of(pool.labels, generator)
    if not (rates.min() >= 0 and rates.max() <= 1):
        raise ValueError(f"flip rates of {rates.min():.3f} to {rates.max():.3f} leave the range 0 to 1")
    return replace(pool, noisy=flipped(pool.labels, rates, generator))


def data_option(noise: str, profile: str) -> tuple[str, str]:
    """Return the option of ``grader validate`` for data with this noise, which is built at its first use."""
    if NOISES[noise] is None:
        practice_data(profile)
        return "--profile", profile
    folder = WORKSHOP / f"{profile}-{noise}"
    if not (folder / "public" / MANIFEST_FILE).is_file():
        build_data(annotated(fashion_pool(), noise), PROFILES[profile], NOISE, PRACTICE_SEED, folder)
    return "--data", str(folder)


def markdown(rows: list[dict]) -> str:
    """Write the results as a Markdown table."""
    control = {row["noise"]: row["test_a"] for row in rows if row["name"] == CONTROL}
    return table(
        ("noise", "reference", "BAC on test_a", f"minus {CONTROL}", "purity"),
        [
            (
                row["noise"],
                row["name"],
                spread(row["test_a"]),
                "" if row["name"] == CONTROL else difference(row["test_a"], control[row["noise"]]),
                spread(row["purity"], 3),
            )
            for row in rows
        ],
    )


def main() -> None:
    """Parse the command line."""
    arguments = measuring_parser("References on data with other noise.", RESULTS_FILE, 3).parse_args()
    require_place(arguments.out)
    WORKSHOP.mkdir(parents=True, exist_ok=True)
    options = {noise: data_option(noise, arguments.profile) for noise in NOISES}

    def measure(job: tuple[str, str]) -> dict:
        noise, reference = job
        results = results_of(WORKSHOP, f"{arguments.profile}-{noise}", reference)
        if NOISES[noise] is None:
            lay_beside(results, arguments.profile)
        return {"noise": noise} | validated(reference, options[noise], arguments.seeds, results)

    with ThreadPoolExecutor(arguments.workers) as pool:
        rows = list(pool.map(measure, product(NOISES, REFERENCES)))
    write_results(arguments.out, {"profile": arguments.profile, "rows": rows})
    print(markdown(rows))


if __name__ == "__main__":
    main()
