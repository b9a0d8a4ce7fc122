"""The command line of the grader, put together from the rooms' commands.

Exit status: 0 graded, whatever the points; 1 the participant's fault; 2 usage, or a submission was left aside; 3 ours.
"""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import typer
from typer.core import TyperGroup

from grader.analysis.cli import analyze_command
from grader.contest.cli import batch_command, collect_command, history_command, similar_command
from grader.contest.doctor import doctor_command
from grader.contest.exporting import export_results_command
from grader.contest.organizing import (
    announce_command,
    extend_command,
    freeze_command,
    log_command,
    pause_command,
    publish_command,
    resume_command,
    set_aside_command,
)
from grader.contest.queueing import queue_command, retry_command
from grader.contest.removing import remove_command
from grader.contest_file.cli import init_command
from grader.grading.cli import grade_command, regrade_command
from grader.pages.checking import check_command
from grader.pages.cli import leaderboard_command, report_command
from grader.pages.final import final_command
from grader.platforms.cli import export_app, import_app
from grader.platforms.codabench.cli import daemon_command
from grader.platforms.codabench.cli import export_command as codabench_export_command
from grader.safe_io import plain_line
from grader.site.inviting import invite_command
from grader.site.serving import serve_command, work_command
from grader.site.submitting import submit_command
from grader.validation.cli import validate_command

USAGE_ERROR = cast(type[typer.BadParameter], typer.BadParameter.__bases__[0])  # typer gives it no name of its own


@contextmanager
def plain_errors() -> Iterator[None]:
    """Make the message of a usage error one harmless line: it may hold a path or a name that somebody else wrote."""
    try:
        yield
    except USAGE_ERROR as error:
        error.message = plain_line(error.message)
        raise


class Commands(TyperGroup):
    """The commands; what a usage error repeats of the command line is somebody's words, and passes `safe_io`."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Read the group's own arguments; a usage error becomes one harmless line."""
        with plain_errors():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; a usage error becomes one harmless line."""
        with plain_errors():
            return super().invoke(ctx)


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
    """See to it that the status of a child can be known, and that no name is too much for the terminal's encoding."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # we may have been started with it ignored
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


COMMANDS: dict[str, dict[str, Any]] = {  # by what they are for, in the order of the help
    "One notebook": {
        "check": check_command,
        "grade": grade_command,
        "regrade": regrade_command,
        "report": report_command,
        "analyze": analyze_command,
    },
    "A contest": {
        "init": init_command,
        "doctor": doctor_command,
        "collect": collect_command,
        "batch": batch_command,
        "leaderboard": leaderboard_command,
        "final": final_command,
        "export-results": export_results_command,
    },
    "While it runs": {
        "queue": queue_command,
        "history": history_command,
        "similar": similar_command,
        "retry": retry_command,
        "set-aside": set_aside_command,
        "remove": remove_command,
        "pause": pause_command,
        "resume": resume_command,
        "extend": extend_command,
        "log": log_command,
    },
    "Its site": {
        "invite": invite_command,
        "serve": serve_command,
        "work": work_command,
        "submit": submit_command,
        "announce": announce_command,
        "freeze": freeze_command,
        "publish": publish_command,
    },
    "Platforms, and the kit itself": {
        "export": export_app,
        "import": import_app,
        "codabench-daemon": daemon_command,
        "validate": validate_command,
    },
}
export_app.command("codabench")(codabench_export_command)
for panel, commands in COMMANDS.items():
    for name, command in commands.items():
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, rich_help_panel=panel)
        else:
            app.command(name, rich_help_panel=panel)(command)
