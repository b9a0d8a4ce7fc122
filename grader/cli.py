"""The command line of the grader, put together from the rooms' commands.

Exit status: 0 graded, whatever the points; 1 the participant's fault; 2 usage; 3 ours.
"""

from __future__ import annotations

import signal

import typer

from grader.analysis.cli import analyze_command
from grader.contest.cli import batch_command, history_command, similar_command
from grader.contest_file.cli import init_command
from grader.grading.cli import grade_command, regrade_command
from grader.pages.checking import check_command
from grader.pages.cli import leaderboard_command, report_command
from grader.pages.final import final_command
from grader.validation.cli import validate_command

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
    ("check", check_command),
    ("init", init_command),
    ("grade", grade_command),
    ("regrade", regrade_command),
    ("batch", batch_command),
    ("history", history_command),
    ("leaderboard", leaderboard_command),
    ("final", final_command),
    ("report", report_command),
    ("similar", similar_command),
    ("analyze", analyze_command),
    ("validate", validate_command),
):
    app.command(name)(command)
