"""The reports of all participants, each in a file named after its participant, and the organizer's index of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.contest import Board, Standing
from grader.pages.gathering import make_report
from grader.pages.page import render
from grader.pages.run_report import report_page
from grader.safe_io import file_names, write_whole
from grader.verdicts import InfrastructureError

ORGANIZER_FOLDER = "organizer"  # so that nobody hands the index out with the reports
INDEX_FILE = "index.html"


@dataclass(frozen=True)
class Written:
    """What became of one participant's report.

    Attributes:
        standing: their row of the public board.
        run: the name of the run that counts; None where none does.
        file: the report's file; None where there is none.
        gaps: what is missing in the report, one sentence each.
        problem: why it could not be written; empty where it was, or where no run counts.
    """

    standing: Standing
    run: str | None
    file: str | None = None
    gaps: tuple[str, ...] = ()
    problem: str = ""


def write_all_reports(board: Board, runs: Path, data: Path, store: Path, out: Path) -> tuple[Path, list[Written]]:
    """Write the participant's edition of every run that counts on the public board, and the index.

    A report that cannot be made stops no other one. Over several training seeds the first run is reported.

    Args:
        board: the public board.
        runs: the folder of its run folders.
        data, store: see `make_report`.
        out: the folder for the reports; the index stands in a folder of its own in it.

    Returns:
        The path of the index, and what became of each participant's report, best first.

    Raises:
        InfrastructureError: the index cannot be written.
    """
    rows = [row for row in board.standings.rows if not row.reference]
    names = file_names([row.participant for row in rows], taken=("index",))
    written = []
    for row in rows:
        counted = board.counted.get(row.participant)
        if counted is None or not counted.runs:
            written.append(Written(row, None))
        else:
            file = out / f"{names[row.participant]}.html"
            written.append(write_one(row, counted.runs[0], file, runs, data, store))
    index = out / ORGANIZER_FOLDER / INDEX_FILE
    try:
        index.parent.mkdir(parents=True, exist_ok=True)
        write_whole(index, index_page(written, board.standings.made))
    except OSError as error:
        raise InfrastructureError(f"the index could not be written to {index}: {error}") from None
    return index, written


def write_one(row: Standing, run: str, file: Path, runs: Path, data: Path, store: Path) -> Written:
    """Write one participant's report."""
    try:
        report = make_report(runs / run, data, for_organizer=False, store=store)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, report_page(report))
    except InfrastructureError as error:
        return Written(row, run, problem=error.message)
    except OSError as error:
        return Written(row, run, problem=f"{file} could not be written: {error.strerror}")
    return Written(row, run, file.name, tuple(f"{gap.what} {gap.why}" for gap in report.gaps))


def index_page(written: Sequence[Written], made: str) -> str:
    """Return the organizer's index of all reports as the text of one HTML file."""
    return render(
        "reports.html",
        written=written,
        reports=sum(each.file is not None for each in written),
        made=made,
    )
