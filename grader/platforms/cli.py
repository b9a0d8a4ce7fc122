"""The command groups ``grader export`` and ``grader import``, and how an export ends on a terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from grader.contest_file import Contest
from grader.options import fail, say
from grader.platforms.exporting import EXPORT_FILE, Plan, write_export
from grader.verdicts import InfrastructureError

export_app = typer.Typer(no_args_is_help=True, help="Write what a platform needs to hold the public part of a contest.")
import_app = typer.Typer(no_args_is_help=True, help="Collect notebooks from a platform's downloads, for the final.")

OutOption = Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder for the export.")]


def export(out: Path, plan: Plan, contest: Contest, data: Path, write: Callable[[Path], None]) -> None:
    """Make an export, and say what the mode cannot keep secret; or say in one sentence why there is none.

    Raises:
        typer.BadParameter: there is something at `out` already.
        typer.Exit: it cannot be made.
    """
    try:
        write_export(out, plan, contest, data, write)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    except InfrastructureError as error:
        raise fail(error.message) from None
    for sentence in plan.not_secret:
        say(f"notice: {sentence}", err=True)
    say(f"wrote {out}; {out / EXPORT_FILE} says what was left out, and why")
