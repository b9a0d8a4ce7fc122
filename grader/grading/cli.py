"""The commands of one grading: ``grader grade``, ``regrade``."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from grader.contest_file import DEFAULT, ContestOption
from grader.grading.artifacts import SUBMISSION_FILE, Artifacts
from grader.grading.attended import grade_unless_stopped, read_bytes, require_guard
from grader.grading.record import Record
from grader.grading.run_folder import read_record, write_run
from grader.grading.settings import Settings
from grader.grading.shown import show
from grader.options import (
    OURS,
    PARTICIPANT,
    DataOption,
    DeviceOption,
    GuardOption,
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
    require_writable,
    say,
)
from grader.safe_io import write_whole
from grader.sandbox import Backend
from grader.verdicts import InfrastructureError, Verdict


def finish(record: Record, artifacts: Artifacts, runs: Path | None, report: Path | None) -> None:
    """Keep, report and print a grading; exit with its status."""
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


def grade_command(
    notebook: NotebookArgument,
    contest: ContestOption,
    data: DataOption = DEFAULT.data,
    split: Annotated[Split, typer.Option(help="What to score on.")] = Split.TEST_A,
    train: TrainOption = DEFAULT.final.train,
    runs: RunsOption = DEFAULT.runs,
    report: ReportOption = None,
    seed: SeedOption = DEFAULT.grading.seed,
    threads: ThreadsOption = DEFAULT.grading.threads,
    time_limit: TimeOption = DEFAULT.grading.time_limit,
    sandbox: SandboxOption = DEFAULT.grading.sandbox,
    image: ImageOption = DEFAULT.grading.image,
    device: DeviceOption = DEFAULT.grading.device,
    guard: GuardOption = DEFAULT.grading.guard,
) -> None:
    """Grade a submitted notebook in the sandbox."""
    require_writable(files=(report,), folders=(runs,))
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
        progress=sys.stderr.isatty(),
    )
    require_guard(settings)
    record, artifacts = grade_unless_stopped(read_bytes(notebook), settings)
    finish(replace(record, file=notebook.name), artifacts, runs, report)


def regrade_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    contest: ContestOption,
    data: DataOption = DEFAULT.data,
    runs: RunsOption = DEFAULT.runs,
) -> None:
    """Repeat a grading with its own seed, split, device and limits, and say whether it agrees."""
    require_writable(folders=(runs,))
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
            image=contest.grading.image,
            seconds=before.time_limit,
            guard=before.guard,
            progress=sys.stderr.isatty(),
        )
        record, artifacts = grade_unless_stopped(read_bytes(run / SUBMISSION_FILE), settings)
        record = replace(record, file=before.file)
        show(record, write_run(runs, record, artifacts))
    except InfrastructureError as error:
        raise fail(error.message) from None
    for name in ("versions", "template_sha256", "data_sha256", "split_sha256"):
        if getattr(before, name) != getattr(record, name):
            say(f"differs from the first grading: {name}", err=True)
    if (record.verdict, record.bac) != (before.verdict, before.bac):
        raise fail(f"does not agree: first {before.verdict.value} with BAC {before.bac}")
    say("agrees with the first grading, to the last bit")
