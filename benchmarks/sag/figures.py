"""What a stream reached: over all of it, and over its newest 1,000 images at each step, as the authors count it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.sag.novice import BATCH_SIZE
from benchmarks.sag.stream import Trace

WINDOW = 1_000
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def share(of: Mask) -> float:
    """Return the share that is true; NaN of none."""
    return float(of.mean()) if len(of) else float("nan")


def totals(trace: Trace) -> dict[str, float]:
    """Return what was reached over the whole stream, random queries included.

    Sensitivity is the share of failures that were queried, specificity that of valid plans that were not, informedness
    their sum minus 1, success the share of plans that were valid or queried; novice is the share of valid plans.
    """
    sensitivity, specificity = share(trace.queried[trace.failed]), 1 - share(trace.queried[~trace.failed])
    return {
        "sensitivity": sensitivity,
        "specificity": specificity,
        "informedness": sensitivity + specificity - 1,
        "success": share(trace.queried | ~trace.failed),
        "queries": int(trace.queried.sum()),
        "active_queries": int(trace.active.sum()),
        "novice": share(~trace.failed),
    }


def newest_share(of: Mask, ends: npt.NDArray[np.int64]) -> Floats:
    """Return the share that is true among the newest 1,000 of the first `ends` [S]: float64 [S], NaN of none."""
    so_far = np.concatenate([[0], np.cumsum(of)])
    starts = np.maximum(ends - WINDOW, 0)
    found = np.full(len(ends), np.nan)
    np.divide(so_far[ends] - so_far[starts], ends - starts, out=found, where=ends > 0)
    return found


def curves(trace: Trace) -> dict[str, Floats]:
    """Return what was reached lately, at the end of each step: float64 [S] each.

    Sensitivity is that of the newest 1,000 failures, specificity that of the newest 1,000 valid plans, however long ago
    they were; success, query rate and the novice's own success are those of the newest 1,000 images.
    """
    ends = np.arange(1, len(trace.gamma) + 1) * BATCH_SIZE
    failures = np.cumsum(trace.failed)[ends - 1]
    return {
        "sensitivity": newest_share(trace.queried[trace.failed], failures),
        "specificity": newest_share(~trace.queried[~trace.failed], ends - failures),
        "success": newest_share(trace.queried | ~trace.failed, ends),
        "query_rate": newest_share(trace.queried, ends),
        "novice": newest_share(~trace.failed, ends),
    }
