"""The final ranking: what it still needs is graded, its board is made, and published; all as the contest file says."""

from __future__ import annotations

from rich.console import Console

from grader.contest.attended import Crew, Night, require_sandbox
from grader.contest.boards import FINAL, Board, make_board
from grader.contest.desk import Act, publish
from grader.contest.events import LogEntry
from grader.contest.fitting import require_fit
from grader.contest.options import board_of
from grader.contest.standings import standings_json
from grader.contest.stated import stated_rules, stated_settings
from grader.contest.store import Kind, Store, open_existing
from grader.contest_file import Contest


def make_final(contest: Contest, console: Console) -> Board:
    """Grade what the final's board needs of finalists, references and the oracle, and return the board.

    Where the final has the public board's seed and draw, stored models are scored and nothing is trained.

    Raises:
        InfrastructureError: there is no store or no data, they do not fit the contest file, or a result cannot be kept.
        typer.BadParameter: nobody has a result on the public board.
    """
    grading = contest.grading
    with open_existing(contest.store) as store:
        require_fit(contest, store, contest.data)
        rules = stated_rules(contest, store, FINAL)
        board = board_of(store, contest.runs, FINAL, rules, contest.title)
        if not board.missing:
            return board
        require_sandbox(grading.sandbox)
        crew = Crew(grading.workers, grading.ray_address, grading.num_gpus)
        settings = stated_settings(contest, FINAL)
        night = Night(store, contest.runs, settings, rules.seeds, crew, console)
        submissions = [submission for submission in board.missing if submission.kind is not Kind.ORACLE]
        night.grade(submissions, oracle=len(submissions) < len(board.missing))
        return board_of(store, contest.runs, FINAL, rules, contest.title)


def publish_final(contest: Contest, store: Store, act: Act) -> LogEntry:
    """Publish the final ranking as it is now. Nothing is trained: stored models are scored where that suffices.

    Raises:
        ValueError: it lacks gradings, nobody stands in it, or the contest is still open; the message says what to do.
        InfrastructureError: the data is missing, or a derived run cannot be written.
    """
    publish(act, contest.rules.closing, "")(store.events())  # while the contest is open, nothing is scored on test_b
    board = make_board(store, contest.runs, FINAL, stated_rules(contest, store, FINAL), contest.title)
    if board.missing:
        raise ValueError(f"the final lacks {len(board.missing)} gradings: 'grader final' makes them")
    if not any(row.rank for row in board.standings.rows):
        raise ValueError("nobody stands in the final ranking: there is nothing to publish")
    return store.act(publish(act, contest.rules.closing, standings_json(board.standings)))
