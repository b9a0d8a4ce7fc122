"""The command line of the grader; the commands of a contest stand in `grader.contest.cli`.

Exit status: 0 graded, whatever the points; 1 the participant's fault; 2 usage; 3 ours.
"""

from __future__ import annotations

import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from competition.cli import ProfileName
from competition.task.constants import NUM_THREADS, SEED
from grader.contest.cli import batch_command, history_command, leaderboard_command, similar_command
from grader.grading import Settings, grade
from grader.options import (
    INTERRUPTED,
    OURS,
    PARTICIPANT,
    DataOption,
    Device,
    DeviceOption,
    ImageOption,
    NotebookArgument,
    ReportOption,
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
from grader.record import RECORD_FILE, SUBMISSION_FILE, Artifacts, Record, read_record, write_run
from grader.results import TABLE_COLUMNS, ResultsFile, markdown_table, table_row
from grader.sandbox import DEFAULT_IMAGE, Backend, bwrap_problem
from grader.submission import read_file
from grader.validation import find_references, validate
from grader.verdicts import InfrastructureError, ParticipantFault, Verdict
from grader.whole_file import write_whole

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From an untrusted notebook to a trusted score. "
    "Exit status: 0 graded, 1 the participant's fault, 2 usage, 3 ours.",
)


@app.callback()
def prepare_process() -> None:
    """See to it that the status of a child can be known, even if we were started with SIGCHLD ignored."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


for name, command in (
    ("batch", batch_command),
    ("history", history_command),
    ("leaderboard", leaderboard_command),
    ("similar", similar_command),
):
    app.command(name)(command)
TABLE_WIDTH = 160  # characters; a narrower terminal wraps lines, which reads better than cells of three letters


def read_bytes(notebook: Path) -> bytes | ParticipantFault:
    """Read the submitted file; a fault of the file is returned for the record, a missing file is a usage error."""
    try:
        return read_file(notebook)
    except ParticipantFault as fault:
        return fault
    except OSError as error:
        raise typer.BadParameter(f"{notebook}: {error.strerror}") from None


def show(record: Record, run: Path | None) -> None:
    """Print a record."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("verdict", Text(record.verdict.value, "bold green" if record.verdict is Verdict.OK else "bold red"))
    if record.bac is not None and record.bac_mean is not None:
        table.add_row("points", Text(str(record.points), "bold"))
        table.add_row(
            "BAC", f"{record.bac[0]:.4f} and {record.bac[1]:.4f}, mean {record.bac_mean:.4f} on {record.split}"
        )
    else:
        table.add_row("message", Text(record.message))
    table.add_row(
        "time",
        f"{record.seconds:.1f} s of {record.time_limit:g} s, {record.answer_seconds:.1f} s of it in your function",
    )
    table.add_row(
        "trained on",
        f"{record.train}, {record.device}, {record.threads} threads, seed {record.seed}, sandbox {record.sandbox}",
    )
    for notice in record.notices:
        table.add_row("notice", Text(notice, "yellow"))
    if run is not None:
        table.add_row("run folder", str(run))
    Console(soft_wrap=True).print(table)


def finish(record: Record, artifacts: Artifacts, runs: Path | None, report: Path | None) -> None:
    """Keep, report and print a grading; exit with the status of its verdict."""
    run = None
    try:
        if runs is not None:
            run = write_run(runs, record, artifacts)
        if report is not None:
            write_whole(report, record.to_json())
    except InfrastructureError as error:
        show(record, run)
        raise fail(error.message) from None
    except OSError as error:
        show(record, run)
        raise fail(f"{report} could not be written: {error.strerror}") from None
    show(record, run)
    if record.verdict is Verdict.INFRASTRUCTURE_ERROR:
        raise typer.Exit(OURS)
    if record.verdict is not Verdict.OK:
        raise typer.Exit(PARTICIPANT)


def grade_unless_stopped(raw: bytes | ParticipantFault, settings: Settings) -> tuple[Record, Artifacts]:
    """Grade; a Ctrl-C ends the command with one line that says what is left: nothing."""
    try:
        return grade(raw, settings)
    except KeyboardInterrupt:
        typer.echo("stopped: nothing of this grading is kept", err=True)
        raise typer.Exit(INTERRUPTED) from None


