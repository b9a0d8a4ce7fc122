"""How good are data values? The metrics of the data valuation papers, for any vector of values.

A data value says how much a training sample is worth; higher is better. Metrics and their names follow DVRL (Yoon,
Arik and Pfister, ICML 2020, arXiv 1909.11671, section 4) and OpenDataVal (Jiang et al., NeurIPS 2023, arXiv
2306.10577; its `opendataval.experiment`):

- detection: do wrong labels have low values? (`detection`, `corrupted_sample_discovery`)
- training: does a model profit from the values? (`removal_curve`, `robust_learning`)

Functions are pure; where values are equal, detection metrics are exact expectations over a random order among equals,
and training takes such an order from a generator.
"""

from __future__ import annotations

import copy
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import auc, balanced_accuracy_score, f1_score, roc_auc_score

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Metric = Callable[[Array, Array], float]
SHARES = np.arange(21) / 20  # steps and bins of 5 %, as in both papers
PCA_COMPONENTS = 48


class Evaluator(Protocol):
    """A classifier that is trained to evaluate values; it also needs ``predict`` or else ``predict_proba``."""

    def fit(self, x: Array, y: Array, sample_weight: Floats | None = None) -> Any:
        """Learn from features [N, ...] and labels [N]."""


class PCALogisticRegression:
    """Logistic regression on whitened principal components, in which all classes weigh the same.

    The balance is there since the default metric is balanced accuracy: without it, removing wrong labels and removing
    a class that is too large look alike.
    """

    def fit(self, x: Array, y: Array, sample_weight: Floats | None = None) -> PCALogisticRegression:
        """Fit features [N, ...], flattened here, and labels [N]."""
        flat = x.reshape(len(x), -1)
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        _, place = np.unique(y, return_inverse=True)
        mass = np.bincount(place, weight)
        self.pca = PCA(min(PCA_COMPONENTS, *flat.shape), whiten=True, random_state=0)
        self.classifier = LogisticRegression(max_iter=1000)
        self.classifier.fit(self.pca.fit_transform(flat), y, weight / mass[place] * len(y) / len(mass))
        return self

    def predict(self, x: Array) -> Array:
        """Predict the labels of features [N, ...]."""
        labels: Array = self.classifier.predict(self.pca.transform(x.reshape(len(x), -1)))
        return labels


DEFAULT_EVALUATOR = PCALogisticRegression()


@dataclass(frozen=True)
class Samples:
    """Features [N, ...], numbers, and labels [N]."""

    x: Array
    y: Array


@dataclass(frozen=True)
class ValuationData:
    """What values are evaluated on.

    Attributes:
        train: the samples that have values; some labels may be wrong.
        valid, test: samples with right labels.
        corrupted: bool [N], whether a training label is wrong; None where nobody knows.
    """

    train: Samples
    valid: Samples
    test: Samples
    corrupted: Mask | None

    @property
    def classes(self) -> int:
        """Number of classes of the training and validation labels; by chance, balanced accuracy is 1 / classes."""
        return len(np.unique(np.concatenate([self.train.y, self.valid.y])))


def read_npz(folder: Path, name: str) -> tuple[Samples, dict[str, Array]]:
    """Read the samples of one of the files of `read_npz_data`, and all of its arrays by name."""
    path = folder / f"{name}.npz"
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays: dict[str, Array] = dict(file)
        x, y = arrays[f"x_{name}"], arrays[f"y_{name}"]
    except FileNotFoundError:
        raise ValueError(f"{path} is missing: the folder needs train.npz, valid.npz and test.npz") from None
    except KeyError:
        raise ValueError(
            f"{path} needs the arrays x_{name} and y_{name}; it has {', '.join(arrays) or 'none'}"
        ) from None
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} cannot be read as arrays of numbers: {error}") from None
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]  # as CIFAR-10 comes
    if x.ndim < 2 or len(x) == 0 or y.shape != x.shape[:1]:
        raise ValueError(f"{path}: x_{name} must be [N, ...] and y_{name} [N]; they are {x.shape} and {y.shape}")
    if not np.issubdtype(x.dtype, np.number) or not np.isfinite(x).all() or not np.issubdtype(y.dtype, np.integer):
        raise ValueError(
            f"{path}: x_{name} must be finite numbers and y_{name} integers; they are {x.dtype} and {y.dtype}"
        )
    return Samples(x, y), arrays


