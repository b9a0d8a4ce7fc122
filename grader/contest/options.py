"""What several commands of a contest share: options, and a board that the options may not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grader.contest.boards import Board, Rules, make_board
from grader.contest.policy import Policy
from grader.contest.store import Store

StoreOption = Annotated[Path, typer.Option(metavar="FILE", help="The contest's SQLite file.")]
SeedsOption = Annotated[int, typer.Option(min=1, metavar="K", help="So many training seeds, from --seed on.")]
PolicyOption = Annotated[Policy, typer.Option(help="Which submission of a participant counts on the public board.")]
PublicSeedOption = Annotated[
    int, typer.Option(min=0, metavar="K", help="The seed of the public board, from which the finalists are taken.")
]
LimitOption = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Only the first N submissions of each UTC day are graded and count."),
]


def board_of(store: Store, runs: Path, split: str, rules: Rules, title: str) -> Board:
    """Make a board; options that fit no public board are a usage error."""
    try:
        return make_board(store, runs, split, rules, title)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
