"""Controls for every table of detection: what a logistic regression tells about labels, without any of the methods.

A control values each training sample by how probable its label is to a model that did not learn that label from it:

- `validation_model`: the model learned from the clean validation set alone. DVRL and DataRater get such a model's
  disagreement with the label as an input, so whoever reads their figures wants to know what it finds by itself.
- `out_of_fold`: the model learned from the other folds of the noisy training set, and no clean sample was looked at.

All functions are pure. Images may have any shape [N, ...] and any scale: they are flattened and projected onto whitened
principal components of the training images, which need no label.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
COMPONENTS = 48
FOLDS = 5


def flat(images: Array) -> Array:
    """Return images [N, ...], an array or a tensor on the CPU, as rows [N, P] of floats."""
    rows = np.asarray(images).reshape(len(images), -1)
    return rows if np.issubdtype(rows.dtype, np.floating) else rows.astype(np.float32)


def components(images: Array) -> PCA:
    """Fit the projection onto whitened principal components to images [N, ...]."""
    rows = flat(images)
    return PCA(min(COMPONENTS, *rows.shape), whiten=True, random_state=0).fit(rows)


def classifier(x: Array, y: Array, sample_weight: Floats | None = None) -> LogisticRegression:
    """Fit the one model of all controls, in which every class weighs the same, to features [N, D] and labels [N]."""
    return LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000).fit(x, y, sample_weight=sample_weight)


def probability_of_label(model: LogisticRegression, x: Array, y: Array) -> Floats:
    """Return p(y | x) of features [N, D] and labels [N]; zero for a class that the model never saw."""
    probabilities = np.zeros((len(y), int(max(y.max(), model.classes_.max())) + 1))
    probabilities[:, model.classes_] = model.predict_proba(x)
    return probabilities[np.arange(len(y)), y]


def validation_model(images: Array, labels: Array, val_images: Array, val_labels: Array, seed: int = 0) -> Floats:
    """Value training samples by a model of the validation set alone. Nothing is random.

    Args:
        images, val_images: [N, ...] and [V, ...].
        labels, val_labels: integers [N], some of them wrong, and [V].
        seed: is not used.

    Returns:
        float64 [N], the probability of each label; low where it is probably wrong.
    """
    pca = components(images)
    model = classifier(pca.transform(flat(val_images)), np.asarray(val_labels))
    return probability_of_label(model, pca.transform(flat(images)), np.asarray(labels))


def out_of_fold(images: Array, labels: Array, val_images: Array, val_labels: Array, seed: int = 0) -> Floats:
    """Value training samples by models of the noisy training set alone: five-fold cross-validation.

    Args:
        images, labels: see `validation_model`.
        val_images, val_labels: are not used.
        seed: of the folds.

    Returns:
        float64 [N], the probability of each label; low where it is probably wrong.

    Raises:
        ValueError: a class has fewer samples than there are folds.
    """
    y = np.asarray(labels)
    if (fewest := np.unique(y, return_counts=True)[1].min()) < FOLDS:
        raise ValueError(f"a class has {fewest} training samples: {FOLDS} folds need as many of each")
    x = components(images).transform(flat(images))
    values = np.zeros(len(y))
    for fitted, left_out in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(x, y):
        values[left_out] = probability_of_label(classifier(x[fitted], y[fitted]), x[left_out], y[left_out])
    return values


Control = Callable[[Array, Array, Array, Array, int], Floats]
CONTROLS: dict[str, Control] = {
    "validation model alone": validation_model,
    "noisy set alone, out of fold": out_of_fold,
}
DETERMINISTIC = {"validation model alone"}  # one seed says it all


def predict_after_weighting(values: Floats, images: Array, labels: Array, test_images: Array) -> npt.NDArray[np.int64]:
    """Predict the labels [T] of test images with the controls' model, learned from the samples weighted by value."""
    pca = components(images)
    model = classifier(pca.transform(flat(images)), np.asarray(labels), values)
    predicted: npt.NDArray[np.int64] = model.predict(pca.transform(flat(test_images)))
    return predicted
