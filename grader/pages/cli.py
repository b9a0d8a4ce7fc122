"""The commands that make what people look at: ``grader leaderboard``, ``report``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from grader import pages
from grader.contest import (
    LimitOption,
    PolicyOption,
    PublicSeedOption,
    Rules,
    SeedsOption,
    Store,
    StoreOption,
    board_of,
    freeze_of,
    open_existing,
    require_fit,
    rules_of,
)
from grader.contest_file import DEFAULT, ContestOption
from grader.grading import RECORD_FILE, read_record
from grader.options import DataOption, RunsOption, SeedOption, TrainOption, fail, require_writable, say
from grader.pages.publishing import CsvOption, HtmlOption, publish
from grader.safe_io import plain_name, write_whole
from grader.verdicts import InfrastructureError


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
    contest: ContestOption,
    policy: PolicyOption = DEFAULT.rules.policy,
    daily_limit: LimitOption = DEFAULT.rules.daily_limit,
    seed: SeedOption = DEFAULT.grading.seed,
    seeds: SeedsOption = DEFAULT.final.seeds,
    public_seed: PublicSeedOption = DEFAULT.grading.seed,
    train: TrainOption = DEFAULT.final.train,
    csv: CsvOption = None,
    html: HtmlOption = None,
    live: Annotated[
        bool, typer.Option("--live", help="Show the public board as it is now, although it is frozen.")
    ] = False,
    title: Annotated[
        str,
        typer.Option(
            metavar="TEXT", help="What stands above the board.", show_default=f"contest.toml, else {DEFAULT.title}"
        ),
    ] = DEFAULT.title,
    data: DataOption = DEFAULT.data,
    store: StoreOption = DEFAULT.store,
    runs: RunsOption = DEFAULT.runs,
) -> None:
    """Show who stands where. Nothing is trained: test_b is scored with the models that are stored."""
    require_writable(files=(csv, html))
    try:
        with open_existing(store) as opened:
            require_fit(contest, opened, data)
            rules = rules_of(
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
            frozen = None if live or split is BoardSplit.TEST_B else freeze_of(opened.events())
            if frozen is not None:
                rules = replace(rules, frozen=frozen.cut)
                say(f"notice: the board as it was frozen at {frozen.at}; --live shows it as it is now", err=True)
            board = board_of(opened, runs, split.value, rules, title)
            if frozen is not None:
                board = replace(board, standings=replace(board.standings, made=frozen.at))
        publish(board, csv, html, "'grader batch --missing' with the same options does it")
    except InfrastructureError as error:
        raise fail(error.message) from None


def report_command(
    contest: ContestOption,
    run_folders: Annotated[list[Path] | None, typer.Argument(metavar="RUN", help="Run folders.")] = None,
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
    data: DataOption = DEFAULT.data,
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
        Path,
        typer.Option(
            metavar="FILE",
            help="The contest's SQLite file, for what the references reached.",
            show_default="contest.toml, else contest.sqlite, where it is there",
        ),
    ] = DEFAULT.store,
    policy: PolicyOption = DEFAULT.rules.policy,
    daily_limit: LimitOption = DEFAULT.rules.daily_limit,
    seed: SeedOption = DEFAULT.grading.seed,
    seeds: SeedsOption = DEFAULT.final.seeds,
    runs: RunsOption = DEFAULT.runs,
) -> None:
    """Write the report of each run: one HTML file that needs no network and no script.

    With --all the options --policy, --daily-limit, --seed and --seeds are those of the public board.
    """
    if everybody:
        if run_folders or edition is not Edition.PARTICIPANT:
            raise typer.BadParameter(
                "--all writes participants' editions of the runs that count: name no run, no edition"
            )
        rules = partial(
            rules_of,
            contest,
            data=data,
            policy=policy,
            daily_limit=daily_limit,
            seed=seed,
            seeds=seeds,
            public_seed=seed,
            train="train",
        )
        report_everybody(rules, store, runs, out or Path("reports"))
        return
    named = run_folders or []
    if not named:
        raise typer.BadParameter("name run folders, or give --all for everybody on the public board")
    if out is not None and len(named) > 1:
        raise typer.BadParameter("--out names one file, but there are several runs: leave it out")
    require_writable(folders=(out and out.parent,))
    if out is not None and out.is_dir():
        raise typer.BadParameter(f"{out} is a folder: name a file, or give --all")
    others = [run for run in named if run.is_dir() and not (run / RECORD_FILE).is_file()]
    if 0 < len(others) < len(named):
        say(f"notice: left out, as they are no run folders: {', '.join(map(str, others))}", err=True)
        named = [run for run in named if run not in others]
    if not store.is_file() and store != contest.store:
        raise typer.BadParameter(f"there is no store {store}: name the contest's, or leave --store out")
    graded_beside = store if store.is_file() else None
    failures = []
    for run in named:
        try:
            write_report(run, data, edition, graded_beside, out or run / "report" / f"{edition.value}.html")
        except InfrastructureError as error:
            failures.append(error.message)
    if failures:
        raise fail("; ".join(failures))


def report_everybody(rules_for: Callable[[Store], Rules], store: Path, runs: Path, out: Path) -> None:
    """Write the reports of all participants and the index; say what is missing, and exit with 3 where one is."""
    require_writable(folders=(out,))
    try:
        with open_existing(store) as opened:
            rules = rules_for(opened)
            board = board_of(opened, runs, BoardSplit.TEST_A.value, rules, title="")
        index, written = pages.write_all_reports(board, runs, rules.data, store, out)
    except InfrastructureError as error:
        raise fail(error.message) from None
    for each in written:
        for gap in each.gaps:
            say(f"notice: {plain_name(each.standing.participant)}: {gap}", err=True)
    made = sum(each.file is not None for each in written)
    say(f"wrote {made} {'report' if made == 1 else 'reports'} into {out}, and for you alone {index}")
    fresh = {each.file for each in written}
    if stale := sorted(plain_name(page.name) for page in out.glob("*.html") if page.name not in fresh):
        say(f"notice: {out} also holds what an earlier call wrote, do not hand it out: {', '.join(stale)}", err=True)
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
        say(f"notice: {gap.what} {gap.why}", err=True)
    say(f"wrote {out}")
