"""The commands of a contest: ``grader collect``, ``batch``, ``history``, ``similar``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from competition.notebook import starter_solution
from grader.contest.attended import Crew, Night, require_sandbox, unless_stopped
from grader.contest.boards import in_time
from grader.contest.collecting import TABLE, collect
from grader.contest.entries import Aside
from grader.contest.fitting import require_fit
from grader.contest.names import name_key
from grader.contest.options import (
    GpusOption,
    LimitOption,
    PolicyOption,
    PublicSeedOption,
    RayAddressOption,
    SeedsOption,
    StoreOption,
    WorkersOption,
    board_of,
    rules_of,
)
from grader.contest.policy import NOT_GRADED
from grader.contest.receiving import Reception, receive
from grader.contest.similarity import read_solutions, similar_solutions
from grader.contest.store import Kind, Received, Store, open_existing, utc_text
from grader.contest.turns import within_limit
from grader.contest_file import DEFAULT, ContestOption
from grader.grading import Settings, require_guard
from grader.options import (
    USAGE,
    DataOption,
    DeviceOption,
    GuardOption,
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
    few_names,
    print_wide,
    require_writable,
    say,
)
from grader.safe_io import plain_line, plain_name
from grader.verdicts import InfrastructureError, Verdict


def batch_command(
    contest: ContestOption,
    source: Annotated[
        Path | None,
        typer.Argument(
            exists=True,
            metavar="FOLDER|CSV",
            help="<participant>.ipynb, or notebooks below <participant>/; or a CSV: participant, path, submitted_at[, "
            "final].",
            show_default="submissions in contest.toml",
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
    data: DataOption = DEFAULT.data,
    split: Annotated[Split, typer.Option(help="What to score on.")] = Split.TEST_A,
    train: TrainOption = DEFAULT.final.train,
    seed: SeedOption = DEFAULT.grading.seed,
    seeds: SeedsOption = DEFAULT.final.seeds,
    public_seed: PublicSeedOption = DEFAULT.grading.seed,
    policy: PolicyOption = DEFAULT.rules.policy,
    daily_limit: LimitOption = DEFAULT.rules.daily_limit,
    store: StoreOption = DEFAULT.store,
    runs: RunsOption = DEFAULT.runs,
    threads: ThreadsOption = DEFAULT.grading.threads,
    time_limit: TimeOption = DEFAULT.grading.time_limit,
    guard: GuardOption = DEFAULT.grading.guard,
    sandbox: SandboxOption = DEFAULT.grading.sandbox,
    image: ImageOption = DEFAULT.grading.image,
    device: DeviceOption = DEFAULT.grading.device,
    workers: WorkersOption = DEFAULT.grading.workers,
    ray_address: RayAddressOption = DEFAULT.grading.ray_address,
    num_gpus: GpusOption = DEFAULT.grading.num_gpus,
) -> None:
    """Grade many submissions. Stopped or killed, the same command goes on where it was; nothing is graded twice.

    What cannot be received is named, and the others are graded; exit status 2 where that may be a submission.
    """
    if source is None and not (missing or oracle):
        if contest.file is None or reference:
            raise typer.BadParameter("name a folder or a CSV, or give --missing or --oracle")
        source = contest.submissions
    if missing and (source is not None or split is Split.VAL):
        raise typer.BadParameter(
            "--missing takes what a leaderboard needs from the store: no folder, and no --split val"
        )
    require_writable(folders=(runs, store.parent))
    crew = Crew(workers, ray_address, num_gpus)
    settings = Settings(
        data=data,
        split=split.value,
        train=train,
        seed=seed,
        device=chosen_device(device),
        threads=threads,
        backend=sandbox,
        image=image,
        seconds=time_limit,
        guard=guard,
    )
    require_guard(settings)
    with unless_stopped():
        require_sandbox(sandbox)
        with open_existing(store) if missing else Store(store) as opened:
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
            kind = Kind.REFERENCE if reference else Kind.PARTICIPANT
            reception = receive_all(opened, source, kind, rules.choices) if source else None
            if missing:
                wanted = board_of(opened, runs, split.value, rules, title="").missing
                submissions = [submission for submission in wanted if submission.kind is not Kind.ORACLE]
                oracle = oracle or len(submissions) < len(wanted)
            else:
                submissions = without_those_aside(reception.submissions) if reception else []
                if not reference:
                    submissions, untimely = in_time(submissions, rules)
                    for notice in untimely:
                        say(f"notice: {notice}", err=True)
                submissions, beyond = within_limit(submissions, opened, daily_limit)
                for each in beyond:
                    place = f"{plain_name(each.participant)} {plain_name(each.path.name)}, {each.submitted_at}"
                    say(f"not graded, beyond the daily limit of {daily_limit}: {place}", err=True)
            night = Night(opened, runs, settings, rules.seeds, crew, Console())
            verdicts = night.grade(submissions, oracle=oracle)
    if lost := verdicts[Verdict.INFRASTRUCTURE_ERROR]:
        raise fail(f"{lost} of these are our own fault; the same command tries them again")
    if reception:
        end_if_lost(reception.aside)


def name_aside(found: list[Aside], leavings: int) -> None:
    """Name what is left aside, and say how much editors have left behind."""
    for aside in found:
        say(f"left aside: {plain_line(aside.place)}: {plain_line(aside.reason)}", err=True)
    if leavings:
        say(f"passed over, as editors and systems leave them behind: {leavings} files or folders", err=True)


def end_if_lost(found: list[Aside]) -> None:
    """End with the status of a usage error where something was left aside that may be a submission."""
    if left := sum(aside.lost for aside in found):
        say(f"error: left aside, in number {left}: they are named above", err=True)
        raise typer.Exit(USAGE)


def receive_all(store: Store, source: Path, kind: Kind, choices: int) -> Reception:
    """Receive what was handed in, and name what is left aside; no CSV, or nothing at all, is a usage error."""
    try:
        reception = receive(store, source, kind, choices)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    name_aside(reception.aside, reception.leavings)
    for notice in reception.notices:
        say(f"notice: {plain_line(notice)}", err=True)
    if not reception.submissions:
        raise typer.BadParameter(f"{source} holds no submission that can be received")
    return reception


def without_those_aside(submissions: list[Received]) -> list[Received]:
    """Leave out what was set aside, and what removed participants handed in, and say so."""
    if few := few_names(submission.participant for submission in submissions if submission.removed):
        say(f"notice: left out, as they were removed: {few}; 'grader remove --undo' takes them back", err=True)
    if few := few_names(f"{each.participant} {each.path.name}" for each in submissions if each.aside is not None):
        say(f"notice: left out, as they were set aside: {few}; 'grader set-aside --undo' takes them back", err=True)
    return [submission for submission in submissions if submission.counts]


SourcesArgument = Annotated[
    list[Path],
    typer.Argument(exists=True, metavar="ZIP|FOLDER|CSV...", help="Downloads, as they came or unpacked, and lists."),
]
CollectedOption = Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="A new or empty folder.")]


def collect_command(sources: SourcesArgument, out: CollectedOption = DEFAULT.submissions) -> None:
    """Collect notebooks from downloads of Moodle, Canvas, Google Classroom or nbgrader, for grader batch."""
    try:
        collection = collect(sources, out)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    except InfrastructureError as error:
        raise fail(error.message) from None
    name_aside(collection.aside, collection.leavings)
    table = Table("participant", "submitted", "late", "file", "layout", "from", box=SIMPLE)
    for each in collection.notebooks:
        cells = (plain_name(each.owner.name), utc_text(each.time), "late" * each.owner.late, str(each.path))
        table.add_row(*map(Text, (*cells, each.owner.layout, plain_line(each.place))))
    print_wide(table)
    participants = len({each.owner.name for each in collection.notebooks})
    say(
        f"collected {len(collection.notebooks)} notebooks of {participants} participants"
        + (f", and left out {collection.same} that were there twice" if collection.same else "")
        + f"; read the table, then: grader batch {out / TABLE}"
    )
    end_if_lost(collection.aside)


def history_command(
    participant: Annotated[str, typer.Argument(metavar="PARTICIPANT", help="Their name, as it was handed in.")],
    contest: ContestOption,
    reference: Annotated[bool, typer.Option("--reference", help="It is a reference solution's name.")] = False,
    store: StoreOption = DEFAULT.store,
) -> None:
    """Show all submissions of a participant, and every grading of each."""
    kind = Kind.REFERENCE if reference else Kind.PARTICIPANT
    try:
        with open_existing(store) as opened:
            own = [
                submission
                for submission in opened.submissions()
                if submission.kind is kind and name_key(submission.participant) == name_key(participant)
            ]
            gradings = {submission: opened.gradings(submission) for submission in own}
            names = {submission.participant for submission in own}
            log = [entry for entry in opened.removals() if entry.kind == kind and entry.participant in names]
    except InfrastructureError as error:
        raise fail(error.message) from None
    if not own:
        raise typer.BadParameter(f"{store} knows no {kind.value} named {participant!r}")
    table = Table(
        "number", "submitted", "file", "final", "split", "trained on", "verdict", "points", "BAC", "run", box=SIMPLE
    )
    for submission in own:
        chosen = "chosen" if submission.final else ""
        place = (str(submission.id), submission.submitted_at, Text(plain_name(submission.path.name)), chosen)
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
            place = ("", "", Text(""), "")
    print_wide(table)
    for submission in own:
        if submission.aside is not None:
            say(f"set aside, number {submission.id}: {plain_line(submission.aside)}")
    for entry in log:
        say(f"{entry.at}: {'removed' if entry.removed else 'taken back'}: {plain_line(entry.reason)}")


def similar_command(
    runs: Annotated[Path, typer.Argument(exists=True, file_okay=False, metavar="RUNS", help="The folder of runs.")],
    contest: ContestOption,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="The smallest similarity to list: a share of the shorter cell.")
    ] = 0.6,
    store: StoreOption = DEFAULT.store,
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
    solutions = read_solutions(runs, owners)
    pairs, incomparable = similar_solutions(solutions, [starter_solution()], threshold)
    table = Table("similarity", "shared", "first", "run", "second", "run", box=SIMPLE)
    for first, second, pair in pairs:
        names_and_runs = [Text(plain_name(text)) for text in (first.owner, first.run, second.owner, second.run)]
        table.add_row(f"{pair.similarity:.2f}", str(pair.shared), *names_and_runs)
    print_wide(table)
    say(
        f"{len(solutions)} solutions, {len(pairs)} pairs with a similarity of {threshold:g} or more. Read both cells "
        "before you judge: short cells and published methods look alike by themselves."
    )
    if incomparable:
        few = ", ".join(sorted({plain_name(solution.owner) for solution in incomparable})[:5])
        say(f"{len(incomparable)} are not comparable: too short, or Python cannot read them (among them {few})")