def require_folder_of(report: Path | None) -> None:
    """Refuse a report that could not be written, before anything is trained."""
    if report is not None and not report.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {report.parent} for {report.name}: make it, or name another file")


@app.command("grade")
def grade_command(
    notebook: NotebookArgument,
    data: DataOption = Path("data"),
    split: Annotated[Split, typer.Option(help="What to score on.")] = Split.TEST_A,
    train: TrainOption = "train",
    runs: RunsOption = Path("runs"),
    report: ReportOption = None,
    seed: SeedOption = SEED,
    threads: ThreadsOption = NUM_THREADS,
    time_limit: TimeOption = None,
    sandbox: SandboxOption = Backend.BWRAP,
    image: ImageOption = DEFAULT_IMAGE,
    device: DeviceOption = Device.AUTO,
) -> None:
    """Grade a submitted notebook in the sandbox."""
    require_folder_of(report)
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
        progress=sys.stderr.isatty(),
    )
    finish(*grade_unless_stopped(read_bytes(notebook), settings), runs, report)


@app.command()
def check(
    notebook: NotebookArgument,
    data: Annotated[Path | None, typer.Option(help="Default: the notebook's folder, else ./data.")] = None,
    report: ReportOption = None,
    time_limit: TimeOption = None,
    device: DeviceOption = Device.AUTO,
) -> None:
    """Tell a participant what the grader will say: the same engine, on the validation set."""
    require_folder_of(report)
    problem = bwrap_problem()
    if problem is not None:
        typer.echo(f"notice: without isolation, as nothing but your own notebook runs here ({problem})", err=True)
    beside = (notebook.parent / "train").is_dir() and (notebook.parent / "val").is_dir()
    settings = Settings(
        data=data or (notebook.parent if beside else Path("data")),
        split=Split.VAL.value,
        device=chosen_device(device),
        backend=Backend.BWRAP if problem is None else Backend.NONE,
        seconds=time_limit,
        progress=sys.stderr.isatty(),
    )
    finish(*grade_unless_stopped(read_bytes(notebook), settings), None, report)


@app.command()
def regrade(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    data: DataOption = Path("data"),
    runs: RunsOption = Path("runs"),
) -> None:
    """Repeat a grading with its own seed, split, device and limits, and say whether it agrees."""
    try:
        before = read_record(run)
        settings = Settings(
            data=data,
            split=before.split,
            train=before.train,
            seed=before.seed,
            device=before.device,
            threads=before.threads,
            backend=Backend(before.sandbox),
            seconds=before.time_limit,
            progress=sys.stderr.isatty(),
        )
        record, artifacts = grade_unless_stopped(read_bytes(run / SUBMISSION_FILE), settings)
        show(record, write_run(runs, record, artifacts))
    except InfrastructureError as error:
        raise fail(error.message) from None
    for name in ("versions", "template_sha256", "data_sha256", "split_sha256"):
        if getattr(before, name) != getattr(record, name):
            typer.echo(f"differs from the first grading: {name}", err=True)
    if (record.verdict, record.bac) != (before.verdict, before.bac):
        raise fail(f"does not agree: first {before.verdict.value} with BAC {before.bac}")
    typer.echo("agrees with the first grading, to the last bit")


@app.command("analyze")
def analyze_command(
    source: Annotated[
        Path,
        typer.Argument(
            exists=True, metavar="RUN|VALUES", help="A run folder; or data values: a .npy, or a CSV (file, value)."
        ),
    ],
    data: Annotated[Path, typer.Option(help="The data folder, or one with train.npz, valid.npz, test.npz.")] = Path(
        "data"
    ),
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Default: analysis/ in the run, or beside the values.")
    ] = None,
) -> None:
    """Compute the data valuation metrics of a run's selections, or of any data values, and draw them."""
    from grader.analysis import analyze  # plots and classifiers load slowly, and no grading needs them

    out = out or (source if source.is_dir() else source.parent) / "analysis"
    try:
        with Console(stderr=True).status("training with and without each 5 % of the samples"):
            analysis = analyze(source, data, out)
    except InfrastructureError as error:
        raise fail(error.message) from None
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, text in analysis.summary():
        table.add_row(name, text)
    table.add_row("written to", str(out))
    Console(soft_wrap=True).print(table)


