"""The pictures of an analysis: matplotlib figures, written as PNG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grader.analysis.metrics import Analysis
from grader.analysis.quality import SelectionQuality
from grader.analysis.valuation import Discovery, Floats, Mask

BLUE, ORANGE, VERMILION = "#0072b2", "#e69f00", "#d55e00"


def save_plots(analysis: Analysis, values: Floats, corrupted: Mask | None, out: Path) -> None:
    """Draw what there is to draw into PNG files; see `grader.analysis.analyzing`."""
    figures = {"removal": removal_figure(analysis), "values": values_figure(values, corrupted)}
    if analysis.discovery is not None:
        figures["discovery"] = discovery_figure(analysis.discovery)
    if analysis.selection is not None:
        figures["selection"] = selection_figure(analysis.selection)
    for name, figure in figures.items():
        for axis in figure.axes:
            axis.spines[["top", "right"]].set_visible(False)
        figure.savefig(out / f"{name}.png", dpi=150)


def new_figure(width: float, panels: int = 1) -> tuple[Figure, list[Axes]]:
    """Make a figure with panels side by side; none of pyplot's global state is used."""
    figure = Figure(figsize=(width, 3.4), layout="constrained")
    return figure, list(figure.subplots(1, panels, squeeze=False)[0])


def discovery_figure(discovery: Discovery) -> Figure:
    """Draw the discovery curve."""
    figure, (axis,) = new_figure(4.8)
    axis.plot(
        discovery.inspected, discovery.optimal, "--", color="gray", label=f"optimal ({discovery.optimal_area:.3f})"
    )
    axis.plot(
        discovery.inspected, discovery.found, "o-", color=BLUE, ms=4, label=f"these values ({discovery.area:.3f})"
    )
    axis.plot(discovery.inspected, discovery.random, ":", color="gray", label="random (0.500)")
    axis.set(
        title="corrupted-sample discovery",
        xlabel="share of samples inspected, lowest values first",
        ylabel="share of wrong labels found",
    )
    axis.legend(frameon=False, title="search (area)", loc="lower right")
    return figure


def removal_figure(analysis: Analysis) -> Figure:
    """Draw both removal curves, with the score of training on everything."""
    figure, (axis,) = new_figure(4.8)
    for curve, name, style, color in (
        (analysis.lowest_first, "lowest values first", "o-", BLUE),
        (analysis.highest_first, "highest values first", "s-", VERMILION),
    ):
        axis.plot(curve.removed, curve.test, style, color=color, ms=4, label=name)
    axis.axhline(analysis.robust_learning.weighted, color=BLUE, ls="--", lw=1, label="none removed, weighted by value")
    chance = 1 / analysis.classes
    axis.axhline(chance, color="gray", lw=1, ls=":", label=f"chance ({chance:.3f})")
    axis.set(title="removal by value", xlabel="share of samples removed", ylabel="balanced accuracy on test")
    axis.legend(frameon=False)
    return figure


def values_figure(values: Floats, corrupted: Mask | None) -> Figure:
    """Draw the histogram of the values, right and wrong labels apart where they are known."""
    figure, (axis,) = new_figure(4.8)
    edges = np.histogram_bin_edges(values, bins=25).tolist()
    if corrupted is None:
        axis.hist(values, edges, color=BLUE)
    else:
        groups, names = (values[~corrupted], values[corrupted]), ("right label", "wrong label")
        axis.hist(groups, edges, stacked=True, color=(BLUE, ORANGE), label=names)
        axis.legend(frameon=False, loc="upper center")
    axis.set(title="data values", xlabel="value", ylabel="training samples")
    return figure


def selection_figure(selection: SelectionQuality) -> Figure:
    """Draw purity and clean recall per noisy class, epoch by epoch."""
    figure, axes = new_figure(8, panels=2)
    for axis, title, overall, by_class in (
        (axes[0], "purity", selection.purity, selection.purity_by_class),
        (axes[1], "clean recall", selection.clean_recall, selection.clean_recall_by_class),
    ):
        epochs = np.arange(1, len(by_class) + 1)
        for label, (color, style) in enumerate(((BLUE, "o-"), (ORANGE, "s-"))):
            axis.plot(epochs, by_class[:, label], style, color=color, ms=4, label=f"labelled {label}")
        axis.set(title=f"{title}: {overall:.3f}", xlabel="epoch", xticks=epochs, ylim=(0, 1.03))
    axes[0].legend(frameon=False, loc="lower left")
    return figure
