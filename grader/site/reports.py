"""Where a participant's report lies: in the run folder, as `grader report` writes it."""

from __future__ import annotations

from pathlib import Path


def report_file(runs: Path, run: str) -> Path:
    """Return the place of a run's report for its participant; `run` is the store's name of it."""
    return runs / run / "report" / "participant.html"
