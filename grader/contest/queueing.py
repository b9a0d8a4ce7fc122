"""The commands ``grader queue``, what is still to be graded, and ``retry``, which grades one submission again."""

from __future__ import annotations

from dataclasses import replace

import typer
from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from grader.contest import desk
from grader.contest.again import grade_again
from grader.contest.attended import require_sandbox, unless_stopped
from grader.contest.batch import make_jobs
from grader.contest.boards import PUBLIC, make_board
from grader.contest.events import asked_again, closing_after, pause_of
from grader.contest.fitting import require_fit
from grader.contest.options import StoreOption
from grader.contest.organizing import NumberArgument, ReasonOption, act_of, at_the_desk, submission_of
from grader.contest.queue import queue_of
from grader.contest.reuse import Reuse
from grader.contest.stated import stated_rules, stated_settings
from grader.contest.store import utc_text
from grader.contest.workers import InProcess
from grader.contest_file import DEFAULT, ContestOption
from grader.options import DataOption, RunsOption, print_wide, require_writable, say
from grader.safe_io import plain_line, plain_name


def queue_command(
    contest: ContestOption,
    data: DataOption = DEFAULT.data,
    store: StoreOption = DEFAULT.store,
    runs: RunsOption = DEFAULT.runs,
) -> None:
    """Show what is still to be graded for the public board: first what failed by our own fault, then who is next."""
    here = replace(contest, data=data, runs=runs, store=store)
    table = Table("place", "number", "participant", "file", "submitted", "", box=SIMPLE)
    with at_the_desk(store) as opened:
        settings = stated_settings(here)
        board = make_board(opened, runs, PUBLIC, stated_rules(here, opened), title="")
        queue = queue_of(board, opened.gradings(), settings)
        events = opened.events()
    places = [("failed", each, message) for each, message in queue.failed]
    places += [(str(place), each, "") for place, each in enumerate(queue.waiting, start=1)]
    for place, each, message in places:
        names = (plain_name(each.participant), plain_name(each.path.name), each.submitted_at, plain_line(message))
        table.add_row(place, str(each.id), *map(Text, names))
    if places:
        print_wide(table)
    say(f"{len(queue.waiting)} waiting, {len(queue.failed)} failed by our own fault")
    if pause := pause_of(events):
        say(f"grading is paused since {pause.at}; 'grader resume' lets it go on")
    if closing := closing_after(contest.rules.closing, events):
        say(f"open until {utc_text(closing)}")


def retry_command(
    contest: ContestOption,
    number: NumberArgument,
    reason: ReasonOption = "",
    data: DataOption = DEFAULT.data,
    store: StoreOption = DEFAULT.store,
    runs: RunsOption = DEFAULT.runs,
) -> None:
    """Grade one submission again, as the public board does: what failed by our own fault counts then.

    A result that is there stays, and the command says whether both agree. The log keeps what came of it.
    """
    require_writable(folders=(runs,))
    here = replace(contest, data=data, runs=runs, store=store)
    with at_the_desk(store) as opened, unless_stopped():
        require_fit(contest, opened, data)
        require_sandbox(contest.grading.sandbox)
        submission = submission_of(opened, number)
        if pause := pause_of(opened.events()):
            raise ValueError(f"grading is paused since {pause.at}: 'grader resume' lets it go on")
        if all(request.submission != number for request in asked_again(opened.events())):
            opened.act(desk.ask_again(act_of(reason), submission))
        settings = stated_settings(here)
        [job] = make_jobs([submission], settings, [settings.seed])
        try:
            outcome = grade_again(job, opened, Reuse(opened, runs, data), InProcess(), runs)
        except BaseException as error:
            opened.act(desk.answer_again(act_of(""), submission, f"not graded: {type(error).__name__}"))
            raise
        opened.act(desk.answer_again(act_of(""), submission, outcome))
        say(outcome)
        if outcome.startswith("does not agree"):
            raise typer.Exit(3)
