"""The commands of a contest: ``grader batch``, ``history``, ``leaderboard``, ``similar``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from competition.notebook import build_notebook
from competition.task.constants import NUM_THREADS, SEED
from grader.contest.batch import ENDS, Event, Job, Step, find_graded, grade_waiting, make_jobs
from grader.contest.bound import grade_oracle
from grader.contest.entries import read_entries
from grader.contest.leaderboard import Board, Rules, make_board
from grader.contest.policy import NOT_GRADED, Policy
from grader.contest.progress import BatchView, shown_name
from grader.contest.reuse import Reuse
from grader.contest.standings import Standing, Standings, standings_csv
from grader.contest.store import Entry, Kind, Store
from grader.contest.workers import InProcess, RayWorkers, Workers
from grader.grading import Settings
from grader.options import (
    INTERRUPTED,
    DataOption,
    Device,
    DeviceOption,
    ImageOption,
    RunsOption,
    SandboxOption,
    SeedOption,
    Split,
    ThreadsOption,
    TimeOption,
    TrainOption,
    chosen_device,
    fail,
)
from grader.record import Record
from grader.sandbox import DEFAULT_IMAGE, Backend, bwrap_problem
from grader.verdicts import InfrastructureError, Verdict

TABLE_WIDTH = 160  # characters; a narrower terminal wraps lines


class BoardSplit(StrEnum):
    """Which leaderboard."""

    TEST_A = "test_a"
    TEST_B = "test_b"


StoreOption = Annotated[Path, typer.Option(metavar="FILE", help="The contest's SQLite file.")]
SeedsOption = Annotated[int, typer.Option(min=1, metavar="K", help="So many training seeds, from --seed on.")]
PolicyOption = Annotated[Policy, typer.Option(help="Which submission of a participant counts on the public board.")]
PublicSeedOption = Annotated[
    int, typer.Option(min=0, metavar="K", help="The seed of the public board, from which the finalists are taken.")
]
LimitOption = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Only the first N submissions of each UTC day count.")
]


def batch_command(
    source: Annotated[
        Path | None,
        typer.Argument(
            exists=True,
            metavar="[FOLDER|CSV]",
            help="<participant>.ipynb or <participant>/*.ipynb; or a CSV: participant, path, submitted_at[, final].",
        ),
    ] = None,
    reference: Annotated[
        bool, typer.Option("--reference", help="These are reference solutions (.py files too): shown, never ranked.")
    ] = False,
    oracle: Annotated[
        bool, typer.Option("--oracle", help="Train the oracle too: the bound, from the true labels.")
    ] = False,
    missing: Annotated[
        bool,
        typer.Option("--missing", help="Grade what the leaderboard of --split still needs, and no other submission."),
    ] = False,
    data: DataOption = Path("data"),
    split: Annotated[Split, typer.Option(help="What to score on.")] = Split.TEST_A,
    train: TrainOption = "train",
    seed: SeedOption = SEED,
    seeds: SeedsOption = 1,
    public_seed: PublicSeedOption = SEED,
    policy: PolicyOption = Policy.BEST,
    daily_limit: LimitOption = None,
    store: StoreOption = Path("contest.sqlite"),
    runs: RunsOption = Path("runs"),
    threads: ThreadsOption = NUM_THREADS,
    time_limit: TimeOption = None,
    sandbox: SandboxOption = Backend.BWRAP,
    image: ImageOption = DEFAULT_IMAGE,
    device: DeviceOption = Device.AUTO,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Gradings at once; more than one run on Ray. Default: 1.")
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Use a running Ray cluster; without --workers, as many as it holds."),
    ] = None,
    num_gpus: Annotated[
        float | None,
        typer.Option(min=0, help="GPUs of one grading on Ray; fractions share one. Default: 1 with --device cuda."),
    ] = None,
) -> None:
    """Grade many submissions. Stopped or killed, the same command goes on where it was; nothing is graded twice."""
    if source is None and not (missing or oracle):
        raise typer.BadParameter("name a folder or a CSV, or give --missing or --oracle")
    if missing and (source is not None or split is Split.VAL):
        raise typer.BadParameter(
            "--missing takes what a leaderboard needs from the store: no folder, and no --split val"
        )
    settings = Settings(
        data=data,
        split=split.value,
        train=train,
        seed=seed,
        device=device.value if ray_address and device is not Device.AUTO else chosen_device(device),
        threads=threads,
        backend=sandbox,
        image=image,
        seconds=time_limit,
    )
    rules = Rules(data, policy, daily_limit, tuple(range(seed, seed + seeds)), public_seed, train)
    console = Console()

    def start_workers() -> AbstractContextManager[Workers]:
        if ray_address is None and (workers or 1) == 1:
            return nullcontext(InProcess())
        gpus = num_gpus if num_gpus is not None else float(settings.device == "cuda")
        ray = RayWorkers(workers, threads=threads, gpus=gpus, address=ray_address)
        console.print(f"{ray.count} workers on Ray, which took {ray.startup_seconds:.1f} s to start")
        return ray

    try:
        if sandbox is Backend.BWRAP and (problem := bwrap_problem()):
            raise InfrastructureError(f"no sandbox: {problem}")
        with open_existing(store) if missing else Store(store) as opened:
            if missing:
                wanted = board_of(opened, runs, split.value, rules, title="").missing
                submissions = [submission for submission in wanted if submission.kind is not Kind.ORACLE]
                oracle = oracle or len(submissions) < len(wanted)
            else:
                kind = Kind.REFERENCE if reference else Kind.PARTICIPANT
                submissions = opened.receive(entries_in(source, kind)) if source else []
            reuse = Reuse(opened, runs, data)
            jobs = make_jobs(submissions, settings, list(rules.seeds))
            verdicts = grade_jobs(jobs, opened, reuse, runs, start_workers, console)
            if oracle:
                tell = partial(show_oracle, console)
                grade_oracle(opened, reuse, runs, settings, list(rules.seeds), tell)
    except InfrastructureError as error:
        raise fail(error.message) from None
    except KeyboardInterrupt:
        typer.echo("stopped: what was graded is kept, and the same command goes on from here", err=True)
        raise typer.Exit(INTERRUPTED) from None
    if lost := verdicts[Verdict.INFRASTRUCTURE_ERROR]:
        raise fail(f"{lost} of these are our own fault; the same command tries them again")


def entries_in(source: Path, kind: Kind) -> list[Entry]:
    """Read what was handed in; a CSV that is none, or an empty folder, is a usage error."""
    try:
        return read_entries(source, kind)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def board_of(store: Store, runs: Path, split: str, rules: Rules, title: str) -> Board:
    """Make a board; options that fit no public board are a usage error."""
    try:
        return make_board(store, runs, split, rules, title)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def grade_jobs(
    jobs: list[Job],
    store: Store,
    reuse: Reuse,
    runs: Path,
    start_workers: Callable[[], AbstractContextManager[Workers]],
    console: Console,
) -> Counter[Verdict]:
    """Grade all jobs under a live table, and print and return how often each verdict was given.

    Raises:
        InfrastructureError: see `grade_waiting`.
    """
    ends: dict[Job, tuple[Step, Verdict]] = {}
    with BatchView(console) as view:

        def tell(event: Event) -> None:
            view.tell(event)
            if event.step in ENDS and event.record is not None:
                ends[event.job] = (event.step, event.record.verdict)

        waiting = find_graded(jobs, store, reuse, tell)
        if waiting:
            view.expect(sum(map(len, waiting)))
            with start_workers() as workers:
                grade_waiting(waiting, store, reuse, workers, runs, tell)
    verdicts = Counter(verdict for _, verdict in ends.values())
    steps = Counter(step for step, _ in ends.values())
    if jobs:
        console.print(
            Text(
                f"done: {', '.join(f'{count} {step.value}' for step, count in steps.items())}; "
                f"{', '.join(f'{count} {verdict.value}' for verdict, count in verdicts.items())}"
            )
        )
    return verdicts


def show_oracle(console: Console, seed: int, record: Record) -> None:
    """Print what the oracle reached with one seed."""
    console.print(f"oracle, seed {seed}: BAC {record.bac_mean or 0.0:.4f} on {record.split}")


def history_command(
    participant: Annotated[str, typer.Argument(metavar="PARTICIPANT", help="Their name, as it was handed in.")],
    reference: Annotated[bool, typer.Option("--reference", help="It is a reference solution's name.")] = False,
    store: StoreOption = Path("contest.sqlite"),
) -> None:
    """Show all submissions of a participant, and every grading of each."""
    kind = Kind.REFERENCE if reference else Kind.PARTICIPANT
    try:
        with open_existing(store) as opened:
            own = [
                submission
                for submission in opened.submissions()
                if (submission.kind, submission.participant) == (kind, participant)
            ]
            gradings = {submission: opened.gradings(submission) for submission in own}
    except InfrastructureError as error:
        raise fail(error.message) from None
    if not own:
        raise typer.BadParameter(f"{store} knows no {kind.value} named {participant!r}")
    table = Table("submitted", "file", "final", "split", "trained on", "verdict", "points", "BAC", "run", box=SIMPLE)
    for submission in own:
        chosen = "chosen" if submission.final else ""
        place = (submission.submitted_at, Text(shown_name(submission.path.name)), chosen)
        if not gradings[submission]:
            table.add_row(*place, "", "", NOT_GRADED, "", "", "")
        for grading in gradings[submission]:
            record = grading.record
            table.add_row(
                *place,
                record.split,
                f"{record.train}, seed {record.seed}",
                record.verdict.value,
                "" if record.points is None else str(record.points),
                "" if record.bac_mean is None else f"{record.bac_mean:.4f}",
                grading.run,
            )
            place = ("", Text(""), "")
    console = Console()
    Console(width=max(console.width, TABLE_WIDTH)).print(table)


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
    store: StoreOption = Path("contest.sqlite"),
    runs: RunsOption = Path("runs"),
) -> None:
    """Show who stands where. Nothing is trained: test_b is scored with the models that are stored."""
    rules = Rules(data, policy, daily_limit, tuple(range(seed, seed + seeds)), public_seed, train)
    try:
        with open_existing(store) as opened:
            board = board_of(opened, runs, split.value, rules, title)
        if csv is not None:
            csv.write_text(standings_csv(board.standings), encoding="utf-8")
        if html is not None:
            from grader.pages import leaderboard_page  # templates load slowly, and few commands need them

            html.write_text(leaderboard_page(board.standings), encoding="utf-8")
    except InfrastructureError as error:
        raise fail(error.message) from None
    except OSError as error:
        raise fail(f"the board cannot be written: {error}") from None
    console = Console()
    Console(width=max(console.width, TABLE_WIDTH)).print(board_table(board.standings))
    for notice in board.notices:
        typer.echo(f"notice: {notice}", err=True)
    if board.missing:
        names = sorted({shown_name(submission.participant) for submission in board.missing})
        few = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        typer.echo(
            f"notice: not graded for this board, in number {len(board.missing)}: {few}; "
            "'grader batch --missing' with the same options does it",
            err=True,
        )


def similar_command(
    runs: Annotated[Path, typer.Argument(exists=True, file_okay=False, metavar="RUNS", help="The folder of runs.")],
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="The smallest similarity to list: a share of the shorter cell.")
    ] = 0.6,
    store: StoreOption = Path("contest.sqlite"),
) -> None:
    """List pairs of solution cells that are alike, apart from names, comments and layout."""
    from grader.contest.similarity import read_solutions, similar_solutions  # few commands need it

    owners: dict[str, str] = {}
    try:
        if store.is_file():
            with Store(store) as opened:
                names = {submission.id: submission.participant for submission in opened.submissions()}
                owners = {grading.run: names[grading.submission_id] for grading in opened.gradings()}
    except InfrastructureError as error:
        raise fail(error.message) from None
    starter = next(cell.source for cell in build_notebook().cells if cell.id == "solution")
    solutions = read_solutions(runs, owners)
    pairs, incomparable = similar_solutions(solutions, [starter], threshold)
    table = Table("similarity", "shared", "first", "run", "second", "run", box=SIMPLE)
    for first, second, pair in pairs:
        names_and_runs = [Text(shown_name(text)) for text in (first.owner, first.run, second.owner, second.run)]
        table.add_row(f"{pair.similarity:.2f}", str(pair.shared), *names_and_runs)
    console = Console()
    Console(width=max(console.width, TABLE_WIDTH)).print(table)
    typer.echo(
        f"{len(solutions)} solutions, {len(pairs)} pairs with a similarity of {threshold:g} or more. Read both cells "
        "before you judge: short cells and published methods look alike by themselves."
    )
    if incomparable:
        few = ", ".join(sorted({shown_name(solution.owner) for solution in incomparable})[:5])
        typer.echo(f"{len(incomparable)} are too short to be compared, or have a syntax error (among them {few})")


def open_existing(path: Path) -> Store:
    """Open a store that is there.

    Raises:
        InfrastructureError: there is none, or it cannot be used.
    """
    if not path.is_file():
        raise InfrastructureError(f"there is no store {path}: 'grader batch' makes it, --store names another one")
    return Store(path)


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
    name = shown_name(row.participant) + (" (reference)" if row.reference else "")
    cells = ["ref" if row.reference else rank]
    if final:
        cells.append("" if row.shift is None else f"{row.shift:+d}" if row.shift else "0")
    cells += [name, "" if row.points is None else str(row.points), figures[0]]
    if several:
        cells.append("" if row.deviation is None else f"{row.deviation:.4f}")
    cells += [*figures[1:], row.verdict, str(row.submissions), row.last]
    return [Text(cell) for cell in cells]
