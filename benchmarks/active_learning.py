"""Does uncertainty sampling need fewer labels than random sampling, and do the peers ask the same questions?

    .venv-peers/bin/python -m benchmarks.active_learning [--out FILE.json] [--plot]

Pool-based active learning with `reference_solutions.uncertainty_sampling`, modAL's `ActiveLearner` and the query
strategies of scikit-activeml: the same estimator (logistic regression on 24 principal components), start, pool and test
images in one run, with five seeds. The images are the embedded Fashion-MNIST pool with its five categories as classes,
since for two classes the three scores rank alike. The teacher is right, or noisy: one answer in five is another class
at random.

It runs in the peers' environment, which `make peers` installs beside the project's own. Printed is one Markdown table,
written are FILE.json and a plot of it, FILE.png; `--plot` draws that anew from FILE.json, in any environment.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm

from competition.pool import FASHION_FILE
from grader.validation.results import spread
from reference_solutions.uncertainty_sampling import ActiveLearner, entropy, least_confidence, margin, random_control

SEEDS = range(5)
CLASSES = 5
COMPONENTS = 24
START, POOL, TEST = 50, 2_000, 2_000  # images
QUERIES_PER_ROUND, ROUNDS = 50, 10
SHOWN = (0, 100, 250, 500)  # query counts of the table
WRONG_ANSWERS = 0.2
TEACHERS = ("right", "noisy")
SCORES = {"uncertainty": least_confidence, "margin": margin, "entropy": entropy, "random": None}
OURS = "ours"
RESULTS = Path(__file__).with_name("results") / "active_learning.json"

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Task:
    """One draw of the data.

    Attributes:
        start, pool, test: float64 [n, COMPONENTS], the images' principal components.
        start_labels, test_labels: int64 [n], right.
        answers: int64 [POOL], what the teacher says.
    """

    start: Floats
    start_labels: Integers
    pool: Floats
    answers: Integers
    test: Floats
    test_labels: Integers


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


def make_estimator() -> LogisticRegression:
    """Make the estimator that all implementations use."""
    return LogisticRegression(max_iter=500)


# A learner is made from (task, score's name, seed). Its `ask` is one round: it returns the queried pool indices and
# fits; `predict` is the fitted estimator's.
Ask = Callable[[], Integers]
Predict = Callable[[Floats], Integers]


def our_learner(task: Task, score: str, seed: int) -> tuple[Ask, Predict]:
    """Make this kit's learner."""
    learner = ActiveLearner(
        *(make_estimator(), SCORES[score] or random_control(np.random.default_rng(seed))),
        *(task.start, task.start_labels, task.pool, lambda indices: task.answers[indices]),
    )

    def ask() -> Integers:
        asked = learner.query(QUERIES_PER_ROUND)
        learner.fit()
        return asked

    return ask, learner.estimator.predict


def modal_learner(task: Task, score: str, seed: int) -> tuple[Ask, Predict]:
    """Make modAL's learner; random sampling, which it leaves to its users, is a strategy of one line."""
    from modAL import uncertainty
    from modAL.models import ActiveLearner as ModalLearner
    from modAL.models import learners

    # modAL 0.4.2 checks what it is taught with a keyword that newer versions of scikit-learn
    # no longer have; what it is taught here needs no check.
    learners.check_X_y = lambda *arrays, **_: arrays
    rng = np.random.default_rng(seed)

    def random_sampling(_: Any, pool: Floats, n_instances: int) -> tuple[Integers, None]:
        return rng.choice(len(pool), n_instances, replace=False), None

    strategy = random_sampling if score == "random" else getattr(uncertainty, f"{score}_sampling")
    learner = ModalLearner(make_estimator(), strategy, task.start, task.start_labels)
    left = np.arange(POOL)

    def ask() -> Integers:
        nonlocal left
        places = np.sort(learner.query(task.pool[left], n_instances=QUERIES_PER_ROUND)[0])
        asked, left = left[places], np.delete(left, places)
        learner.teach(task.pool[asked], task.answers[asked])
        return asked

    return ask, learner.predict


def skactiveml_learner(task: Task, score: str, seed: int) -> tuple[Ask, Predict]:
    """Make scikit-activeml's learner."""
    from skactiveml.classifier import SklearnClassifier
    from skactiveml.pool import RandomSampling, UncertaintySampling

    methods = {"uncertainty": "least_confident", "margin": "margin_sampling", "entropy": "entropy"}
    classifier = SklearnClassifier(make_estimator(), classes=list(range(CLASSES)))
    features = np.concatenate([task.start, task.pool])
    labels = np.concatenate([task.start_labels, np.full(POOL, np.nan)])
    classifier.fit(features, labels)
    if score == "random":
        query = RandomSampling(random_state=seed).query
    else:
        query = UncertaintySampling(method=methods[score], random_state=seed).query
    options = {} if score == "random" else {"clf": classifier, "fit_clf": False}

    def ask() -> Integers:
        asked = np.sort(query(features, labels, batch_size=QUERIES_PER_ROUND, **options)) - START
        labels[asked + START] = task.answers[asked]
        classifier.fit(features, labels)
        return asked

    return ask, classifier.predict


