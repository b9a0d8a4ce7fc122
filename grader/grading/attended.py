"""A grading that somebody waits for on a terminal: reading the file, a Ctrl-C, reports that cannot be written."""

from __future__ import annotations

from pathlib import Path

import typer

from grader import grading
from grader.grading.artifacts import Artifacts
from grader.grading.record import Record
from grader.grading.settings import Settings
from grader.options import INTERRUPTED, say
from grader.submission import read_file
from grader.verdicts import ParticipantFault


def read_bytes(notebook: Path) -> bytes | ParticipantFault:
    """Read the submitted file; a fault of the file is returned for the record, a missing file is a usage error."""
    try:
        return read_file(notebook)
    except ParticipantFault as fault:
        return fault
    except OSError as error:
        raise typer.BadParameter(f"{notebook}: {error.strerror}") from None


def grade_unless_stopped(raw: bytes | ParticipantFault, settings: Settings) -> tuple[Record, Artifacts]:
    """Grade; a Ctrl-C ends the command with one line that says what is left: nothing."""
    try:
        return grading.grade(raw, settings)
    except KeyboardInterrupt:
        say("stopped: nothing of this grading is kept", err=True)
        raise typer.Exit(INTERRUPTED) from None


def require_guard(settings: Settings) -> None:
    """Refuse a guard that strikes before the notebook has had its time."""
    if settings.guard is not None and settings.guard <= settings.limits.seconds:
        raise typer.BadParameter(
            f"--guard must leave the training time beyond the {settings.limits.seconds:g} s of the notebook"
        )
