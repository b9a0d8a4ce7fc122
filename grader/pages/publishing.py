"""A leaderboard goes out: as files, as a table on the terminal, with what the organizer should know about it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grader.contest import Board, standings_csv
from grader.options import few_names, print_wide, say
from grader.pages.board_table import board_table
from grader.safe_io import write_whole
from grader.verdicts import InfrastructureError

CsvOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the board as CSV, figures unrounded.")]
HtmlOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the board as one HTML page.")]


def publish(board: Board, csv: Path | None, html: Path | None, remedy: str) -> None:
    """Write a board to the files that are wanted, print it, and name what it lacks.

    Args:
        board: the board.
        csv, html: files.
        remedy: what to do about missing gradings.

    Raises:
        InfrastructureError: a file cannot be written.
    """
    try:
        if csv is not None:
            write_whole(csv, standings_csv(board.standings))
        if html is not None:
            from grader.pages.leaderboard import leaderboard_page  # a board on the terminal needs no templates

            write_whole(html, leaderboard_page(board.standings))
    except OSError as error:
        raise InfrastructureError(f"the board cannot be written: {error}") from None
    print_wide(board_table(board.standings))
    for notice in board.notices:
        say(f"notice: {notice}", err=True)
    if board.missing:
        few = few_names(submission.participant for submission in board.missing)
        say(f"notice: not graded for this board, in number {len(board.missing)}: {few}; {remedy}", err=True)
