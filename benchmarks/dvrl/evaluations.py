"""The three evaluations of DVRL's guide for any data values: removal, corrupted samples, robust learning.

Whatever the values come from, the same model is trained to evaluate them: logistic regression on 48 whitened principal
components, in which all classes weigh the same, judged by balanced accuracy (BAC), so that chance is 1 / classes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from grader.analysis.valuation import (
    ValuationData,
    corrupted_sample_discovery,
    detection,
    removal_curve,
    robust_learning,
)

Floats = npt.NDArray[np.float64]
Run = dict[str, Any]


def finite_or_none(numbers: Floats) -> list[float | None]:
    """Return numbers for a JSON file, which knows no NaN."""
    return [None if math.isnan(number) else round(float(number), 6) for number in numbers]


def evaluate(values: Floats, data: ValuationData, seed: int) -> Run:
    """Evaluate values float64 [N] of the training samples.

    Returns:
        weighted: BAC on test after training with the values as weights; `unweighted` on all samples alike.
        lowest, highest: BAC on test without the lowest (highest) 0, 5, ..., 95 % of the values; None where fewer than
            two classes are left.
        filtered: BAC on test without as many of the lowest as is best on valid.
        auc, area, optimal_area, discovery: how they find wrong labels; absent where nobody knows these, or all labels
            or none are wrong.
    """
    robust = robust_learning(values, data)
    low, high = (
        removal_curve(values, data, lowest_first=lowest_first, generator=np.random.default_rng(seed))
        for lowest_first in (True, False)
    )
    run: Run = {
        "weighted": robust.weighted,
        "unweighted": robust.unweighted,
        "filtered": low.best,
        "lowest": finite_or_none(low.test),
        "highest": finite_or_none(high.test),
    }
    corrupted = data.corrupted
    if corrupted is not None and corrupted.any() and not corrupted.all():
        discovery = corrupted_sample_discovery(values, corrupted)
        run |= {"auc": detection(values, corrupted).auc, "discovery": finite_or_none(discovery.found)}
        run |= {"area": discovery.area, "optimal_area": discovery.optimal_area}
    return run