class Edition(StrEnum):
    """For whom a report is written."""

    PARTICIPANT = "participant"
    ORGANIZER = "organizer"


@app.command("report")
def report_command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    edition: Annotated[
        Edition, typer.Option(help="The organizer's shows the truth behind the labels too: keep it to yourself.")
    ] = Edition.PARTICIPANT,
    data: DataOption = Path("data"),
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE.html", help="Default: report/EDITION.html in the run folder."),
    ] = None,
) -> None:
    """Write the report of each run: one HTML file that needs no network and no script."""
    if out is not None and len(runs) > 1:
        raise typer.BadParameter("--out names one file, but there are several runs: leave it out")
    others = [run for run in runs if run.is_dir() and not (run / RECORD_FILE).is_file()]
    if 0 < len(others) < len(runs):
        typer.echo(f"notice: left out, as they are no run folders: {', '.join(map(str, others))}", err=True)
        runs = [run for run in runs if run not in others]
    failures = []
    for run in runs:
        try:
            write_report(run, data, edition, out or run / "report" / f"{edition.value}.html")
        except InfrastructureError as error:
            failures.append(error.message)
    if failures:
        raise fail("; ".join(failures))


def write_report(run: Path, data: Path, edition: Edition, out: Path) -> None:
    """Write the report of one run, and say what is missing in it.

    Raises:
        InfrastructureError: the folder is no run, or the report cannot be written.
    """
    from grader.pages import report_page  # templates load slowly, and few commands need them
    from grader.report import make_report

    report = make_report(run, data, for_organizer=edition is Edition.ORGANIZER)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, report_page(report))
    except OSError as error:
        raise InfrastructureError(f"the report could not be written to {out}: {error}") from None
    for gap in report.gaps:
        typer.echo(f"notice: {gap.what} {gap.why}", err=True)
    typer.echo(f"wrote {out}")


@app.command("validate")
def validate_command(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME ...]", help="Default: all, and the oracle.")
    ] = None,
    profile: Annotated[ProfileName, typer.Option(help="Which practice data.")] = ProfileName.MINI,
    seeds: Annotated[int, typer.Option(min=1, metavar="K", help="Train with K seeds: 123, 124, ...")] = 1,
    runs: RunsOption = Path("runs/validate"),
    results_file: Annotated[
        Path | None,
        typer.Option(
            "--results",
            metavar="FILE.json",
            help="Use the measurements in this file where nothing changed since, further seeds too, and add the new "
            "ones; the table is written beside it, as FILE.md.",
        ),
    ] = None,
    sandbox: Annotated[Backend, typer.Option(help="How the references are isolated.")] = Backend.BWRAP,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = NUM_THREADS,
) -> None:
    """Grade the reference solutions and compare them with their expected bands (exit 3 outside)."""
    console = Console(stderr=True)
    try:
        wanted = find_references(names or [])
        known = ResultsFile(results_file)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    except InfrastructureError as error:
        raise fail(error.message) from None
    results = []
    try:
        for result in validate(
            wanted,
            profile=profile.value,
            seeds=list(range(SEED, SEED + seeds)),
            device=chosen_device(device),
            threads=threads,
            backend=sandbox,
            runs=runs,
            known=known,
            announce=console.print,
            progress=sys.stderr.isatty(),
        ):
            results.append(result)
    except InfrastructureError as error:
        raise fail(error.message) from None
    shown = Table(
        *TABLE_COLUMNS, "band", "", title=f"profile {profile.value}, training seeds from {SEED} on", box=SIMPLE
    )
    for result in results:
        band = f"{result.band.low:.3f} to {result.band.high:.3f}" if result.band else "none"
        inside = "outside" if result.violation() else "inside" if result.band else "not compared"
        shown.add_row(*table_row(result), band, inside)
    Console(width=max(console.width, TABLE_WIDTH)).print(shown)
    if results_file is not None:
        results_file.with_suffix(".md").write_text(markdown_table(results))
    outside = [violation for result in results if (violation := result.violation())]
    if outside:
        raise fail("; ".join(outside))
