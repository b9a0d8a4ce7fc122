"""Where reports and results lie, which the process that grades writes and the web process reads."""

from __future__ import annotations

from pathlib import Path


def report_file(runs: Path, run: str) -> Path:
    """Return the place of a run's report for its participant; `run` is the store's name of it."""
    return runs / run / "report" / "participant.html"


def results_file(store: Path) -> Path:
    """Return the place of the results for the jury, which are written with each board."""
    return store.with_suffix(".results.csv")
