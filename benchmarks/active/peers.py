"""modAL, scikit-activeml and ours behind one interface: the same task, the same estimator, the same rounds."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from reference_solutions.uncertainty_sampling import ActiveLearner, entropy, least_confidence, margin, random_control

QUERIES_PER_ROUND = 50
RANDOM = "random"
SCORES = {"uncertainty": least_confidence, "margin": margin, "entropy": entropy, RANDOM: None}
OURS, MODAL, SKACTIVEML = "ours", "modAL", "scikit-activeml"
PACKAGES = {"modAL": "modAL-python", "skactiveml": "scikit-activeml"}  # what is imported, and the name of its package

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def require_peers() -> None:
    """Look for both before anything long begins.

    Raises:
        SystemExit: one is not installed.
    """
    missing = [package for module, package in PACKAGES.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise SystemExit(
            f"error: {' and '.join(missing)} cannot be imported: run 'make peers', and this with .venv-peers/bin/python"
        )


@dataclass(frozen=True)
class Task:
    """One draw of the data.

    Attributes:
        start, pool, test: float64 [n, D], features.
        start_labels, test_labels: int64 [n], right; the start has every class, 0 to C - 1.
        answers: int64 [pool], what the teacher says.
    """

    start: Floats
    start_labels: Integers
    pool: Floats
    answers: Integers
    test: Floats
    test_labels: Integers


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

    strategy = random_sampling if score == RANDOM else getattr(uncertainty, f"{score}_sampling")
    learner = ModalLearner(make_estimator(), strategy, task.start, task.start_labels)
    left = np.arange(len(task.pool))

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
    classifier = SklearnClassifier(make_estimator(), classes=list(range(task.start_labels.max() + 1)))
    features = np.concatenate([task.start, task.pool])
    labels = np.concatenate([task.start_labels, np.full(len(task.pool), np.nan)])
    classifier.fit(features, labels)
    if score == RANDOM:
        query = RandomSampling(random_state=seed).query
    else:
        query = UncertaintySampling(method=methods[score], random_state=seed).query
    options = {} if score == RANDOM else {"clf": classifier, "fit_clf": False}

    def ask() -> Integers:
        asked = np.sort(query(features, labels, batch_size=QUERIES_PER_ROUND, **options)) - len(task.start)
        labels[asked + len(task.start)] = task.answers[asked]
        classifier.fit(features, labels)
        return asked

    return ask, classifier.predict


LEARNERS = {OURS: our_learner, MODAL: modal_learner, SKACTIVEML: skactiveml_learner}
