"""The command ``grader export-results``: what a jury needs of a contest, as JSON and as CSV."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from grader.contest.boards import FINAL, PUBLIC, Board, Rules
from grader.contest.options import (
    LimitOption,
    PolicyOption,
    PublicSeedOption,
    SeedsOption,
    StoreOption,
    board_of,
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
    final: tuple[Board, Rules] | None = None
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
            public = board_of(opened, runs, PUBLIC, public_rules, title="")
            if was_graded(opened, final_rules):
                final = board_of(opened, runs, FINAL, final_rules, title=""), final_rules
            aside = [each for each in opened.submissions() if each.aside is not None and each.kind is Kind.PARTICIPANT]
            found = results([(public, public_rules), final], opened.gradings(), opened.removals(), aside)
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
    for board in (public, final and final[0]):
        if board is not None and board.missing:
            say(
                f"notice: not graded for {board.standings.split}, in number {len(board.missing)}: 'grader leaderboard "
                f"--split {board.standings.split}' names them",
                err=True,
            )
