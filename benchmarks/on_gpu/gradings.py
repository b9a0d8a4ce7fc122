"""Gradings by the command line, each in a process of its own, one after another or several at once."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from competition.notebook import graft, notebook_text

SECONDS = 120.0  # of one command, at most


@dataclass(frozen=True)
class Graded:
    """One call of ``grader grade``.

    Attributes:
        record: its report; empty where there is none.
        seconds: wall clock of the whole command.
        printed: what it said.
    """

    record: dict[str, Any]
    seconds: float
    printed: str

    def __str__(self) -> str:
        said = str(self.record.get("message") or self.printed.strip()[-300:])
        return f"{self.record.get('verdict', 'no verdict')}: {' '.join(said.split())}"


def grade(cell: str, data: Path, device: str, sandbox: str, *options: str) -> Graded:
    """Grade a solution cell with ``grader grade`` on ``test_a``."""
    with tempfile.TemporaryDirectory() as scratch:
        notebook, report, runs = (Path(scratch) / name for name in ("cell.ipynb", "report.json", "runs"))
        notebook.write_text(notebook_text(graft(cell)), encoding="utf-8")
        command = [sys.executable, "-m", "grader", "grade", str(notebook), "--data", str(data), "--device", device]
        command += ["--sandbox", sandbox, "--runs", str(runs), "--report", str(report), *options]
        started = time.monotonic()
        try:
            ran = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
            )
            printed = ran.stdout + ran.stderr
        except subprocess.TimeoutExpired:
            printed = f"not done after {SECONDS:.0f} s"
        seconds = time.monotonic() - started
        record = json.loads(report.read_text()) if report.exists() else {}
    return Graded(record, seconds, printed)


def grade_at_once(cells: Iterable[str], at_once: int, *arguments: Any) -> list[Graded]:
    """Grade cells, so many at once; the other arguments are those of `grade`. The order is kept."""
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda cell: grade(cell, *arguments), cells))
