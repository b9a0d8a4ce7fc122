"""What a part is told, and what it gives back."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from competition.task.constants import NUM_THREADS
from grader.grading import find_data
from grader.safe_io import write_whole
from grader.sandbox import Backend

CO_TEACHING = Path("reference_solutions/co_teaching.py")


@dataclass(frozen=True)
class Plan:
    """How much a part measures.

    Attributes:
        out: the folder for files.
        dry_run: whether to go the same way on the CPU, with the smallest data and few of everything.
        backend: how notebooks are isolated.
        end: `time.monotonic()` at which the part is killed.
    """

    out: Path
    dry_run: bool
    backend: Backend
    end: float

    @property
    def device(self) -> str:
        """Where trainings run: "cuda" or "cpu"."""
        return "cpu" if self.dry_run else "cuda"

    @property
    def threads(self) -> int:
        """CPU threads of a training; one in a dry run, which stands among other tests."""
        return 1 if self.dry_run else NUM_THREADS

    @property
    def profiles(self) -> tuple[str, ...]:
        """The practice data that the parts use."""
        return ("debug",) if self.dry_run else ("full", "standard", "debug")

    def left(self) -> float:
        """Return how many seconds are left."""
        return self.end - time.monotonic()

    def data(self, profile: str) -> Path:
        """Return the practice data of a profile; in a dry run that of the smallest."""
        from grader.validation.references import practice_data  # torch is loaded where it is needed, not before

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
        """Add a row, or renew the one that says the same of what."""
        row = (what, " ".join(value.split()), met)
        places = [place for place, (known, *_) in enumerate(self.rows) if known == what]
        if places:
            self.rows[places[0]] = row
        else:
            self.rows.append(row)
        self.write()

    def write(self) -> None:
        """Write the file."""
        write_whole(self.path, json.dumps({"rows": self.rows, "details": self.details}, indent=1))
