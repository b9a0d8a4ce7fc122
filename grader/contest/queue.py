"""What is still to be graded for the public board: our own failures first, then what waits, in the order of turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grader.contest.batch import make_jobs
from grader.contest.boards import Board
from grader.contest.store import Grading, Kind, Received
from grader.contest.turns import in_turns
from grader.grading import Settings
from grader.verdicts import Verdict


@dataclass(frozen=True)
class Queue:
    """The state of the queue.

    Attributes:
        failed: submissions that failed by our own fault, each with what was said last; a batch tries them again.
        waiting: the others, the next one first.
    """

    failed: tuple[tuple[Received, str], ...]
    waiting: tuple[Received, ...]


def queue_of(board: Board, gradings: Sequence[Grading], settings: Settings) -> Queue:
    """Return what a public board lacks of participants.

    Args:
        board: the public board.
        gradings: all of the store.
        settings: how the board's gradings are made.

    Raises:
        InfrastructureError: the data is missing.
    """
    messages = {
        grading.submission_id: grading.record.message
        for grading in gradings
        if grading.record.verdict is Verdict.INFRASTRUCTURE_ERROR
    }
    missing = [submission for submission in board.missing if submission.kind is Kind.PARTICIPANT]
    failed = [(submission, messages[submission.id]) for submission in missing if submission.id in messages]
    jobs = make_jobs([each for each in missing if each.id not in messages], settings, [settings.seed])
    return Queue(tuple(failed), tuple(job.submission for [job] in in_turns([[job] for job in jobs])))
