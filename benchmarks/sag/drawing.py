"""The authors' three figures: modes, ablations and shares of random queries, step by step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from benchmarks.sag.experiment import ABLATED_MODE
from benchmarks.sag.gate import LEFT_OUT, Setting
from benchmarks.sag.report import setting_of
from reference_solutions.sag_gate import MODES

Curve = dict[str, Any]
Column = tuple[str, list[str], list[Curve]]
"""Of a figure: its title, what is drawn from top to bottom, and of which settings."""

NAMES = {
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "success": "system's success",
    "query_rate": "query rate",
    "novice": "novice's success",
}


def numbers(values: list[float | None]) -> npt.NDArray[np.float64]:
    """Return stored numbers as an array, NaN where there is none."""
    return np.array(values, dtype=np.float64)


def colors_of(wanted: list[float]) -> npt.NDArray[np.float64]:
    """Return one colour for each wanted value."""
    return np.asarray(matplotlib.colormaps["viridis"](np.linspace(0, 0.92, len(wanted))))


def draw_panel(axis: Axes, curves: list[Curve], name: str, wanted: list[float]) -> None:
    """Draw one figure's mean over the repetitions, and one standard deviation around it, for each wanted value."""
    colors = colors_of(wanted)
    for curve in curves:
        color, steps = colors[wanted.index(curve["s_des"])], curve["steps"]
        mean, deviation = numbers(curve[name]["mean"]), np.nan_to_num(numbers(curve[name]["deviation"]))
        axis.plot(steps, mean, color=color, lw=1.3)
        axis.fill_between(steps, mean - deviation, mean + deviation, color=color, alpha=0.25, lw=0)
        if name == curve["mode"]:
            least = np.full(len(steps), curve["s_des"])
            if name == "success":  # no fewer succeed than the novice's own
                least = np.maximum(least, numbers(curve["novice"]["mean"]))
            axis.plot(steps, least, "--", color="black", alpha=0.5, lw=0.9)
    axis.set(ylim=(0, 1.02), ylabel=NAMES[name])
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axis.grid(alpha=0.25)


def like(results: dict[str, Any], mode: str, **changes: Any) -> list[Curve]:
    """Return the curves of one mode, at all wanted values, of the usual setting with these changes."""
    alike = Setting(mode, 0, **changes)
    return [curve for curve in results["curves"] if replace(setting_of(curve), s_des=0) == alike]


def draw(columns: list[Column], path: Path) -> None:
    """Draw a figure whose columns are as long as each other; a column without curves is left out."""
    shown = [column for column in columns if column[2]]
    wanted = sorted({curve["s_des"] for _, _, curves in shown for curve in curves})
    rows = len(shown[0][1])
    figure = Figure(figsize=(max(5.5, 3.6 * len(shown)), 2.5 * rows + 0.9), layout="constrained")
    axes = figure.subplots(rows, len(shown), squeeze=False, sharex=True)
    for column, (title, names, curves) in zip(axes.T, shown, strict=True):
        for axis, name in zip(column, names, strict=True):
            draw_panel(axis, curves, name, wanted)
        column[0].set_title(title, fontsize=10)
        column[-1].set_xlabel("step")
    lines = [Line2D([], [], color=color) for color in colors_of(wanted)]
    lines.append(Line2D([], [], color="black", alpha=0.5, ls="--"))
    labels = [*(f"{value:g}" for value in wanted), "wanted"]
    figure.legend(lines, labels, loc="outside lower center", ncols=min(10, len(labels)), frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)


def plot(results: dict[str, Any], path: Path) -> list[Path]:
    """Draw what there is to draw, and return the files: `path`, and beside it ``_ablations`` and ``_p_rand``."""
    draw([(f"{mode} mode", [mode, "query_rate", "novice"], like(results, mode)) for mode in MODES], path)
    written, ablations = [path], results["plan"]["ablations"]
    left_out = [name for name in LEFT_OUT if name in ablations]
    if left_out:
        changed = [(f"no {name}", [ABLATED_MODE], like(results, ABLATED_MODE, **{name: False})) for name in left_out]
        written.append(path.with_name(f"{path.stem}_ablations.png"))
        draw([("SAG", [ABLATED_MODE], like(results, ABLATED_MODE)), *changed], written[-1])
    if "p_rand" in ablations:
        shares = sorted({curve["p_rand"] for curve in results["curves"]})
        both = ["sensitivity", "specificity"]
        written.append(path.with_name(f"{path.stem}_p_rand.png"))
        draw([(f"p_rand {each:g}", both, like(results, ABLATED_MODE, p_rand=each)) for each in shares], written[-1])
    return written
