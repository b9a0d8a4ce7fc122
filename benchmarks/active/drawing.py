"""The table and the plot of the ways to ask, and the plot of a person's lesson."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.active.person import RANDOM as RANDOM_QUESTIONS
from benchmarks.active.person import RIGHT, YOU, Session
from benchmarks.active.ways import NO_ANSWERS, PASSIVE, RANDOM, WAYS, Run
from benchmarks.tables import difference, table
from grader.validation.results import spread

SHOWN = (0, 100, 300, 500)  # query counts of the table; of fewer queries the first and the last
COLOURS = {RANDOM: "black", PASSIVE: "tab:purple", NO_ANSWERS: "0.6"}


def shown_counts(runs: list[Run]) -> list[int]:
    """Return the query counts of the table, at which every way was measured."""
    everywhere = sorted(set.intersection(*(set(run.queries) for run in runs)))
    return [count for count in SHOWN if count in everywhere] if SHOWN[-1] in everywhere else everywhere


def ways_table(runs: list[Run]) -> str:
    """Write the runs as a Markdown table, one row per way.

    "minus random" is the mean over the shown query counts but the first of a way's accuracy minus that of random
    queries, paired by seed, ± standard error.
    """
    counts = shown_counts(runs)
    figures = {
        way: np.array([[run.accuracy[run.queries.index(count)] for count in counts] for run in runs if run.way == way])
        for way in WAYS
    }
    rows = []
    for way, reached in figures.items():
        gain = "" if way == RANDOM else difference(reached[:, 1:].mean(1), figures[RANDOM][:, 1:].mean(1))
        rows.append([way, str(len(reached)), *(spread(column.tolist()) for column in reached.T), gain])
    return table(("way", "seeds", *(f"{count} queries" for count in counts), "minus random"), rows)


def draw_ways(runs: list[Run], path: Path) -> None:
    """Draw accuracy against queries, mean over the seeds with one standard deviation."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axis = figure.subplots()
    for number, way in enumerate(WAYS):
        mine = [run for run in runs if run.way == way]
        curves, colour = np.array([run.accuracy for run in mine]), COLOURS.get(way, f"C{number}")
        style = "o--" if way == PASSIVE else ":" if way == NO_ANSWERS else "-"
        axis.plot(mine[0].queries, curves.mean(0), style, color=colour, label=way)
        if len(curves) > 1:
            mean, deviation = curves.mean(0), curves.std(0, ddof=1)
            axis.fill_between(mine[0].queries, mean - deviation, mean + deviation, color=colour, alpha=0.1)
    axis.set(xlabel="queries", ylabel="accuracy on held-out images")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    figure.savefig(path, dpi=120)


def draw_lesson(session: Session, path: Path) -> None:
    """Draw accuracy against answers: the person's, and that of the two who learned beside; wrong answers are marked."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axis = figure.subplots()
    for name, colour, style in ((RANDOM_QUESTIONS, "0.6", ":"), (RIGHT, "tab:green", "--"), (YOU, "tab:blue", "o-")):
        axis.plot(session.accuracy[name], style, color=colour, label=name, markersize=4)
    wrong = [number for number, answer in enumerate(session.answers, 1) if answer.said != answer.truth]
    if wrong:
        at = [session.accuracy[YOU][number] for number in wrong]
        axis.plot(wrong, at, "x", color="tab:red", markersize=10, markeredgewidth=2, label="a wrong answer")
    axis.set(xlabel="answers", ylabel="accuracy on held-out images")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    figure.savefig(path, dpi=120)