LEARNERS = {OURS: our_learner, "modAL": modal_learner, "scikit-activeml": skactiveml_learner}


def run_learners(teacher: str, score: str, seed: int) -> Iterator[Run]:
    """Let each implementation learn the same task, one after the other."""
    task = make_task(teacher, seed)
    ours: list[Integers] = []
    for implementation, make in LEARNERS.items():
        seconds = -time.perf_counter()
        ask, predict = make(task, score, seed)
        seconds += time.perf_counter()
        accuracy, asked = [float((predict(task.test) == task.test_labels).mean())], []
        for _ in range(ROUNDS):
            seconds -= time.perf_counter()
            asked.append(ask())
            seconds += time.perf_counter()
            accuracy.append(float((predict(task.test) == task.test_labels).mean()))
        ours = ours or asked
        same = None
        if implementation != OURS and score != "random":
            differs = [not np.array_equal(a, b) for a, b in zip(asked, ours, strict=True)]
            same = [*differs, True].index(True)
        yield Run(teacher, score, implementation, seed, accuracy, seconds, same)


def table(runs: list[Run]) -> str:
    """Write all runs as a Markdown table, one row per teacher, score and implementation.

    "minus random" is the mean over the shown query counts but the first of this implementation's accuracy minus its
    random control's, paired by seed, ± standard error; "seconds" is the ratio to ours, total over the seeds.
    """
    columns = ["teacher", "score", "by", *(f"{count} queries" for count in SHOWN)]
    columns += ["minus random", "rounds asked as ours", "seconds"]
    rows = [columns, ["---"] * len(columns)]
    at = [count // QUERIES_PER_ROUND for count in SHOWN]
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.teacher, run.score, run.implementation), []).append(run)
    for (teacher, score, implementation), group in groups.items():
        control = groups[teacher, "random", implementation]
        gains = [
            statistics.fmean(run.accuracy[i] - other.accuracy[i] for i in at[1:])
            for run, other in zip(group, control, strict=True)
        ]
        error = statistics.stdev(gains) / len(gains) ** 0.5
        gain = "" if score == "random" else f"{statistics.fmean(gains):+.4f} ± {error:.4f}"
        same = [run.same_rounds for run in group if run.same_rounds is not None]
        ratio = sum(run.seconds for run in group) / sum(run.seconds for run in groups[teacher, score, OURS])
        rows.append(
            [
                *(teacher, score, implementation),
                *(spread([run.accuracy[i] for run in group]) for i in at),
                *(gain, f"{sum(same)} of {len(same) * ROUNDS}" if same else "", f"{ratio:.2f}"),
            ]
        )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def draw(runs: list[Run], path: Path) -> None:
    """Draw accuracy against queries: lines are ours with one standard deviation, crosses are modAL's."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(TEACHERS), figsize=(11, 4.5), sharey=True, layout="constrained")
    queries = np.arange(ROUNDS + 1) * QUERIES_PER_ROUND
    for panel, teacher in zip(panels, TEACHERS, strict=True):
        for number, score in enumerate(SCORES):
            curves = {
                name: np.array(
                    [r.accuracy for r in runs if (r.teacher, r.score, r.implementation) == (teacher, score, name)]
                )
                for name in (OURS, "modAL")
            }
            mean, deviation = curves[OURS].mean(0), curves[OURS].std(0, ddof=1)
            panel.plot(queries, mean, color=f"C{number}", label=score)
            panel.fill_between(queries, mean - deviation, mean + deviation, color=f"C{number}", alpha=0.12)
            panel.plot(queries, curves["modAL"].mean(0), "x", color=f"C{number}", markersize=4)
        panel.set(title=f"{teacher} teacher", xlabel="queries", ylabel="accuracy on test images")
        panel.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Run the benchmark, or draw its results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS, help="the JSON; the PNG is written beside it")
    parser.add_argument("--plot", action="store_true", help="draw the PNG from the JSON, without a run")
    arguments = parser.parse_args()
    if arguments.plot:
        runs = [Run(**run) for run in json.loads(arguments.out.read_text())["runs"]]
    else:
        try:
            packages = ("modAL-python", "scikit-activeml", "scikit-learn", "numpy")
            versions = {package: version(package) for package in packages}
        except ModuleNotFoundError as error:
            sys.exit(f"{error}: run 'make peers', then this with .venv-peers/bin/python")
        cases = [(teacher, score, seed) for teacher in TEACHERS for score in SCORES for seed in SEEDS]
        runs = [run for case in tqdm(cases) for run in run_learners(*case)]
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        result = {"versions": versions, "queries_per_round": QUERIES_PER_ROUND, "runs": [asdict(run) for run in runs]}
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(table(runs), end="")
    draw(runs, arguments.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
