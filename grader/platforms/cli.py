"""The command groups ``grader export`` and ``grader import``, and how an export ends on a terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from grader.contest import CollectedOption, SourcesArgument, collect_command
from grader.contest_file import DEFAULT, Contest, ContestOption
from grader.options import DataOption, fail, say
from grader.platforms.exporting import EXPORT_FILE, Plan, write_export
from grader.platforms.kaggle.files import name_problem
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


@export_app.command("kaggle")
def export_kaggle_command(
    contest: ContestOption,
    out: OutOption,
    owner: Annotated[str, typer.Option(metavar="NAME", help="Your name in Kaggle's addresses: kaggle.com/NAME.")],
    slug: Annotated[str, typer.Option(metavar="SLUG", help="The competition's: kaggle.com/competitions/SLUG.")],
    data: DataOption = DEFAULT.data,
) -> None:
    """Write a Kaggle competition whose metric trains again from index lists; nothing is uploaded."""
    if (problem := name_problem(owner, slug, contest.title)) is not None:
        raise typer.BadParameter(problem)
    from grader.platforms.kaggle.export import PLAN, Target, write_kaggle

    target = Target(owner, slug)
    export(out, PLAN, contest, data, lambda folder: write_kaggle(folder, target, contest, data))


@import_app.command("codabench")
def import_codabench_command(sources: SourcesArgument, out: CollectedOption = DEFAULT.submissions) -> None:
    """Collect notebooks from Codabench, for grader batch: as grader collect does, from two files of its site.

    They are bulk_submissions.zip of the organizer's list of submissions, and the CSV that the site gives at
    api/submissions/?phase=N&format=csv, as the zip does not say when a submission came.
    """
    collect_command(sources, out)


@import_app.command("kaggle")
def import_kaggle_command(sources: SourcesArgument, out: CollectedOption = DEFAULT.submissions) -> None:
    """Collect notebooks from Kaggle, for grader batch: as grader collect does, from what its client downloads.

    They are folders of 'kaggle kernels pull OWNER/NAME -m -p FOLDER', one for each notebook, and the CSV of 'kaggle
    kernels list --competition SLUG --csv', which says when each ran last.
    """
    collect_command(sources, out)
