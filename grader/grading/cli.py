"""The commands of one grading: ``grader grade``, ``check``, ``regrade``."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from competition.task.constants import NUM_THREADS, SEED
from grader import grading
from grader.grading.artifacts import SUBMISSION_FILE, Artifacts
from grader.grading.record import Record
from grader.grading.run_folder import read_record, write_run
from grader.grading.settings import Settings
from grader.grading.shown import show
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
from grader.safe_io import plain_text, write_whole
from grader.sandbox import DEFAULT_IMAGE, Backend, bwrap_problem
from grader.submission import read_file, read_submission
from grader.verdicts import InfrastructureError, ParticipantFault, Verdict


def read_bytes(notebook: Path) -> bytes | ParticipantFault:
    """Read the submitted file; a fault of the file is returned for the record, a missing file is a usage error."""
    try:
        return read_file(notebook)
    except ParticipantFault as fault:
        return fault
    except OSError as error:
        raise typer.BadParameter(f"{notebook}: {error.strerror}") from None


def tell_at_once(raw: bytes | ParticipantFault) -> bool:
    """Print what can be said of a notebook without running it; say whether there was anything to read."""
    if isinstance(raw, ParticipantFault):
        return False
    try:
        notices = read_submission(raw).notices
    except ParticipantFault:
        return False
    for notice in notices:
        typer.secho(f"notice: {plain_text(notice)}", fg="yellow", err=True)
    return True


def finish(record: Record, artifacts: Artifacts, runs: Path | None, report: Path | None, *, told: bool = False) -> None:
    """Keep, report and print a grading, its notices too unless they were `told` before; exit with its status."""
    run = None
    shown = replace(record, notices=()) if told else record
    try:
        if runs is not None:
            run = write_run(runs, record, artifacts)
        if report is not None:
            write_whole(report, record.to_json())
    except InfrastructureError as error:
        show(shown, run)
        raise fail(error.message) from None
    except OSError as error:
        show(shown, run)
        raise fail(f"{report} could not be written: {error.strerror}") from None
    show(shown, run)
    if record.verdict is Verdict.INFRASTRUCTURE_ERROR:
        raise typer.Exit(OURS)
    if record.verdict is not Verdict.OK:
        raise typer.Exit(PARTICIPANT)


def grade_unless_stopped(raw: bytes | ParticipantFault, settings: Settings) -> tuple[Record, Artifacts]:
    """Grade; a Ctrl-C ends the command with one line that says what is left: nothing."""
    try:
        return grading.grade(raw, settings)
    except KeyboardInterrupt:
        typer.echo("stopped: nothing of this grading is kept", err=True)
        raise typer.Exit(INTERRUPTED) from None


def require_folder_of(report: Path | None) -> None:
    """Refuse a report that could not be written, before anything is trained."""
    if report is not None and not report.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {report.parent} for {report.name}: make it, or name another file")


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
    record, artifacts = grade_unless_stopped(read_bytes(notebook), settings)
    finish(replace(record, file=notebook.name), artifacts, runs, report)


def check_command(
    notebook: NotebookArgument,
    data: Annotated[Path | None, typer.Option(help="Default: the notebook's folder, else ./data.")] = None,
    report: ReportOption = None,
    time_limit: TimeOption = None,
    device: DeviceOption = Device.AUTO,
) -> None:
    """Tell a participant what the grader will say: the same engine, on the validation set."""
    require_folder_of(report)
    raw = read_bytes(notebook)
    told = tell_at_once(raw)
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
    finish(*grade_unless_stopped(raw, settings), None, report, told=told)


def regrade_command(
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
        record = replace(record, file=before.file)
        show(record, write_run(runs, record, artifacts))
    except InfrastructureError as error:
        raise fail(error.message) from None
    for name in ("versions", "template_sha256", "data_sha256", "split_sha256"):
        if getattr(before, name) != getattr(record, name):
            typer.echo(f"differs from the first grading: {name}", err=True)
    if (record.verdict, record.bac) != (before.verdict, before.bac):
        raise fail(f"does not agree: first {before.verdict.value} with BAC {before.bac}")
    typer.echo("agrees with the first grading, to the last bit")
