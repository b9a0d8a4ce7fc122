"""The final ranking: what it still needs is graded, then its board is made; all of it as the contest file says."""

from __future__ import annotations

from rich.console import Console

from grader.contest.attended import Crew, Night, require_sandbox
from grader.contest.boards import FINAL, Board
from grader.contest.fitting import require_fit
from grader.contest.options import board_of, rules_of
from grader.contest.store import Kind, open_existing
from grader.contest_file import Contest
from grader.grading import Settings
from grader.options import chosen_device


def make_final(contest: Contest, console: Console) -> Board:
    """Grade what the final's board needs of finalists, references and the oracle, and return the board.

    Where the final has the public board's seed and draw, stored models are scored and nothing is trained.

    Raises:
        InfrastructureError: there is no store or no data, they do not fit the contest file, or a result cannot be kept.
        typer.BadParameter: nobody has a result on the public board.
    """
    grading, final = contest.grading, contest.final
    rules = rules_of(
        contest,
        data=contest.data,
        policy=contest.rules.policy,
        daily_limit=contest.rules.daily_limit,
        seed=final.seed,
        seeds=final.seeds,
        public_seed=grading.seed,
        train=final.train,
    )
    with open_existing(contest.store) as store:
        require_fit(contest, store, contest.data)
        board = board_of(store, contest.runs, FINAL, rules, contest.title)
        if not board.missing:
            return board
        require_sandbox(grading.sandbox)
        crew = Crew(grading.workers, grading.ray_address, grading.num_gpus)
        settings = Settings(
            data=contest.data,
            split=FINAL,
            train=final.train,
            seed=final.seed,
            device=chosen_device(grading.device),
            threads=grading.threads,
            backend=grading.sandbox,
            image=grading.image,
            seconds=grading.time_limit,
            guard=grading.guard,
        )
        night = Night(store, contest.runs, settings, rules.seeds, crew, console)
        submissions = [submission for submission in board.missing if submission.kind is not Kind.ORACLE]
        night.grade(submissions, oracle=len(submissions) < len(board.missing))
        return board_of(store, contest.runs, FINAL, rules, contest.title)
