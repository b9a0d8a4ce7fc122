"""The commands of a contest: ``grader batch``, ``history``, ``similar``."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
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
from grader.contest.boards import Rules
from grader.contest.bound import grade_oracle
from grader.contest.entries import read_entries
from grader.contest.options import (
    LimitOption,
    PolicyOption,
    PublicSeedOption,
    SeedsOption,
    StoreOption,
    board_of,
)
from grader.contest.policy import NOT_GRADED, Policy
from grader.contest.progress import BatchView
from grader.contest.reuse import Reuse
from grader.contest.similarity import read_solutions, similar_solutions
from grader.contest.store import Entry, Kind, Received, Store, open_existing
from grader.contest.workers import InProcess, RayWorkers, Workers
from grader.grading import Record, Settings
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
    print_wide,
    require_writable,
)
from grader.safe_io import plain_name, plain_text
from grader.sandbox import DEFAULT_IMAGE, Backend, bwrap_problem, socket_problem
from grader.verdicts import InfrastructureError, Verdict


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
    require_writable(folders=(runs, store.parent))
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
        if problem := socket_problem(Path(tempfile.gettempdir())):
            raise InfrastructureError(problem)
        with open_existing(store) if missing else Store(store) as opened:
            if missing:
                wanted = board_of(opened, runs, split.value, rules, title="").missing
                submissions = [submission for submission in wanted if submission.kind is not Kind.ORACLE]
                oracle = oracle or len(submissions) < len(wanted)
            else:
                kind = Kind.REFERENCE if reference else Kind.PARTICIPANT
                submissions = without_removed(opened.receive(entries_in(source, kind))) if source else []
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


def without_removed(submissions: list[Received]) -> list[Received]:
    """Leave out what removed participants handed in, and say so."""
    names = sorted({plain_name(submission.participant) for submission in submissions if submission.removed})
    if names:
        few = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        typer.echo(f"notice: left out, as they were removed: {few}; 'grader remove --undo' takes them back", err=True)
    return [submission for submission in submissions if not submission.removed]


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
            log = [entry for entry in opened.removals() if (entry.kind, entry.participant) == (kind, participant)]
    except InfrastructureError as error:
        raise fail(error.message) from None
    if not own:
        raise typer.BadParameter(f"{store} knows no {kind.value} named {participant!r}")
    table = Table("submitted", "file", "final", "split", "trained on", "verdict", "points", "BAC", "run", box=SIMPLE)
    for submission in own:
        chosen = "chosen" if submission.final else ""
        place = (submission.submitted_at, Text(plain_name(submission.path.name)), chosen)
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
    print_wide(table)
    for entry in log:
        typer.echo(f"{entry.at}: {'removed' if entry.removed else 'taken back'}: {plain_text(entry.reason)}")


def similar_command(
    runs: Annotated[Path, typer.Argument(exists=True, file_okay=False, metavar="RUNS", help="The folder of runs.")],
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="The smallest similarity to list: a share of the shorter cell.")
    ] = 0.6,
    store: StoreOption = Path("contest.sqlite"),
) -> None:
    """List pairs of solution cells that are alike, apart from names, comments and layout."""
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
        names_and_runs = [Text(plain_name(text)) for text in (first.owner, first.run, second.owner, second.run)]
        table.add_row(f"{pair.similarity:.2f}", str(pair.shared), *names_and_runs)
    print_wide(table)
    typer.echo(
        f"{len(solutions)} solutions, {len(pairs)} pairs with a similarity of {threshold:g} or more. Read both cells "
        "before you judge: short cells and published methods look alike by themselves."
    )
    if incomparable:
        few = ", ".join(sorted({plain_name(solution.owner) for solution in incomparable})[:5])
        typer.echo(f"{len(incomparable)} are too short to be compared, or have a syntax error (among them {few})")
