"""The evaluations of several kinds of values as one table and one plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.dvrl.evaluations import Run
from grader.analysis.valuation import SHARES
from grader.validation.results import spread

LOOKS = (("#0072b2", "o-"), ("black", "s--"), ("#cc79a7", "^--"), ("gray", "D:"))  # DVRL, the controls, random values
FIFTH = 4  # the place of 20 % in steps of 5 %
COLUMNS = (
    "values",
    "seeds",
    "detection AUC",
    "discovery area",
    "weighted by value",
    "lowest removed, best on valid",
    "20 % lowest removed",
    "20 % highest removed",
)


def by_system(runs: list[Run]) -> dict[str, list[Run]]:
    """Group runs by the kind of their values, in the order of their first appearance."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run["system"], []).append(run)
    return groups


def spread_of(figures: list[float | None]) -> str:
    """Write mean and standard deviation; nothing where a figure is missing."""
    there = [figure for figure in figures if figure is not None]
    return spread(there) if there and len(there) == len(figures) else ""


def markdown(results: dict[str, Any]) -> str:
    """Write one row per kind of values, and one for training on all samples alike."""
    lines: list[tuple[str, ...]] = [COLUMNS, ("---",) * len(COLUMNS)]
    for system, runs in by_system(results["runs"]).items():
        numbers = [[run.get(key) for run in runs] for key in ("auc", "area", "weighted", "filtered")]
        numbers += [[run[key][FIFTH] for run in runs] for key in ("lowest", "highest")]
        lines.append((system, str(len(runs)), *map(spread_of, numbers)))
    alike = results["runs"][0]["unweighted"]
    lines.append(("all samples, none weighted", "1", "", "", f"{alike:.4f}", "", "", ""))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def curves(runs: list[Run], key: str) -> npt.NDArray[np.float64]:
    """Return a curve of each run, float64 [runs, points], NaN where it has none."""
    return np.array([run[key] for run in runs], dtype=np.float64)


def draw_curves(axis: Axes, results: dict[str, Any], key: str, shares: npt.NDArray[np.float64]) -> None:
    """Draw the mean curve of each kind of values, and one standard deviation around it."""
    for (system, runs), (color, style) in zip(by_system(results["runs"]).items(), LOOKS, strict=False):
        found = curves([run for run in runs if key in run], key)
        mean = found.mean(axis=0)
        axis.plot(shares, mean, style, color=color, ms=3.5, lw=1.4, label=system)
        if len(found) > 1:
            deviation = found.std(axis=0, ddof=1)
            axis.fill_between(shares, mean - deviation, mean + deviation, color=color, alpha=0.15, lw=0)


def draw_chance(axis: Axes, classes: int) -> None:
    """Draw the line of chance."""
    axis.axhline(1 / classes, color="#d55e00", ls=":", lw=1.2, label=f"chance, 1 / {classes}")


def draw_robust(axis: Axes, results: dict[str, Any]) -> None:
    """Draw what training on weighted and on filtered samples gives, beside all samples alike."""
    groups = by_system(results["runs"])
    alike = results["runs"][0]["unweighted"]
    for place, ((_, runs), (color, style)) in enumerate(zip(groups.items(), LOOKS, strict=False)):
        for shift, key, fill in ((-0.15, "weighted", color), (0.15, "filtered", "white")):
            figures = [run[key] for run in runs]
            deviation = np.std(figures, ddof=1) if len(figures) > 1 else 0.0
            looks = {"color": color, "mfc": fill, "capsize": 3, "ms": 6}
            axis.errorbar(np.mean(figures), place + shift, xerr=deviation, fmt=style[0], **looks)
    axis.axvline(alike, color="gray", lw=1, ls="--")
    axis.annotate("all samples alike", (alike, -0.75), (4, 0), textcoords="offset points", color="gray", fontsize=8)
    axis.set(yticks=range(len(groups)), yticklabels=list(groups), ylim=(len(groups) - 0.5, -0.95))
    axis.set(
        title="robust learning",
        xlabel=f"BAC on test (chance: {1 / results['classes']:.3g})\nfull: weighted by value; empty: lowest removed",
    )
    axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.margins(x=0.12)


def draw_discovery(axis: Axes, results: dict[str, Any]) -> None:
    """Draw the discovery curves between the optimal search and the random one."""
    rate = results["corrupted"] / results["samples"]
    axis.plot(SHARES, np.minimum(SHARES / rate, 1), "-", color="#009e73", lw=1, label="optimal")
    axis.plot(SHARES, SHARES, "-", color="#009e73", lw=0.7, alpha=0.6, label="random search")
    runs = [run for run in results["runs"] if run["system"] != "random values"]
    draw_curves(axis, results | {"runs": runs}, "discovery", SHARES)
    axis.set(title="discovery of corrupted samples", xlabel="share of samples inspected, lowest values first")
    axis.set(ylabel="share of wrong labels found", ylim=(0, 1.03))
    axis.legend(*(part[:2] for part in axis.get_legend_handles_labels()), frameon=False, fontsize=8, loc="lower right")


def plot(results: dict[str, Any], path: Path) -> None:
    """Draw the three evaluations; the discovery only where the wrong labels are known."""
    known = results["corrupted"] is not None and 0 < results["corrupted"] < results["samples"]
    if known:
        figure = Figure(figsize=(10.5, 7.8), layout="constrained")
        low, high, robust, discovery = figure.subplots(2, 2).flat
        draw_discovery(discovery, results)
    else:
        figure = Figure(figsize=(14, 4), layout="constrained")
        low, high, robust = figure.subplots(1, 3)
    for axis, key, title in ((low, "lowest", "lowest values removed"), (high, "highest", "highest values removed")):
        draw_curves(axis, results, key, SHARES[:-1])
        draw_chance(axis, results["classes"])
        axis.set(title=title, xlabel="share of samples removed", ylabel="BAC on test")
    low.set_ylim(0, max(axis.get_ylim()[1] for axis in (low, high)))
    high.set_ylim(low.get_ylim())
    figure.legend(*low.get_legend_handles_labels(), frameon=False, fontsize=9, loc="outside upper center", ncols=5)
    draw_robust(robust, results)
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
