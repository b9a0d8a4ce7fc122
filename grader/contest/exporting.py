"""The command ``grader export-results``: what a jury needs of a contest, as JSON and as CSV."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from grader.contest.boards import FINAL, PUBLIC, Board, Rules, make_board
from grader.contest.options import (
    LimitOption,
    PolicyOption,
    PublicSeedOption,
    SeedsOption,
    StoreOption,
    rules_of,
)
from grader.contest.results import results, results_csv
from grader.contest.store import Kind, Store, open_existing
from grader.contest_file import DEFAULT, ContestOption
from grader.options import DataOption, RunsOption, SeedOption, TrainOption, fail, require_writable, say
from grader.safe_io import write_whole
from grader.verdicts import InfrastructureError


def was_graded(store: Store, rules: Rules) -> bool:
    """Say whether any participant was graded for a final ranking with these rules."""
    people = {each.id for each in store.submissions() if each.kind is Kind.PARTICIPANT and each.counts}
    return any(
        grading.submission_id in people and (grading.key.split, grading.key.train) == (FINAL, rules.train)
        for grading in store.gradings()
        if grading.key.seed in rules.seeds
    )


def both_boards(
    store: Store, runs: Path, public_rules: Rules, final_rules: Rules
) -> tuple[tuple[Board, Rules], tuple[Board, Rules] | None]:
    """Make the public board, live, and the final one where anybody was graded for it.

    Raises:
        ValueError, InfrastructureError: see `make_board`.
    """
    public = make_board(store, runs, PUBLIC, public_rules, title=""), public_rules
    if not was_graded(store, final_rules):
        return public, None
    return public, (make_board(store, runs, FINAL, final_rules, title=""), final_rules)


def results_of(store: Store, boards: Sequence[tuple[Board, Rules] | None]) -> dict[str, Any]:
    """Return the results of a contest with these boards; see `results`."""
    aside = [each for each in store.submissions() if each.aside is not None and each.kind is Kind.PARTICIPANT]
    return results(boards, store.gradings(), store.removals(), aside)


def export_results_command(
    contest: ContestOption,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write one line per participant as CSV.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write everything, all attempts too, as JSON.")
    ] = None,
    policy: PolicyOption = DEFAULT.rules.policy,
    daily_limit: LimitOption = DEFAULT.rules.daily_limit,
    seed: SeedOption = DEFAULT.grading.seed,
    seeds: SeedsOption = DEFAULT.final.seeds,
    public_seed: PublicSeedOption = DEFAULT.grading.seed,
    train: TrainOption = DEFAULT.final.train,
    data: DataOption = DEFAULT.data,
    store: StoreOption = DEFAULT.store,
    runs: RunsOption = DEFAULT.runs,
) -> None:
    """Write the results for a jury: both boards unrounded, the file that counted, all attempts.

    Give the options of the final ranking; without one that was graded, the public board stands alone.
    """
    if csv is None and json_file is None:
        raise typer.BadParameter("name a file: --csv FILE, --json FILE, or both")
    require_writable(files=(csv, json_file))
    try:
        with open_existing(store) as opened:
            final_rules = rules_of(
                contest,
                opened,
                data=data,
                policy=policy,
                daily_limit=daily_limit,
                seed=seed,
                seeds=seeds,
                public_seed=public_seed,
                train=train,
            )
            public_rules = replace(final_rules, seeds=(public_seed,), train="train")
            try:
                public, final = both_boards(opened, runs, public_rules, final_rules)
            except ValueError as error:
                raise typer.BadParameter(str(error)) from None
            found = results_of(opened, (public, final))
        for file, text in ((csv, results_csv(found)), (json_file, json.dumps(found, indent=2) + "\n")):
            if file is not None:
                write_whole(file, text)
                say(f"wrote {file}")
    except InfrastructureError as error:
        raise fail(error.message) from None
    except OSError as error:
        raise fail(f"the results cannot be written: {error}") from None
    if final is None:
        say(
            "notice: the public board alone, as nobody was graded for the final with these options: --seed, --seeds "
            "and --train name it as in 'grader leaderboard --split test_b'",
            err=True,
        )
    for board, _ in (public, *((final,) if final else ())):
        if board.missing:
            say(
                f"notice: not graded for {board.standings.split}, in number {len(board.missing)}: 'grader leaderboard "
                f"--split {board.standings.split}' names them",
                err=True,
            )
