"""The command ``grader check``: what the grader will say of one's own notebook, said to its author."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from competition.scratch import scratch_folder
from competition.task.constants import NUM_EPOCHS
from grader import pages
from grader.grading import (
    Artifacts,
    Record,
    Settings,
    find_data,
    grade_unless_stopped,
    read_bytes,
    require_splits,
    show,
    write_run,
)
from grader.options import (
    OURS,
    PARTICIPANT,
    Device,
    NotebookArgument,
    ReportOption,
    Split,
    chosen_device,
    fail,
    require_writable,
    say,
)
from grader.pages.advice import ADVICE
from grader.pages.notebook_output import notebook_output
from grader.safe_io import plain_text, write_whole
from grader.sandbox import Backend, bwrap_problem
from grader.submission import read_submission
from grader.verdicts import InfrastructureError, ParticipantFault, Verdict

SHOWN_LINES = 40  # of what the notebook printed


def tell_at_once(raw: bytes | ParticipantFault) -> None:
    """Print what can be said of a notebook without running it."""
    if isinstance(raw, ParticipantFault):
        return
    try:
        notices = read_submission(raw).notices
    except ParticipantFault:
        return
    for notice in notices:
        Console(stderr=True, soft_wrap=True).print(Text(f"notice: {plain_text(notice)}", "yellow"))


def folder_of_data(notebook: Path, data: Path | None) -> Path:
    """Return the data folder: the given one, else the notebook's where the data lies beside it, else ./data."""
    beside = (notebook.parent / "train").is_dir() and (notebook.parent / "val").is_dir()
    return data or (notebook.parent if beside else Path("data"))


def print_what_it_printed(record: Record, artifacts: Artifacts) -> None:
    """Print what the notebook printed: the solution cell, then the function while it was called; bounded."""
    output = notebook_output(artifacts.executed) if artifacts.executed else None
    if output is None:
        return
    text = "".join(getattr(shown, "text", "") for shown in (*output.solution, *output.calls))
    lines = text.replace(record.message, "").strip().splitlines()
    if lines:
        bound = f", the first {SHOWN_LINES} lines of {len(lines)}" if len(lines) > SHOWN_LINES else ""
        say(f"\nwhat your notebook printed{bound}:")
    for line in lines[:SHOWN_LINES]:
        say(f"  {line}")


def print_what_to_do(record: Record, artifacts: Artifacts, settings: Settings) -> None:
    """Print the advice for a verdict, or what stands out in the training."""
    if record.verdict is not Verdict.OK:
        advice = [ADVICE[record.verdict]]
    else:
        from grader.pages.gathering import symptoms_of  # it needs torch, which the training has loaded by now

        advice = symptoms_of(artifacts.history, settings.data)
    console = Console(soft_wrap=True)
    if advice:
        console.print("\nwhat to try next:")
    for sentence in advice:
        console.print(Text(f"- {sentence}"))


def check_command(
    notebook: NotebookArgument,
    data: Annotated[Path | None, typer.Option(help="Default: the notebook's folder, else ./data.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Train one epoch only: does it run? No points.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Also write the report here.")] = None,
    report: ReportOption = None,
    time_limit: Annotated[
        float | None, typer.Option(min=1, metavar="SECONDS", help="What the training may wait for you. Default: 280.")
    ] = None,
    device: Annotated[Device, typer.Option(help="Where to train.")] = Device.AUTO,
) -> None:
    """Tell a participant what the grader will say: the same engine, on the validation set."""
    require_writable(files=(report, html))
    if quick and html is not None:
        raise typer.BadParameter("--html shows a whole training: leave out --quick")
    raw = read_bytes(notebook)
    tell_at_once(raw)
    problem = bwrap_problem()
    if problem is not None:
        say(f"notice: without isolation, as nothing but your own notebook runs here ({problem})", err=True)
    settings = Settings(
        data=folder_of_data(notebook, data),
        split=Split.VAL.value,
        device=chosen_device(device),
        backend=Backend.BWRAP if problem is None else Backend.NONE,
        seconds=time_limit,
        epochs=1 if quick else NUM_EPOCHS,
        progress=sys.stderr.isatty(),
    )
    try:
        require_splits(settings, find_data(settings.data))
    except InfrastructureError as error:
        raise typer.BadParameter(error.message) from None
    record, artifacts = grade_unless_stopped(raw, settings)
    record = replace(record, file=notebook.name)
    show(record, None, notices=False)
    print_what_it_printed(record, artifacts)
    print_what_to_do(record, artifacts, settings)
    try:
        if report is not None:
            write_whole(report, record.to_json())
        if html is not None:
            with scratch_folder("check") as scratch:
                page = pages.make_report(write_run(scratch, record, artifacts), settings.data, for_organizer=False)
            write_whole(html, pages.report_page(page))
            say(f"wrote {html}")
    except InfrastructureError as error:
        raise fail(error.message) from None
    except OSError as error:
        raise fail(f"{error.filename} could not be written: {error.strerror}") from None
    if record.verdict is Verdict.INFRASTRUCTURE_ERROR:
        raise typer.Exit(OURS)
    if record.verdict is not Verdict.OK:
        raise typer.Exit(PARTICIPANT)
