"""Tables and plots of what was measured, from the results file alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from benchmarks.datarater.experiment import BASELINE, LEVELS, RANDOM, Detection, Outcome
from benchmarks.tables import difference, table

COLOURS = {BASELINE: "0.35", RANDOM: "tab:orange"}
RATER_COLOURS = ("tab:blue", "tab:green", "tab:purple", "tab:red", "tab:brown", "tab:pink")


@dataclass(frozen=True)
class Results:
    """The figures of one results file.

    Attributes:
        detections, outcomes: in the order in which they were measured.
        conditions: settings, versions, seconds.
    """

    detections: tuple[Detection, ...]
    outcomes: tuple[Outcome, ...]
    conditions: dict[str, Any]

    @property
    def corruptions(self) -> list[str]:
        """The regimes."""
        return list(dict.fromkeys(figure.corruption for figure in self.outcomes))


def spread(values: Sequence[float], digits: int = 4) -> str:
    """Return mean ± sample standard deviation; with one seed the value alone."""
    mean = f"{np.mean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {np.std(values, ddof=1):.{digits}f}"


def outer(attack: bool) -> str:
    """Name the outer loss."""
    return "attacked" if attack else "clean"


def arm(learns_from: str, attack: bool, dropped: float = 0.0) -> str:
    """Name a rater or a training in a plot."""
    return learns_from + (", attacked" if attack else "") + (f", −{100 * dropped:.0f} %" if dropped else "")


def detection_rows(results: Results) -> Iterator[list[str]]:
    """Yield the rows of the table of detection."""
    grouped: dict[tuple[str, str, bool], list[Detection]] = {}
    for figure in results.detections:
        grouped.setdefault((figure.corruption, figure.rater, figure.attack), []).append(figure)
    order = results.corruptions
    for (corruption, rater, attack), found in sorted(grouped.items(), key=lambda item: order.index(item[0][0])):
        r_squared = [figure.r_squared for figure in found if figure.r_squared is not None]
        learned = bool(found[0].outer_loss)
        yield [
            corruption,
            rater,
            outer(attack) if learned else "",
            spread([figure.auc for figure in found]),
            spread(r_squared, 3) if r_squared else "",
        ]


def grouped_outcomes(results: Results, corruption: str) -> dict[tuple[str, bool, float], list[Outcome]]:
    """Return the outcomes of a regime by what was learned from, outer loss and dropped share, seed by seed."""
    grouped: dict[tuple[str, bool, float], list[Outcome]] = {}
    for figure in results.outcomes:
        if figure.corruption == corruption:
            grouped.setdefault((figure.learns_from, figure.attack, figure.dropped), []).append(figure)
    return grouped


def outcome_rows(results: Results) -> Iterator[list[str]]:
    """Yield the rows of the table of accuracies, each with its differences from both controls."""
    for corruption in results.corruptions:
        grouped = grouped_outcomes(results, corruption)
        for (learns_from, attack, dropped), found in grouped.items():
            rated = learns_from not in (BASELINE, RANDOM)
            row = [corruption, learns_from, outer(attack) if rated else "", f"{dropped:.0%}"]
            for what in ("accuracy", "attacked"):
                values = [getattr(figure, what) for figure in found]
                row.append(spread(values))
                for control in ((BASELINE, False, 0.0), (RANDOM, False, dropped)):
                    beside = [getattr(figure, what) for figure in grouped[control]] if rated else []
                    row.append(difference(*paired(values, beside)) if rated else "")
            yield row


def attack_rows(results: Results) -> Iterator[list[str]]:
    """Yield what the attacked outer loss changed: each figure minus that of the clean outer loss, paired by seed."""
    for corruption in results.corruptions:
        areas: dict[tuple[str, bool], list[float]] = {}
        for found in results.detections:
            if found.corruption == corruption:
                areas.setdefault((found.rater, found.attack), []).append(found.auc)
        grouped = grouped_outcomes(results, corruption)
        for rater, attack, dropped in grouped:
            clean = grouped.get((rater, False, dropped))
            if not attack or clean is None:
                continue
            attacked = grouped[rater, True, dropped]
            row = [corruption, rater, f"{dropped:.0%}", difference(*paired(areas[rater, True], areas[rater, False]))]
            for what in ("accuracy", "attacked"):
                values = [[getattr(figure, what) for figure in of] for of in (attacked, clean)]
                row.append(difference(*paired(*values)))
            yield row


def paired(values: Sequence[float], control: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """Return the values of the seeds that both have: a run that was stopped has one more of some."""
    seeds = min(len(values), len(control))
    return values[:seeds], control[:seeds]


def tables(results: Results) -> str:
    """Return the tables and what they were measured with."""
    found = table(("regime", "values", "outer loss", "detection AUC", "r²"), detection_rows(results))
    header = ("regime", "learns from", "outer loss", "dropped", "accuracy", "− everything", "− random")
    reached = table((*header, "attacked", "− everything", "− random"), outcome_rows(results))
    compared = list(attack_rows(results))
    if compared:
        columns = ("regime", "rater", "dropped", "detection AUC", "accuracy", "attacked")
        reached += f"\n\nAttacked minus clean outer loss:\n\n{table(columns, compared)}"
    seeds = len({figure.seed for figure in results.outcomes})
    conditions = f"{seeds} seed{'s' if seeds > 1 else ''}; {results.conditions['seconds']:.0f} s"
    return f"{found}\n\n{reached}\n\n{conditions}"


def draw_groups(panel: Axes, groups: Sequence[tuple[str, str, Sequence[float]]]) -> None:
    """Draw each group (name, colour, values) as mean and standard deviation, with every seed as a dot."""
    for place, (_, colour, values) in enumerate(groups):
        panel.plot(place, np.mean(values), "o", color=colour, markersize=5)
        if len(values) > 1:
            panel.errorbar(place, np.mean(values), np.std(values, ddof=1), capsize=4, color=colour)
            panel.scatter([place + 0.25] * len(values), values, s=7, color=colour, alpha=0.7)
    panel.set_xticks(range(len(groups)), [name for name, _, _ in groups], rotation=40, ha="right", fontsize=7)
    panel.set_xlim(-0.6, len(groups) - 0.4)
    panel.tick_params(axis="y", labelsize=8)
    panel.grid(axis="y", alpha=0.3)


def plot(results: Results, path: Path) -> None:
    """Draw detection, accuracy and accuracy under attack: a column for each regime; or a row, if there is but one."""
    corruptions = results.corruptions
    widest = max(len(grouped_outcomes(results, corruption)) for corruption in corruptions)
    width, alone = max(3.4, 0.42 * widest), len(corruptions) == 1
    size, shape = ((3 * width, 3.6), (1, 3)) if alone else ((width * len(corruptions), 9.6), (3, len(corruptions)))
    figure, panels = plt.subplots(*shape, figsize=size, squeeze=False, layout="constrained")
    panels = panels.T if alone else panels
    raters = list(dict.fromkeys(found.rater for found in results.detections if found.outer_loss))
    colours = COLOURS | {rater: RATER_COLOURS[place % len(RATER_COLOURS)] for place, rater in enumerate(raters)}
    for column, corruption in zip(panels.T, corruptions, strict=True):
        areas: dict[str, tuple[str, list[float]]] = {}
        for found in results.detections:
            if found.corruption == corruption:
                areas.setdefault(arm(found.rater, found.attack), (colours.get(found.rater, "0.35"), []))[1].append(
                    found.auc
                )
        draw_groups(column[0], [(name, *rest) for name, rest in areas.items()])
        column[0].set_title(corruption, fontsize=10)
        grouped = grouped_outcomes(results, corruption)
        for panel, what in zip(column[1:], ("accuracy", "attacked"), strict=True):
            groups = [
                (arm(*key), colours[key[0]], [getattr(outcome, what) for outcome in found])
                for key, found in grouped.items()
            ]
            draw_groups(panel, groups)
    for panel, label in zip(panels[:, 0], ("detection AUC", "test accuracy", "accuracy under attack"), strict=True):
        panel.set_ylabel(label)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_lines(panel: Axes, results: Results, corruption: str, what: str) -> None:
    """Draw the mean of every rater's lines, and one standard deviation about it."""
    steps = results.conditions["settings"]["parameters"]["meta_steps"]
    grouped: dict[tuple[str, bool], list[tuple[float, ...]]] = {}
    for found in results.detections:
        if found.corruption == corruption and found.outer_loss:
            grouped.setdefault((found.rater, found.attack), []).append(getattr(found, what))
    for (rater, attack), lines in grouped.items():
        values = np.array(lines)
        count = LEVELS if what == "by_level" else values.shape[1]
        across = (np.arange(count) + 0.5) / count * (1 if what == "by_level" else steps)
        (line,) = panel.plot(across, values.mean(0), ".-", label=arm(rater, attack))
        if len(values) > 1:
            deviation = values.std(0, ddof=1)
            low, high = values.mean(0) - deviation, values.mean(0) + deviation
            panel.fill_between(across, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    panel.set_title(corruption, fontsize=10)
    panel.set_xlabel("share of the image that is spoilt" if what == "by_level" else "meta-step")
    panel.set_ylabel("rating, standard deviations" if what == "by_level" else "outer loss")
    panel.legend(frameon=False, fontsize=7)
    panel.grid(alpha=0.3)


def plot_learning(results: Results, path: Path) -> None:
    """Draw the outer loss against the meta-step, and the ratings against how much of an image is spoilt.

    Lines are means over the seeds, areas one standard deviation. Regimes whose images are as they were have no panel in
    the second row.
    """
    graded = list(dict.fromkeys(found.corruption for found in results.detections if found.by_level))
    rows = [("outer_loss", results.corruptions), *([("by_level", graded)] if graded else [])]
    width = 4 * max(2, len(results.corruptions))
    figure = plt.figure(figsize=(width, 3.2 * len(rows)), layout="constrained")
    for part, (what, corruptions) in zip(figure.subfigures(len(rows), 1, squeeze=False)[:, 0], rows, strict=True):
        for panel, corruption in zip(part.subplots(1, len(corruptions), squeeze=False)[0], corruptions, strict=True):
            draw_lines(panel, results, corruption, what)
    figure.savefig(path, dpi=110)
    plt.close(figure)
