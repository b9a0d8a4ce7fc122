"""Gradings by the command line, each in a process of its own, one after another or several at once."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.on_gpu.commands import CommandError, run
from benchmarks.on_gpu.plan import Plan
from competition.notebook import graft, notebook_text

SECONDS = 120.0  # of one command, at most


@dataclass(frozen=True)
class Graded:
    """One call of ``grader grade``.

    Attributes:
        record: its report; empty where there is none.
        seconds: wall clock of the whole command.
        failure: why it did not exit with status 0.
    """

    record: dict[str, Any]
    seconds: float
    failure: str

    def __str__(self) -> str:
        said = str(self.record.get("message") or self.failure)
        return f"{self.record.get('verdict', 'no verdict')}: {' '.join(said.split())}"


def grade(cell: str, data: Path, plan: Plan) -> Graded:
    """Grade a solution cell with ``grader grade`` on ``test_a``."""
    with tempfile.TemporaryDirectory() as scratch:
        notebook, report, runs = (Path(scratch) / name for name in ("cell.ipynb", "report.json", "runs"))
        notebook.write_text(notebook_text(graft(cell)), encoding="utf-8")
        arguments = ["-m", "grader", "grade", str(notebook), "--data", str(data), "--device", plan.device]
        arguments += ["--sandbox", plan.backend.value, "--threads", str(plan.threads)]
        started, failure = time.monotonic(), ""
        try:
            run(*arguments, "--runs", str(runs), "--report", str(report), seconds=min(SECONDS, plan.left()))
        except CommandError as error:
            failure = str(error)
        seconds = time.monotonic() - started
        record = json.loads(report.read_text()) if report.exists() else {}
    return Graded(record, seconds, failure)


def grade_at_once(cells: Iterable[str], at_once: int, data: Path, plan: Plan) -> list[Graded]:
    """Grade cells, so many at once; see `grade`. The order is kept."""
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda cell: grade(cell, data, plan), cells))