def read_npz_data(folder: Path) -> ValuationData:
    """Read data in the format of DVRL's code: ``train.npz``, ``valid.npz`` and ``test.npz`` in one folder.

    ``train.npz`` holds `x_train` [N, ...] and `y_train` int [N], the others likewise. It may also hold `noise_idx`,
    the places of the wrong labels, which DVRL's data loading hands on beside the files.

    Raises:
        ValueError: a file is missing or damaged, lacks an array, or the arrays do not fit each other.
    """
    train, arrays = read_npz(folder, "train")
    (valid, _), (test, _) = read_npz(folder, "valid"), read_npz(folder, "test")
    if not train.x.shape[1:] == valid.x.shape[1:] == test.x.shape[1:]:
        raise ValueError(
            f"{folder}: samples differ in shape: "
            f"{train.x.shape[1:]} in train, {valid.x.shape[1:]} in valid, {test.x.shape[1:]} in test"
        )
    if len(np.unique(train.y)) < 2:
        raise ValueError(f"{folder / 'train.npz'}: y_train needs at least two classes")
    if "noise_idx" not in arrays:
        return ValuationData(train, valid, test, None)
    places, samples = arrays["noise_idx"], len(train.y)
    if not np.issubdtype(places.dtype, np.integer) or np.any((places < 0) | (places >= samples)):
        raise ValueError(f"{folder / 'train.npz'}: noise_idx must be integers from 0 to {samples - 1}")
    return ValuationData(train, valid, test, np.isin(np.arange(samples), places))


def check_values(values: Array, samples: int) -> Floats:
    """Return values as float64 [N], or raise `ValueError` where they are not N finite numbers."""
    if values.shape != (samples,) or not np.issubdtype(values.dtype, np.number):
        raise ValueError(f"expected {samples} values, one per training sample, not {values.dtype} {values.shape}")
    checked = values.astype(np.float64)
    if not np.isfinite(checked).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(checked))} of the values are not finite")
    return checked


def two_means_threshold(values: Floats) -> float:
    """Split values into two clusters of least within-cluster variance; return the upper cluster's smallest value.

    This is exact k-means with k = 2 in one dimension: the best split maximises s1^2 / n1 + s2^2 / n2 over the sums and
    sizes of a lower and an upper part. Equal values stay together; if all are equal, none lies below the threshold.
    """
    levels, sizes = np.unique(values, return_counts=True)
    if len(levels) == 1:
        return float(levels[0])
    centred = levels - values.mean()  # the sums are then small, and each other's negative
    lower_sums, lower_sizes = np.cumsum(centred * sizes)[:-1], np.cumsum(sizes)[:-1]
    between = lower_sums**2 / lower_sizes + lower_sums**2 / (len(values) - lower_sizes)
    return float(levels[1 + np.argmax(between)])


@dataclass(frozen=True)
class Detection:
    """Are low values wrong labels?

    Attributes:
        auc: the probability that a wrong label has a lower value than a right one, equal values counting one half.
        f1: F1 score of "wrong" where the value lies below `threshold`.
        threshold: where two-means splits the values: the rule of OpenDataVal's `noisy_detection`, which knows neither
            the truth nor the noise rate.
    """

    auc: float
    f1: float
    threshold: float


def detection(values: Floats, corrupted: Mask) -> Detection:
    """Judge values [N] as a detector of corrupted samples.

    Raises:
        ValueError: all samples are corrupted, or none is.
    """
    require_both(corrupted)
    threshold = two_means_threshold(values)
    flagged = values < threshold
    return Detection(
        float(roc_auc_score(corrupted, -values)), float(f1_score(corrupted, flagged, zero_division=0)), threshold
    )


def require_both(corrupted: Mask) -> None:
    """Raise `ValueError` where there is nothing to detect, or nothing else."""
    if corrupted.all() or not corrupted.any():
        raise ValueError(f"{np.count_nonzero(corrupted)} of {len(corrupted)} labels are wrong: nothing to tell apart")


@dataclass(frozen=True)
class Discovery:
    """Corrupted-sample discovery: inspect the lowest values first.

    Attributes:
        inspected: float64 [21], the share of samples inspected, from 0 to 1 in bins of 5 %.
        found: float64 [21], the share of corrupted samples among them, of all corrupted ones.
        optimal, random: float64 [21], the same for a search that knows the truth, and for one that knows nothing.
        area, optimal_area: under `found` and `optimal`; `random` has 0.5.
    """

    inspected: Floats
    found: Floats
    optimal: Floats
    random: Floats
    area: float
    optimal_area: float


