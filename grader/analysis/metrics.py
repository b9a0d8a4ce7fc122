"""Every metric of one vector of data values. Pure.

What needs to know the wrong labels is left out where nobody does.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from grader.analysis.quality import SelectionQuality
from grader.analysis.valuation import (
    Detection,
    Discovery,
    Floats,
    Mask,
    Removal,
    RobustLearning,
    ValuationData,
    corrupted_sample_discovery,
    detection,
    removal_curve,
    robust_learning,
)

TIE_SEED = 0


@dataclass(frozen=True)
class Analysis:
    """All metrics of one vector of data values.

    Attributes:
        source: the run folder or file that the values come from.
        samples, corrupted: training samples, and how many of them have a wrong label; None where nobody knows.
        classes: number of classes.
        robust_learning, lowest_first, highest_first: what training on the values gives; balanced accuracy.
        detection, discovery: how the values find wrong labels; None where nobody knows them.
        selection: how good the selections were; None where the values are not those of a run.
    """

    source: str
    samples: int
    corrupted: int | None
    classes: int
    robust_learning: RobustLearning
    lowest_first: Removal
    highest_first: Removal
    detection: Detection | None
    discovery: Discovery | None
    selection: SelectionQuality | None

    def to_json(self) -> str:
        """Return the metrics as the text of a JSON file: NaN becomes null, the values themselves are left out."""
        fields = asdict(self)
        fields["robust_learning"]["filtered"] = self.lowest_first.best
        if self.selection is not None:
            del fields["selection"]["frequency"]
        return json.dumps(plain(fields), indent=2, allow_nan=False) + "\n"

    def summary(self) -> list[tuple[str, str]]:
        """Return the main figures in words, each line with its name."""
        lines = []
        if self.selection is not None:
            purity, recall = self.selection.purity, self.selection.clean_recall
            lines.append(("selection", f"purity {purity:.3f}, clean recall {recall:.3f}"))
        if self.detection is not None and self.discovery is not None:
            area, optimal = self.discovery.area, self.discovery.optimal_area
            lines.append(("detection", f"AUC {self.detection.auc:.3f}, F1 {self.detection.f1:.3f}"))
            lines.append(("discovery", f"area {area:.3f}, optimal {optimal:.3f}, random 0.500"))
        robust = self.robust_learning
        lines.append(("unweighted", f"BAC {robust.unweighted:.3f} of a logistic regression on all samples"))
        lines.append(("weighted", f"BAC {robust.weighted:.3f} with the values as weights"))
        lines.append(("filtered", f"BAC {self.lowest_first.best:.3f} without the lowest values"))
        return lines


def plain(value: Any) -> Any:
    """Turn arrays into lists and NaN into None, also deep inside."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray | list):
        return [plain(inner) for inner in list(value)]
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    return value


def detect(values: Floats, corrupted: Mask | None) -> tuple[Detection, Discovery] | tuple[None, None]:
    """Compute the detection metrics; None where the truth is not known, or all labels are alike right or wrong."""
    if corrupted is None or corrupted.all() or not corrupted.any():
        return None, None
    return detection(values, corrupted), corrupted_sample_discovery(values, corrupted)


def evaluate_values(source: str, values: Floats, data: ValuationData, selection: SelectionQuality | None) -> Analysis:
    """Compute all metrics of data values, float64 [N], with the default evaluator and metric."""
    low, high = (
        removal_curve(values, data, lowest_first=lowest_first, generator=np.random.default_rng(TIE_SEED))
        for lowest_first in (True, False)
    )
    corrupted = None if data.corrupted is None else int(np.count_nonzero(data.corrupted))
    weighted = robust_learning(values, data)
    detected, discovery = detect(values, data.corrupted)
    return Analysis(source, len(values), corrupted, data.classes, weighted, low, high, detected, discovery, selection)
