"""Where Codabench's worker mounts what in a container, and the settings that an export put beside a program."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from grader.grading import Settings
from grader.sandbox import Backend

APP = Path("/app")
SETTINGS_FILE = "grading.json"  # beside the program


@dataclass(frozen=True)
class Places:
    """The folders of a container.

    Attributes:
        program: the program that runs, and its working folder.
        submission: while ingesting, what the participant sent.
        data: while ingesting, the public data.
        output: what is kept of the step; while ingesting, others may have written it before.
        results: while scoring, what the step before left, whoever wrote it.
        reference: while scoring, the data to score on.
    """

    program: Path = APP / "program"
    submission: Path = APP / "ingested_program"
    data: Path = APP / "input_data"
    output: Path = APP / "output"
    results: Path = APP / "input" / "res"
    reference: Path = APP / "input" / "ref"


IN_CONTAINER = Places()


def settings_here(places: Places, data: Path, split: str) -> Settings:
    """Return how to grade: what the export wrote beside the program, on a CPU, without a sandbox so far.

    Raises:
        OSError, ValueError, KeyError: it is not what an export wrote.
    """
    told = json.loads((places.program / SETTINGS_FILE).read_text(encoding="utf-8"))
    return Settings(
        data=data,
        split=split,
        seed=int(told["seed"]),
        device="cpu",
        threads=int(told["threads"]),
        backend=Backend.NONE,
        seconds=told["seconds"],
        guard=told["guard"],
    )
