"""The leaderboard as a page."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup

from competition.task.points import performance
from grader.contest import Standing, Standings
from grader.pages.page import render
from grader.pages.plots import WIDTH, Axis, Mark, distribution, round_ticks, strip

BIN_WIDTH = 0.01
WIDE = 880
NAMES = {
    "test_a": ("Public leaderboard", "scored on the public test set"),
    "test_b": ("Final ranking", "scored on the final test set"),
}


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        standing: what it shows; None for the line of the bound.
        place: its place in the table, from 0.
        drawing: its score as a small strip; empty without a score.
    """

    standing: Standing | None
    place: int
    drawing: Markup


def score_axis(standings: Standings) -> Axis:
    """Make the axis of all balanced accuracies: from 0.5, or the lowest, to the highest, on whole bins of 0.05."""
    scores = [row.bac_mean for row in standings.rows if row.bac_mean is not None]
    scores += [] if standings.bound is None else [standings.bound]
    low = math.floor(min([0.5, *scores]) * 20) / 20
    high = math.ceil(max([0.8, *scores]) * 20 + 1e-9) / 20
    return Axis(low, high, round_ticks(low, high, 5), "mean balanced accuracy", 2)


def table_rows(standings: Standings, axis: Axis) -> list[Row]:
    """Make the lines of the table, with that of the bound where its score places it."""
    ordered: list[Standing | None] = list(standings.rows)
    if standings.bound is not None and ordered:
        better = [place for place, row in enumerate(standings.rows) if (row.bac_mean or 0.0) > standings.bound]
        ordered.insert(max(better, default=-1) + 1, None)
    rows = []
    for place, row in enumerate(ordered):
        drawing = Markup("")
        if row is not None and row.bac_mean is not None:
            drawing = strip(axis, row.bac_mean, row.deviation, standings.bound)
        rows.append(Row(row, place, drawing))
    return rows


def plots(standings: Standings, axis: Axis) -> tuple[Markup, Markup]:
    """Draw the distribution of the participants' scores, for a wide page and for a narrow one."""
    scores = [row.bac_mean for row in standings.rows if row.bac_mean is not None and not row.reference]
    marks = [
        Mark(row.bac_mean, "reference", f"{row.participant}: {row.bac_mean:.4f}")
        for row in standings.rows
        if row.bac_mean is not None and row.reference
    ]
    lines = [] if standings.bound is None else [Mark(standings.bound, "bound", f"oracle {standings.bound:.3f}")]
    label = f"How many of {len(scores)} participants reached which mean balanced accuracy"
    wide, narrow = (distribution(label, axis, scores, BIN_WIDTH, marks, lines, width) for width in (WIDE, WIDTH))
    return wide, narrow


def leaderboard_page(standings: Standings) -> str:
    """Return a leaderboard as the text of one HTML file, whole by itself; names in it are hostile and are escaped."""
    axis = score_axis(standings)
    participants = [row for row in standings.rows if not row.reference]
    scored = [row.bac_mean for row in participants if row.bac_mean is not None]
    kind, scored_on = NAMES.get(standings.split, ("Leaderboard", f"scored on {standings.split}"))
    wide, narrow = plots(standings, axis)
    return render(
        "leaderboard.html",
        script=bool(standings.rows),
        standings=standings,
        kind=kind,
        scored_on=scored_on,
        participants=len(participants),
        submissions=sum(row.submissions for row in participants),
        best=max(scored, default=None),
        scored=len(scored),
        bound_points=None if standings.bound is None else performance(standings.bound),
        rows=table_rows(standings, axis),
        wide=wide,
        narrow=narrow,
        any_shift=any(row.shift is not None for row in standings.rows),
        any_tied=any(row.tied for row in standings.rows),
        any_noise=any(row.within_noise for row in standings.rows),
        any_reference=any(row.reference for row in standings.rows),
        seeds=max((row.seeds for row in participants), default=1),
    )
