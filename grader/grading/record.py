"""The record of one grading: everything that a leaderboard, a report or a second grading needs to know of it."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from competition.notebook import template_sha256
from competition.task.constants import NUM_EPOCHS
from grader.grading.settings import Settings
from grader.sandbox import card
from grader.verdicts import Verdict

LIBRARIES = ("torch", "torchvision", "numpy", "scikit-learn", "scipy", "pandas", "papermill", "ipykernel")


@dataclass(frozen=True)
class Record:
    """Everything that a leaderboard, a report or a second grading needs to know of one grading.

    Attributes:
        verdict, message: how it ended, and what to do about it.
        points: 0 to 100; None where the verdict is ours, `InfrastructureError`.
        bac, bac_mean: balanced accuracy of each model on `split`, and the mean, which makes the ranks; None without.
        split: "val", "test_a" or "test_b".
        train: the training draw, "train" or "redraw-1" and so on.
        seed: the training's seed.
        device, threads, versions: what the bits depend on: "cpu" or "cuda", CPU threads, library versions; on a GPU the
            versions name the card too, its driver, CUDA and cuDNN, see `grader.sandbox.card`.
        time_limit, clock_seconds: the participant's clock, granted and used, in seconds: it runs while the training
            waits for the notebook, from when its solution cell may start to its connection, and from each request to
            its answer.
        answer_seconds: of these, spent waiting for the participant's function.
        guard: wall clock granted from when notebook and training were ready; seconds: of the whole grading; in seconds.
        sandbox: "bwrap", or "none": not isolated.
        solution_sha256, template_sha256: the solution cell and the code of the locked cells.
        data_sha256, split_sha256: the training and validation data, and the split that was scored.
        notices: what the participant should know about ignored cells.
        started: UTC time, ISO 8601.
        epochs: of the training; fewer than the task's only in ``grader check --quick``.
        file: the submitted file's name, the participant's words; None where nobody knows it.
    """

    verdict: Verdict
    message: str
    points: int | None
    bac: tuple[float, float] | None
    bac_mean: float | None
    split: str
    train: str
    seed: int
    device: str
    threads: int
    versions: dict[str, str]
    time_limit: float
    clock_seconds: float
    answer_seconds: float
    guard: float
    seconds: float
    sandbox: str
    solution_sha256: str | None
    template_sha256: str
    data_sha256: str | None
    split_sha256: str | None
    notices: tuple[str, ...]
    started: str
    epochs: int
    file: str | None = None

    def to_json(self) -> str:
        """Return the record as the text of a JSON file."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Read what `to_json` wrote, also before the participant had a clock: then the whole grading counted as theirs.

        Raises:
            ValueError, KeyError, TypeError: it is something else.
        """
        fields: dict[str, Any] = json.loads(text)
        fields |= {"verdict": Verdict(fields["verdict"]), "notices": tuple(fields["notices"])}
        before = {"clock_seconds": fields["seconds"], "guard": fields["time_limit"], "epochs": NUM_EPOCHS}
        fields = before | fields
        fields["bac"] = tuple(fields["bac"]) if fields["bac"] is not None else None
        return cls(**fields)


def draft_record(settings: Settings) -> Record:
    """Make the record of a grading that has not begun."""
    return Record(
        verdict=Verdict.OK,
        message="every batch was answered",
        points=0,
        bac=None,
        bac_mean=None,
        split=settings.split,
        train=settings.train,
        seed=settings.seed,
        device=settings.device,
        threads=settings.threads,
        versions={
            "python": platform.python_version(),
            **{name: version(name) for name in LIBRARIES},
            **(card() if settings.device == "cuda" else {}),
        },
        time_limit=settings.limits.seconds,
        clock_seconds=0.0,
        answer_seconds=0.0,
        guard=settings.limits.guard,
        seconds=0.0,
        sandbox=settings.backend.value,
        solution_sha256=None,
        template_sha256=template_sha256(),
        data_sha256=None,
        split_sha256=None,
        notices=(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        epochs=settings.epochs,
    )
