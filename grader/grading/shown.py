"""A record on the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from competition.task.constants import NUM_EPOCHS
from grader.grading.record import Record
from grader.safe_io import plain_line, plain_text
from grader.verdicts import Verdict


def show(record: Record, run: Path | None, *, notices: bool = True) -> None:
    """Print a record, with its notices or, where they were told before, without."""
    console = Console(soft_wrap=True)
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("verdict", Text(record.verdict.value, "bold green" if record.verdict is Verdict.OK else "bold red"))
    if record.bac is not None and record.bac_mean is not None:
        quick = record.epochs < NUM_EPOCHS
        points = f"none: {record.epochs} of {NUM_EPOCHS} epochs, to try it out" if quick else str(record.points)
        table.add_row("points", Text(points, "bold"))
        table.add_row(
            "BAC", f"{record.bac[0]:.4f} and {record.bac[1]:.4f}, mean {record.bac_mean:.4f} on {record.split}"
        )
    else:
        console.print(Text(f"{plain_text(record.message)}\n"))
    table.add_row(
        "time",
        f"{record.clock_seconds:.1f} s of your {record.time_limit:g} s, {record.answer_seconds:.1f} s of it in your "
        f"function; the whole grading took {record.seconds:.1f} s",
    )
    table.add_row(
        "trained on",
        f"{record.train}, {record.versions.get('gpu', record.device)}, {record.threads} threads, seed {record.seed}, "
        f"sandbox {record.sandbox}",
    )
    for notice in record.notices if notices else ():
        table.add_row("notice", Text(plain_text(notice), "yellow"))
    if run is not None:
        table.add_row("run folder", Text(plain_line(str(run))))
    console.print(table)
