"""What a part is told, and what it gives back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from competition.task.constants import NUM_THREADS
from grader.grading import find_data
from grader.safe_io import write_whole
from grader.sandbox import Backend
from grader.validation.references import practice_data

CO_TEACHING = Path("reference_solutions/co_teaching.py")


@dataclass(frozen=True)
class Plan:
    """How much a part measures.

    Attributes:
        out: the folder for files.
        dry_run: whether to go the same way on the CPU, with the smallest data and few of everything.
        backend: how notebooks are isolated.
    """

    out: Path
    dry_run: bool
    backend: Backend

    @property
    def device(self) -> str:
        """Where trainings run: "cuda" or "cpu"."""
        return "cpu" if self.dry_run else "cuda"

    @property
    def threads(self) -> int:
        """CPU threads of a training; one in a dry run, which stands among other tests."""
        return 1 if self.dry_run else NUM_THREADS

    def data(self, profile: str) -> Path:
        """Return the practice data of a profile; in a dry run that of the smallest."""
        return practice_data("debug" if self.dry_run else profile)

    def public(self, profile: str) -> Path:
        """Return its public part."""
        return find_data(self.data(profile)).public


@dataclass
class Found:
    """What a part found so far; its file has it at any moment, so that of a part which is stopped it is not lost.

    Attributes:
        path: the file.
        rows: for the table: what, which value, and whether it is as it should be; None where nothing is asked for.
        details: everything else, for the JSON file.
    """

    path: Path
    rows: list[tuple[str, str, bool | None]] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    def row(self, what: str, value: str, met: bool | None = None) -> None:
        """Add a row."""
        self.rows.append((what, " ".join(value.split()), met))
        self.write()

    def write(self) -> None:
        """Write the file."""
        write_whole(self.path, json.dumps({"rows": self.rows, "details": self.details}, indent=1))
