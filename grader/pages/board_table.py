"""The leaderboard on a terminal."""

from __future__ import annotations

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from grader.contest import Standing, Standings
from grader.safe_io import plain_name


def board_table(standings: Standings) -> Table:
    """Lay a leaderboard out for the terminal."""
    final = any(row.shift is not None for row in standings.rows)
    several = any(row.deviation is not None for row in standings.rows)
    caption = f"{standings.split}, made {standings.made}"
    if standings.bound is not None:
        caption += f"; the oracle's bound is a BAC of {standings.bound:.4f}"
    if any(row.tied for row in standings.rows):
        caption += "; = tied"
    if any(row.within_noise for row in standings.rows):
        caption += "; ~ not told apart from the row above: the difference is below its standard error"
    columns = ["rank", *(["shift"] if final else []), "participant", "points", "BAC mean", *(["±"] if several else [])]
    columns += ["model 1", "model 2", "verdict", "submissions", "last"]
    table = Table(*columns, title=Text(standings.title), caption=caption, box=SIMPLE)
    for row in standings.rows:
        table.add_row(*board_cells(row, final, several), style="dim" if row.reference else None)
    return table


def board_cells(row: Standing, final: bool, several: bool) -> list[Text]:
    """Write one row of the terminal's board."""
    rank = "" if row.rank is None else f"{row.rank}{'=' * row.tied}{'~' * row.within_noise}"
    figures = [f"{value:.4f}" for value in (row.bac_mean, *(row.bac or ())) if value is not None] or [""] * 3
    name = plain_name(row.participant) + (" (reference)" if row.reference else "")
    if row.imitates:
        name += " (no reference)"
    cells = ["ref" if row.reference else rank]
    if final:
        cells.append("" if row.shift is None else f"{row.shift:+d}" if row.shift else "0")
    cells += [name, "" if row.points is None else str(row.points), figures[0]]
    if several:
        cells.append("" if row.deviation is None else f"{row.deviation:.4f}")
    cells += [*figures[1:], row.verdict, str(row.submissions), row.last]
    return [Text(cell) for cell in cells]
