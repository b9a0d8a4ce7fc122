"""What several commands of a contest share: options, and a board that the options may not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from competition.task.constants import SEED
from grader.contest.boards import Board, Rules, make_board
from grader.contest.events import closing_after
from grader.contest.store import Store
from grader.contest_file import Contest, Policy

StoreOption = Annotated[
    Path,
    typer.Option(metavar="FILE", help="The contest's SQLite file.", show_default="contest.toml, else contest.sqlite"),
]
SeedsOption = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="K",
        help="So many training seeds, from --seed on.",
        show_default="1; on test_b contest.toml, else 1",
    ),
]
PolicyOption = Annotated[
    Policy,
    typer.Option(
        help="Which submission of a participant counts on the public board.", show_default="contest.toml, else best"
    ),
]
PublicSeedOption = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="K",
        help="The seed of the public board, from which the finalists are taken.",
        show_default=f"contest.toml, else {SEED}",
    ),
]
LimitOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Only the first N submissions of each UTC day are graded and count.",
        show_default="contest.toml, else all count",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Gradings at once; more than one run on Ray.", show_default="contest.toml, else 1"
    ),
]
RayAddressOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Use a running Ray cluster; without --workers, as many as it holds.",
        show_default="contest.toml, else none",
    ),
]
GpusOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="GPUs of one grading on Ray; fractions share one.",
        show_default="contest.toml, else 1 with --device cuda",
    ),
]


def rules_of(
    contest: Contest,
    store: Store,
    *,
    data: Path,
    policy: Policy,
    daily_limit: int | None,
    seed: int,
    seeds: int,
    public_seed: int,
    train: str,
) -> Rules:
    """Make a board's rules of a contest, with what its store says of the closing time, and of the options.

    The options have the contest's values where they were not given.
    """
    return Rules(
        data=data,
        policy=policy,
        daily_limit=daily_limit,
        seeds=tuple(range(seed, seed + seeds)),
        public_seed=public_seed,
        train=train,
        opening=contest.rules.opening,
        closing=closing_after(contest.rules.closing, store.events()),
        choices=contest.final.choices,
    )


def board_of(store: Store, runs: Path, split: str, rules: Rules, title: str) -> Board:
    """Make a board; options that fit no public board are a usage error."""
    try:
        return make_board(store, runs, split, rules, title)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
