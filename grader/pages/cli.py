"""The commands that make what people look at: ``grader leaderboard``, ``report``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from competition.task.constants import SEED
from grader import pages
from grader.contest import (
    LimitOption,
    Policy,
    PolicyOption,
    PublicSeedOption,
    Rules,
    SeedsOption,
    StoreOption,
    board_of,
    open_existing,
    standings_csv,
)
from grader.grading import RECORD_FILE, read_record
from grader.options import DataOption, RunsOption, SeedOption, TrainOption, fail, print_wide, require_writable
from grader.pages.board_table import board_table
from grader.safe_io import plain_line, plain_name, write_whole
from grader.verdicts import InfrastructureError

DEFAULT_STORE = Path("contest.sqlite")


class BoardSplit(StrEnum):
    """Which leaderboard."""

    TEST_A = "test_a"
    TEST_B = "test_b"


class Edition(StrEnum):
    """For whom a report is written."""

    PARTICIPANT = "participant"
    ORGANIZER = "organizer"


def leaderboard_command(
    split: Annotated[BoardSplit, typer.Option(help="test_a is the public board, test_b the final ranking.")],
    policy: PolicyOption = Policy.BEST,
    daily_limit: LimitOption = None,
    seed: SeedOption = SEED,
    seeds: SeedsOption = 1,
    public_seed: PublicSeedOption = SEED,
    train: TrainOption = "train",
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the board as CSV, figures unrounded.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the board as one HTML page.")] = None,
    title: Annotated[
        str, typer.Option(metavar="TEXT", help="What stands above the board.")
    ] = "Learning from noisy labels",
    data: DataOption = Path("data"),
    store: StoreOption = DEFAULT_STORE,
    runs: RunsOption = Path("runs"),
) -> None:
    """Show who stands where. Nothing is trained: test_b is scored with the models that are stored."""
    require_writable(files=(csv, html))
    rules = Rules(data, policy, daily_limit, tuple(range(seed, seed + seeds)), public_seed, train)
    try:
        with open_existing(store) as opened:
            board = board_of(opened, runs, split.value, rules, title)
        if csv is not None:
            write_whole(csv, standings_csv(board.standings))
        if html is not None:
            write_whole(html, pages.leaderboard_page(board.standings))
    except InfrastructureError as error:
        raise fail(error.message) from None
    except OSError as error:
        raise fail(f"the board cannot be written: {error}") from None
    print_wide(board_table(board.standings))
    for notice in board.notices:
        typer.echo(f"notice: {notice}", err=True)
    if board.missing:
        names = sorted({plain_name(submission.participant) for submission in board.missing})
        few = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        typer.echo(
            f"notice: not graded for this board, in number {len(board.missing)}: {few}; "
            "'grader batch --missing' with the same options does it",
            err=True,
        )


def report_command(
    run_folders: Annotated[list[Path] | None, typer.Argument(metavar="[RUN...]", help="Run folders.")] = None,
    everybody: Annotated[
        bool,
        typer.Option(
            "--all",
            help="The run that counts on the public board, of every participant: --out then names a folder for their "
            "files, named after them, with an index for you alone in it, in organizer/.",
        ),
    ] = False,
    edition: Annotated[
        Edition, typer.Option(help="The organizer's shows the truth behind the labels too: keep it to yourself.")
    ] = Edition.PARTICIPANT,
    data: DataOption = Path("data"),
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE.html|FOLDER",
            help="Default: report/EDITION.html in the run folder; with --all the folder reports/.",
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The contest's SQLite file, for what the references reached. Default: contest.sqlite, if it is there.",
        ),
    ] = None,
    policy: PolicyOption = Policy.BEST,
    daily_limit: LimitOption = None,
    seed: SeedOption = SEED,
    seeds: SeedsOption = 1,
    runs_folder: Annotated[Path, typer.Option("--runs", help="With --all: where run folders are kept.")] = Path("runs"),
) -> None:
    """Write the report of each run: one HTML file that needs no network and no script.

    With --all the options --policy, --daily-limit, --seed and --seeds are those of the public board.
    """
    if everybody:
        if run_folders or edition is not Edition.PARTICIPANT:
            raise typer.BadParameter(
                "--all writes participants' editions of the runs that count: name no run, no edition"
            )
        rules = Rules(data, policy, daily_limit, tuple(range(seed, seed + seeds)), SEED)
        report_everybody(rules, store or DEFAULT_STORE, runs_folder, out or Path("reports"))
        return
    runs = run_folders or []
    if not runs:
        raise typer.BadParameter("name run folders, or give --all for everybody on the public board")
    if out is not None and len(runs) > 1:
        raise typer.BadParameter("--out names one file, but there are several runs: leave it out")
    require_writable(folders=(out and out.parent,))
    if out is not None and out.is_dir():
        raise typer.BadParameter(f"{out} is a folder: name a file, or give --all")
    others = [run for run in runs if run.is_dir() and not (run / RECORD_FILE).is_file()]
    if 0 < len(others) < len(runs):
        left_out = plain_line(", ".join(map(str, others)))
        typer.echo(f"notice: left out, as they are no run folders: {left_out}", err=True)
        runs = [run for run in runs if run not in others]
    if store is None and DEFAULT_STORE.is_file():
        store = DEFAULT_STORE
    if store is not None and not store.is_file():
        raise typer.BadParameter(f"there is no store {store}: name the contest's, or leave --store out")
    failures = []
    for run in runs:
        try:
            write_report(run, data, edition, store, out or run / "report" / f"{edition.value}.html")
        except InfrastructureError as error:
            failures.append(error.message)
    if failures:
        raise fail("; ".join(failures))


def report_everybody(rules: Rules, store: Path, runs: Path, out: Path) -> None:
    """Write the reports of all participants and the index; say what is missing, and exit with 3 where one is."""
    require_writable(folders=(out,))
    try:
        with open_existing(store) as opened:
            board = board_of(opened, runs, BoardSplit.TEST_A.value, rules, title="")
        index, written = pages.write_all_reports(board, runs, rules.data, store, out)
    except InfrastructureError as error:
        raise fail(error.message) from None
    for each in written:
        for gap in each.gaps:
            typer.echo(f"notice: {plain_name(each.standing.participant)}: {gap}", err=True)
    made = sum(each.file is not None for each in written)
    typer.echo(f"wrote {made} {'report' if made == 1 else 'reports'} into {out}, and for you alone {index}")
    failures = [f"{plain_name(each.standing.participant)}: {each.problem}" for each in written if each.problem]
    if failures:
        raise fail("; ".join(failures))


def write_report(run: Path, data: Path, edition: Edition, store: Path | None, out: Path) -> None:
    """Write the report of one run, and say what is missing in it.

    Raises:
        InfrastructureError: the folder is no run, or the report cannot be written.
    """
    read_record(run)  # a folder that is no run is told so before anything loads slowly
    report = pages.make_report(run, data, for_organizer=edition is Edition.ORGANIZER, store=store)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, pages.report_page(report))
    except OSError as error:
        raise InfrastructureError(f"the report could not be written to {out}: {error}") from None
    for gap in report.gaps:
        typer.echo(f"notice: {gap.what} {gap.why}", err=True)
    typer.echo(f"wrote {out}")
