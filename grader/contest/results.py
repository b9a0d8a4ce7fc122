"""A contest's results for a jury, as JSON and as CSV: who stands where, by which file, after what attempts.

`docs/organizers.md` describes the JSON. Its `version` grows when something is renamed or removed; what is added leaves
it as it is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from grader.contest.boards import Board, Rules
from grader.contest.policy import Candidate
from grader.contest.removals import Removal
from grader.contest.standings import Standing
from grader.contest.store import Grading, Received
from grader.safe_io import csv_cell

FORMAT, VERSION = "label-noise-competition results", 1
SET_ASIDE = "set aside"
BOARDS = ("public", "final")
BOARD_COLUMNS = ("rank", "tied", "points", "bac_mean", "bac_1", "bac_2", "deviation", "verdict")
FILE_COLUMNS = ("file", "submitted_at", "file_sha256", "runs")
COLUMNS = (
    "participant",
    *(f"{board}_{column}" for board in BOARDS for column in (*BOARD_COLUMNS, *FILE_COLUMNS)),
    "attempts",
    "verdicts",
)


def file_fields(submission: Received) -> dict[str, Any]:
    """Return what names a submitted file."""
    return {
        "file": submission.path.name,
        "submitted_at": submission.submitted_at,
        "file_sha256": submission.file_sha256,
    }


def on_board(row: Standing, counted: Candidate | None) -> dict[str, Any]:
    """Return what a participant has on one board: the figures unrounded, and the submission that counts."""
    return {
        "rank": row.rank,
        "tied": row.tied,
        "points": row.points,
        "bac_mean": row.bac_mean,
        "bac": row.bac,
        "deviation": row.deviation,
        "verdict": row.verdict,
        "counted": counted and file_fields(counted.submission) | {"runs": counted.runs},
    }


def attempt(candidate: Candidate, gradings: Iterable[Grading]) -> dict[str, Any]:
    """Return one submission with its verdict on the public board and all its gradings, those that failed by us too."""
    return {
        **file_fields(candidate.submission),
        "chosen": candidate.submission.final,
        "set_aside": candidate.submission.aside,
        "verdict": candidate.verdict,
        "gradings": [
            {
                "split": grading.record.split,
                "train": grading.record.train,
                "seed": grading.record.seed,
                "verdict": grading.record.verdict.value,
                "points": grading.record.points,
                "bac_mean": grading.record.bac_mean,
                "started": grading.record.started,
                "run": grading.run,
            }
            for grading in gradings
        ],
    }


def board_conditions(board: Board, rules: Rules) -> dict[str, Any]:
    """Return what a board shows: its split, training draw and training seeds, and the oracle's bound."""
    return {
        "split": board.standings.split,
        "train": rules.train,
        "seeds": rules.seeds,
        "bound": board.standings.bound,
    }


def results(
    boards: Sequence[tuple[Board, Rules] | None],
    gradings: Sequence[Grading],
    removals: Sequence[Removal],
    aside: Sequence[Received],
) -> dict[str, Any]:
    """Return the results of a contest, in the order of its last board.

    Args:
        boards: the public board and the final one, each with its rules; None for a final that nobody was graded for.
        gradings: all of the store.
        removals: the store's log.
        aside: the submissions that are set aside, each of which counts nowhere.
    """
    found = dict(zip(BOARDS, boards, strict=True))
    made = [each for each in boards if each is not None]
    (public, rules), (last, _) = made[0], made[-1]
    by_submission: dict[int, list[Grading]] = {}
    for grading in gradings:
        by_submission.setdefault(grading.submission_id, []).append(grading)
    rows = {
        name: {row.participant: row for row in each[0].standings.rows if not row.reference}
        for name, each in found.items()
        if each is not None
    }
    return {
        "format": FORMAT,
        "version": VERSION,
        "made": last.standings.made,
        "policy": rules.policy.value,
        "daily_limit": rules.daily_limit,
        "boards": {name: each and board_conditions(*each) for name, each in found.items()},
        "participants": [
            {
                "participant": row.participant,
                **{
                    name: each and on_board(rows[name][row.participant], each[0].counted.get(row.participant))
                    for name, each in found.items()
                },
                "submissions": [
                    attempt(each, by_submission.get(each.submission.id, ()))
                    for each in public.attempts[row.participant]
                ],
            }
            for row in last.standings.rows
            if not row.reference
        ],
        "removals": [
            {"participant": each.participant, "removed": each.removed, "reason": each.reason, "at": each.at}
            for each in removals
            if each.kind == "participant"
        ],
        "set_aside": [{"participant": each.participant, **file_fields(each), "reason": each.aside} for each in aside],
    }


def results_csv(found: dict[str, Any]) -> str:
    """Return the participants of `results` as the text of a CSV, one line each; foreign words are no formulas there."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for person in found["participants"]:
        verdicts = [SET_ASIDE if each["set_aside"] else each["verdict"] for each in person["submissions"]]
        cells = [csv_cell(person["participant"])]
        for name in BOARDS:
            cells += board_cells(person[name])
        writer.writerow([*cells, len(verdicts), "; ".join(verdicts)])
    return stream.getvalue()


def board_cells(board: dict[str, Any] | None) -> list[Any]:
    """Return the cells of one board in a line of the CSV, in the order of the columns; empty without a board."""
    if board is None:
        return [None] * len((*BOARD_COLUMNS, *FILE_COLUMNS))
    counted = board["counted"] or dict.fromkeys(FILE_COLUMNS, "")
    return [
        *(board["rank"], int(board["tied"]), board["points"], board["bac_mean"], *(board["bac"] or (None, None))),
        *(board["deviation"], board["verdict"]),
        *(csv_cell(counted["file"]), counted["submitted_at"], counted["file_sha256"]),
        " ".join(counted["runs"]),
    ]
