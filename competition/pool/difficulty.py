"""How hard each image is: one minus the probability that a model which never saw it gives its true class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from competition.errors import SourceError

FOLDS = 5
COMPONENTS = 50
SIDE = 32  # pixels to which larger images are brought
SEED = 0


def out_of_fold_difficulty(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Say how hard each image is: 1 - p(true class) of a model that never saw it.

    Five-fold, gradient-boosted trees on 50 principal components, classes weighted to equal mass. The same images and
    library versions give the same difficulties.

    Args:
        images: uint8 [N, H, W].
        labels: int64 [N], true classes, 0 or 1.

    Returns:
        float32 [N], 0 to 1.

    Raises:
        SourceError: a class has fewer images than there are folds.
    """
    for label, count in enumerate(np.bincount(labels, minlength=2).tolist()):
        if count < FOLDS:
            raise SourceError(f"--difficulty needs {FOLDS} images of each class, class {label} has {count}")
    if max(images.shape[1:]) > SIDE:
        images = np.stack([np.asarray(Image.fromarray(image).resize((SIDE, SIDE))) for image in images])
    pixels = images.reshape(len(images), -1) / 255.0
    fewest = len(images) - -(-len(images) // FOLDS)  # images that a model learns from
    model = make_pipeline(
        PCA(min(COMPONENTS, fewest, pixels.shape[1]), random_state=SEED),
        HistGradientBoostingClassifier(class_weight="balanced", random_state=SEED),
    )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    probabilities = cross_val_predict(model, pixels, labels, cv=folds, method="predict_proba")
    difficulty: npt.NDArray[np.float32] = (1 - probabilities[np.arange(len(labels)), labels]).astype(np.float32)
    return difficulty
