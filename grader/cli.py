"""The command line of the grader, put together from the rooms' commands.

Exit status: 0 graded, whatever the points; 1 the participant's fault; 2 usage; 3 ours.
"""

from __future__ import annotations

import signal
from typing import Any, cast

import typer
from typer.core import TyperGroup

from grader.analysis.cli import analyze_command
from grader.contest.cli import batch_command, history_command, similar_command
from grader.contest.doctor import doctor_command
from grader.contest.exporting import export_results_command
from grader.contest.removing import remove_command
from grader.grading.cli import grade_command, regrade_command
from grader.pages.checking import check_command
from grader.pages.cli import leaderboard_command, report_command
from grader.safe_io import plain_line
from grader.validation.cli import validate_command

USAGE_ERROR = cast(type[typer.BadParameter], typer.BadParameter.__bases__[0])  # typer gives it no name of its own


class Commands(TyperGroup):
    """The commands; what a usage error repeats of the command line is somebody's words, and passes `safe_io`."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; a usage error becomes one harmless line."""
        try:
            return super().invoke(ctx)
        except USAGE_ERROR as error:
            error.message = plain_line(error.message)
            raise


app = typer.Typer(
    cls=Commands,
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
    ("doctor", doctor_command),
    ("check", check_command),
    ("grade", grade_command),
    ("regrade", regrade_command),
    ("batch", batch_command),
    ("history", history_command),
    ("leaderboard", leaderboard_command),
    ("report", report_command),
    ("similar", similar_command),
    ("remove", remove_command),
    ("export-results", export_results_command),
    ("analyze", analyze_command),
    ("validate", validate_command),
):
    app.command(name)(command)