def corrupted_sample_discovery(values: Floats, corrupted: Mask) -> Discovery:
    """Count how many corrupted samples are found among the lowest values [N].

    Raises:
        ValueError: all samples are corrupted, or none is.
    """
    require_both(corrupted)
    _, level, sizes = np.unique(values, return_inverse=True, return_counts=True)
    chance = np.bincount(level, corrupted) / sizes  # of each level to be corrupted: what a random order finds there
    total = np.count_nonzero(corrupted)
    cumulative = np.concatenate(([0.0], np.cumsum(np.repeat(chance, sizes)))) / total
    counts = np.round(SHARES * len(values)).astype(np.int64)
    inspected = counts / len(values)
    found, optimal = cumulative[counts], np.minimum(counts / total, 1.0)
    return Discovery(inspected, found, optimal, inspected, float(auc(inspected, found)), float(auc(inspected, optimal)))


def fit_and_score(
    evaluator: Evaluator, train: Samples, splits: tuple[Samples, ...], metric: Metric, weights: Floats | None = None
) -> list[float]:
    """Fit a copy of `evaluator` and score it on each split; NaN where fewer than two classes are left to learn."""
    classes = np.unique(train.y)
    if len(classes) < 2:
        return [float("nan")] * len(splits)
    fitted: Any = copy.deepcopy(evaluator)
    if weights is None:
        fitted.fit(train.x, train.y)
    else:
        fitted.fit(train.x, train.y, sample_weight=weights)

    def predict(x: Array) -> Array:
        if hasattr(fitted, "predict"):
            return np.asarray(fitted.predict(x))
        likeliest: Array = classes[np.argmax(fitted.predict_proba(x), axis=1)]
        return likeliest

    return [float(metric(split.y, predict(split.x))) for split in splits]


@dataclass(frozen=True)
class Removal:
    """How a model does when training samples are removed by their values; float64 [20] each.

    Attributes:
        removed: the share that was removed, from 0 to 0.95 in steps of 5 %.
        valid, test: the metric on either split; NaN where a single class is left.
    """

    removed: Floats
    valid: Floats
    test: Floats

    @property
    def best(self) -> float:
        """The metric on test where it is best on valid: what DVRL's code reports as robust learning."""
        return float(self.test[np.nanargmax(self.valid)])


def removal_curve(
    values: Floats,
    data: ValuationData,
    *,
    lowest_first: bool,
    generator: np.random.Generator,
    evaluator: Evaluator = DEFAULT_EVALUATOR,
    metric: Metric = balanced_accuracy_score,
) -> Removal:
    """Train on ever fewer samples: those with the lowest values [N] are removed first, or those with the highest.

    Good values make the curve rise at first when the lowest go first, and fall when the highest do.

    Args:
        generator: orders equal values.
        evaluator: it is copied, never fitted itself.
    """
    shuffled = generator.permutation(len(values))
    ranked = shuffled[np.argsort(values[shuffled] if lowest_first else -values[shuffled], kind="stable")]
    removed = SHARES[:-1]
    scores = []
    for count in np.round(removed * len(values)).astype(np.int64):
        kept = np.sort(ranked[count:])
        train = Samples(data.train.x[kept], data.train.y[kept])
        scores.append(fit_and_score(evaluator, train, (data.valid, data.test), metric))
    valid, test = np.array(scores).T
    return Removal(removed, valid, test)


@dataclass(frozen=True)
class RobustLearning:
    """The metric on test after training on all samples, `unweighted`, and `weighted` by their values."""

    unweighted: float
    weighted: float


def robust_learning(
    values: Floats,
    data: ValuationData,
    *,
    evaluator: Evaluator = DEFAULT_EVALUATOR,
    metric: Metric = balanced_accuracy_score,
) -> RobustLearning:
    """Train with the values [N] as sample weights, and without.

    A sample whose value is zero or negative is left out: no method gives a negative value to a sample that helps.
    """
    used = values > 0
    train = Samples(data.train.x[used], data.train.y[used])
    (unweighted,) = fit_and_score(evaluator, data.train, (data.test,), metric)
    (weighted,) = fit_and_score(evaluator, train, (data.test,), metric, values[used])
    return RobustLearning(unweighted, weighted)
