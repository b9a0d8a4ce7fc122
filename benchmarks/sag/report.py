"""What came of all streams: the results that are stored, and their table."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from benchmarks.sag.experiment import Outcome, Plan
from benchmarks.sag.figures import Floats
from benchmarks.sag.gate import Setting
from benchmarks.tables import table
from reference_solutions.sag_gate import MODES

POINTS = 40  # of a curve that are stored
RESULT_KEYS = ("plan", "repetitions_done", "streams", "curves")
COLUMNS = ("mode", "changed", "wanted", *MODES, "informedness", "queries", "novice")


def rounded(value: float) -> float | None:
    """Return four digits, or None for what is no number."""
    return round(float(value), 4) if math.isfinite(value) else None


def curve_of(repetitions: list[Floats], at: slice) -> dict[str, list[float | None]]:
    """Return mean and sample standard deviation over the repetitions that have a value, at the stored steps."""
    columns = [column[np.isfinite(column)] for column in np.array(repetitions)[:, at].T]
    means = [column.mean() if len(column) else np.nan for column in columns]
    deviations = [column.std(ddof=1) if len(column) > 1 else np.nan for column in columns]
    return {"mean": [rounded(mean) for mean in means], "deviation": [rounded(each) for each in deviations]}


def make_results(plan: Plan, device: str, outcomes: list[Outcome]) -> dict[str, Any]:
    """Sum up whole repetitions for the results file: every stream's totals, and each setting's curves."""
    by_setting: dict[Setting, list[Outcome]] = {}
    for outcome in outcomes:
        by_setting.setdefault(outcome.setting, []).append(outcome)
    steps = len(outcomes[0].curves["novice"])
    every = -(-steps // POINTS)
    at = slice(every - 1, None, every)
    return {
        "plan": asdict(plan),
        "repetitions_done": len(next(iter(by_setting.values()))),
        "device": device,
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "streams": [
            {**asdict(each.setting), "seed": each.seed, "reached": {k: rounded(v) for k, v in each.totals.items()}}
            for each in outcomes
        ],
        "curves": [
            {
                **asdict(setting),
                "steps": list(range(1, steps + 1))[at],
                **{name: curve_of([each.curves[name] for each in group], at) for name in group[0].curves},
            }
            for setting, group in by_setting.items()
        ],
    }


def setting_of(stored: dict[str, Any]) -> Setting:
    """Return the setting of a stored stream or curve."""
    return Setting(**{name: stored[name] for name in Setting.__dataclass_fields__})


def spread(values: Iterable[float | None], digits: str) -> str:
    """Write mean ± sample standard deviation, or the one value; a dash where there is none."""
    there = [value for value in values if value is not None]
    if not there:
        return "–"
    mean = f"{statistics.fmean(there):{digits}}"
    return f"{mean} ± {statistics.stdev(there):{digits}}" if len(there) > 1 else mean


def markdown(results: dict[str, Any]) -> str:
    """Write one row per setting, the reached value of its own mode in bold."""
    groups: dict[Setting, list[dict[str, float | None]]] = {}
    for stream in results["streams"]:
        groups.setdefault(setting_of(stream), []).append(stream["reached"])
    lines = []
    for setting, reached in groups.items():
        cells = [setting.mode, setting.changed, f"{setting.s_des:g}"]
        for name in COLUMNS[3:]:
            cell = spread([each[name] for each in reached], ",.0f" if name == "queries" else ".3f")
            cells.append(f"**{cell}**" if name == setting.mode else cell)
        lines.append(cells)
    return table(COLUMNS, lines) + "\n"
