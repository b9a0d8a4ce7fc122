"""Does uncertainty sampling need fewer labels than random sampling, and do the peers ask the same questions?

    .venv-peers/bin/python -m benchmarks.active_learning [--seeds 5] [--rounds 10] [--out FILE.json] [--plot]

Pool-based active learning with `reference_solutions.uncertainty_sampling`, modAL's `ActiveLearner` and the query
strategies of scikit-activeml: the same estimator (logistic regression on 24 principal components), start, pool and test
images in one run, with five seeds. The images are the embedded Fashion-MNIST pool with its five categories as classes,
since for two classes the three scores rank alike. The teacher is right, or noisy: one answer in five is another class
at random.

It runs in the peers' environment, which `make peers` installs beside the project's own. Printed is one Markdown table,
written are FILE.json and a plot of it, FILE.png; `--plot` draws that anew from FILE.json, in any environment. A network
on ten classes instead: `python -m benchmarks.active_learning_cnn`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from tqdm import tqdm

from benchmarks.active.peers import (
    LEARNERS,
    MODAL,
    OURS,
    PACKAGES,
    QUERIES_PER_ROUND,
    RANDOM,
    SCORES,
    Floats,
    Integers,
    Task,
    require_peers,
)
from benchmarks.stored_results import read_results, require_place, write_results
from benchmarks.tables import difference
from benchmarks.tables import table as markdown
from competition.pool import FASHION_FILE
from grader.validation.results import spread

SEEDS, ROUNDS = 5, 10
CLASSES = 5
COMPONENTS = 24
START, POOL, TEST = 50, 2_000, 2_000  # images
SHOWN = (0, 100, 250, 500)  # query counts of the table, as far as there are so many
WRONG_ANSWERS = 0.2
TEACHERS = ("right", "noisy")
RESULTS = Path(__file__).with_name("results") / "active_learning.json"


@dataclass(frozen=True)
class Run:
    """One implementation's curve.

    Attributes:
        accuracy: on the test images, before the first round and after each.
        seconds: for all rounds, with fits and queries, without the accuracies.
        same_rounds: in how many rounds from the first on the queried set was ours; None for ours and for random draws.
    """

    teacher: str
    score: str
    implementation: str
    seed: int
    accuracy: list[float]
    seconds: float
    same_rounds: int | None


@cache
def components_and_labels(seed: int) -> tuple[list[Floats], list[Integers]]:
    """Draw start and pool from the training part of Fashion-MNIST, the test images from its test part."""
    rng = np.random.default_rng(seed)
    with np.load(FASHION_FILE) as arrays:
        images = arrays["images"].reshape(len(arrays["images"]), -1)
        labels, in_test = np.unique(arrays["category"], return_inverse=True)[1], arrays["in_test"]
    start, pool = np.split(rng.choice(np.flatnonzero(~in_test), START + POOL, replace=False), [START])
    splits = start, pool, rng.choice(np.flatnonzero(in_test), TEST, replace=False)
    pca = PCA(COMPONENTS, whiten=True, random_state=seed).fit(images[pool] / 255)
    return [pca.transform(images[rows] / 255) for rows in splits], [labels[rows] for rows in splits]


def make_task(teacher: str, seed: int) -> Task:
    """Draw the data and decide what the teacher says."""
    (start, pool, test), (start_labels, answers, test_labels) = components_and_labels(seed)
    if teacher == "noisy":
        rng = np.random.default_rng([seed, 1])
        wrong = rng.random(POOL) < WRONG_ANSWERS
        answers = np.where(wrong, (answers + rng.integers(1, CLASSES, POOL)) % CLASSES, answers)
    return Task(start, start_labels, pool, answers, test, test_labels)


def run_learners(teacher: str, score: str, seed: int, rounds: int) -> Iterator[Run]:
    """Let each implementation learn the same task, one after the other."""
    task = make_task(teacher, seed)
    ours: list[Integers] = []
    for implementation, make in LEARNERS.items():
        seconds = -time.perf_counter()
        ask, predict = make(task, score, seed)
        seconds += time.perf_counter()
        accuracy, asked = [float((predict(task.test) == task.test_labels).mean())], []
        for _ in range(rounds):
            seconds -= time.perf_counter()
            asked.append(ask())
            seconds += time.perf_counter()
            accuracy.append(float((predict(task.test) == task.test_labels).mean()))
        ours = ours or asked
        same = None
        if implementation != OURS and score != RANDOM:
            differs = [not np.array_equal(a, b) for a, b in zip(asked, ours, strict=True)]
            same = [*differs, True].index(True)
        yield Run(teacher, score, implementation, seed, accuracy, seconds, same)


def grouped(runs: list[Run]) -> dict[tuple[str, str, str], list[Run]]:
    """Group the runs by teacher, score and implementation, in the order in which they were made."""
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.teacher, run.score, run.implementation), []).append(run)
    return groups


def table(runs: list[Run]) -> str:
    """Write all runs as a Markdown table, one row per teacher, score and implementation.

    "minus random" is the mean over the shown query counts but the first of this implementation's accuracy minus its
    random control's, paired by seed, ± standard error; "seconds" is the ratio to ours, total over the seeds.
    """
    rounds = len(runs[0].accuracy) - 1
    at = [count // QUERIES_PER_ROUND for count in SHOWN if count <= rounds * QUERIES_PER_ROUND]
    groups, rows = grouped(runs), []
    for (teacher, score, implementation), group in groups.items():
        means, control = (
            [statistics.fmean(run.accuracy[i] for i in at[1:]) for run in some]
            for some in (group, groups[teacher, RANDOM, implementation])
        )
        same = [run.same_rounds for run in group if run.same_rounds is not None]
        ratio = sum(run.seconds for run in group) / sum(run.seconds for run in groups[teacher, score, OURS])
        rows.append(
            [
                *(teacher, score, implementation),
                *(spread([run.accuracy[i] for run in group]) for i in at),
                "" if score == RANDOM else difference(means, control),
                *(f"{sum(same)} of {len(same) * rounds}" if same else "", f"{ratio:.2f}"),
            ]
        )
    shown = [f"{i * QUERIES_PER_ROUND} queries" for i in at]
    return markdown(("teacher", "score", "by", *shown, "minus random", "rounds asked as ours", "seconds"), rows)


def draw(runs: list[Run], path: Path) -> None:
    """Draw accuracy against queries: lines are ours with one standard deviation, crosses are modAL's."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    panels = figure.subplots(1, len(TEACHERS), sharey=True)
    groups = grouped(runs)
    queries = np.arange(len(runs[0].accuracy)) * QUERIES_PER_ROUND
    crosses = Line2D([], [], color="0.3", marker="x", linestyle="", markersize=4, label="modAL, each score")
    for panel, teacher in zip(panels, TEACHERS, strict=True):
        for number, score in enumerate(SCORES):
            ours = np.array([run.accuracy for run in groups[teacher, score, OURS]])
            panel.plot(queries, ours.mean(0), color=f"C{number}", label=score)
            if len(ours) > 1:
                low, high = (ours.mean(0) + sign * ours.std(0, ddof=1) for sign in (-1, 1))
                panel.fill_between(queries, low, high, color=f"C{number}", alpha=0.12)
            if theirs := groups.get((teacher, score, MODAL)):
                mean = np.mean([run.accuracy for run in theirs], axis=0)
                panel.plot(queries, mean, "x", color=f"C{number}", markersize=4)
        panel.set(title=f"{teacher} teacher", xlabel="queries", ylabel="accuracy on test images")
        drawn = panel.get_legend_handles_labels()[0]
        panel.legend(handles=[*drawn, crosses] if any(name == MODAL for _, _, name in groups) else drawn)
    figure.savefig(path, dpi=120)


def main(words: list[str] | None = None) -> None:
    """Run the benchmark, or draw its results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of {QUERIES_PER_ROUND} queries")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the JSON; the PNG is written beside it")
    parser.add_argument("--plot", action="store_true", help="draw the PNG from the JSON, without a run")
    arguments = parser.parse_args(words)
    if arguments.seeds < 1 or not SHOWN[1] // QUERIES_PER_ROUND <= arguments.rounds <= POOL // QUERIES_PER_ROUND:
        parser.error("it takes at least one seed, and 2 to 40 rounds")
    if not arguments.plot:
        require_peers()
        require_place(arguments.out)
        versions = {package: version(package) for package in (*PACKAGES.values(), "scikit-learn", "numpy")}
        seeds = range(arguments.seeds)
        cases = [(teacher, score, seed) for teacher in TEACHERS for score in SCORES for seed in seeds]
        measured = [asdict(run) for case in tqdm(cases) for run in run_learners(*case, arguments.rounds)]
        write_results(arguments.out, {"versions": versions, "queries_per_round": QUERIES_PER_ROUND, "runs": measured})
    runs = [Run(**run) for run in read_results(arguments.out, "runs", "queries_per_round")["runs"]]
    print(table(runs))
    draw(runs, arguments.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
