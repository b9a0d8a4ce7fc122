"""The command ``grader final``."""

from __future__ import annotations

import typer
from rich.console import Console

from grader.contest import make_final, unless_stopped
from grader.contest_file import ContestOption
from grader.options import OURS, require_writable
from grader.pages.publishing import CsvOption, HtmlOption, publish


def final_command(contest: ContestOption, csv: CsvOption = None, html: HtmlOption = None) -> None:
    """Make the final ranking, on test_b: grade what it needs with the final's seeds and draw, and show its board.

    All it needs to know stands in contest.toml. With the public board's seed and draw nothing is trained.
    """
    require_writable(files=(csv, html))
    with unless_stopped():
        board = make_final(contest, Console())
        publish(board, csv, html, "the same command tries again")
    if board.missing:
        raise typer.Exit(OURS)
