"""The record of one grading, and the run folder that keeps it.

    runs/<time>-<solution>-<random>/
        record.json                      the record; its presence marks a finished run
        submission.ipynb                 as submitted
        executed.ipynb, output.txt       what the sandbox left behind: the participant's words, not to be trusted
        model_1.safetensors, model_2...  the two trained models
        selections.npz                   what was picked, step by step (see `pack_selections`)
        losses.npz                       both models' losses of every step, in file order (see `pack_losses`)
        history.json                     training loss and validation BAC per epoch and model

A run folder is written beside its place and moved there in one step: it is whole, or it is not there.
"""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save

from competition.task.model import SmallMobileNet
from competition.task.training import Epoch
from grader.verdicts import InfrastructureError, Verdict

RECORD_FILE = "record.json"
SUBMISSION_FILE = "submission.ipynb"


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
        device, threads, versions: what the bits depend on: "cpu" or "cuda", CPU threads, library versions.
        time_limit, seconds: wall clock granted and used, in seconds.
        answer_seconds: of these, spent waiting for the participant's function.
        sandbox: "bwrap", or "none": not isolated.
        solution_sha256, template_sha256: the solution cell and the code of the locked cells.
        data_sha256, split_sha256: the training and validation data, and the split that was scored.
        notices: what the participant should know about ignored cells.
        started: UTC time, ISO 8601.
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
    seconds: float
    answer_seconds: float
    sandbox: str
    solution_sha256: str | None
    template_sha256: str
    data_sha256: str | None
    split_sha256: str | None
    notices: tuple[str, ...]
    started: str

    def to_json(self) -> str:
        """Return the record as the text of a JSON file."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Read what `to_json` wrote.

        Raises:
            ValueError, KeyError, TypeError: it is something else.
        """
        fields: dict[str, Any] = json.loads(text)
        fields |= {"verdict": Verdict(fields["verdict"]), "notices": tuple(fields["notices"])}
        fields["bac"] = tuple(fields["bac"]) if fields["bac"] is not None else None
        return cls(**fields)


@dataclass(frozen=True)
class Artifacts:
    """What a grading produced besides its record; each part may be missing.

    Attributes:
        submission, executed: notebook files.
        output: what papermill and the kernel printed.
        models: the two trained models.
        selections: two int64 index tensors per batch.
        losses: two float32 loss vectors per batch, of all its samples.
        history: one entry per epoch.
    """

    submission: bytes | None = None
    executed: bytes | None = None
    output: bytes = b""
    models: list[SmallMobileNet] = field(default_factory=list)
    selections: list[list[torch.Tensor]] = field(default_factory=list)
    losses: list[list[torch.Tensor]] = field(default_factory=list)
    history: list[Epoch] = field(default_factory=list)


def pack_selections(selections: list[list[torch.Tensor]]) -> dict[str, npt.NDArray[np.generic]]:
    """Pack the selection of every step: per model all indices in a row, and each step's count, both uint16.

    The largest index is below the batch size and the longest selection four times that, so both fit.
    """
    packed: dict[str, npt.NDArray[np.generic]] = {}
    for which in (0, 1):
        parts = [step[which].numpy().astype(np.uint16) for step in selections]
        packed[f"indices_{which + 1}"] = np.concatenate(parts) if parts else np.empty(0, np.uint16)
        packed[f"counts_{which + 1}"] = np.array([len(part) for part in parts], np.uint16)
    return packed


def unpack_selections(run: Path) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Read a run's selections: per step, the indices into the batch of both models."""
    with open(run / "selections.npz", "rb") as stream, np.load(stream) as packed:
        first, second = (
            np.split(packed[f"indices_{k}"].astype(np.int64), np.cumsum(packed[f"counts_{k}"].astype(np.int64))[:-1])
            for k in (1, 2)
        )
    return list(zip(first, second, strict=True))


def pack_losses(losses: list[list[torch.Tensor]]) -> dict[str, npt.NDArray[np.float16]]:
    """Pack the losses of all steps: per model one row, epoch after epoch in file order; half precision is enough."""
    return {f"model_{which + 1}": torch.cat([step[which] for step in losses]).half().numpy() for which in (0, 1)}


def unpack_losses(run: Path, samples: int) -> npt.NDArray[np.float32]:
    """Read a run's losses, float32 [epochs, 2, samples].

    Raises:
        OSError: the run keeps none.
        ValueError: they are not whole epochs of so many samples.
    """
    with open(run / "losses.npz", "rb") as stream, np.load(stream) as packed:
        rows = np.stack([packed[f"model_{which}"].astype(np.float32) for which in (1, 2)])
    return rows.reshape(2, -1, samples).swapaxes(0, 1)


def load_models(run: Path) -> list[SmallMobileNet]:
    """Load a run's two models."""
    models = []
    for which in (1, 2):
        model = SmallMobileNet()
        model.load_state_dict(load_file(run / f"model_{which}.safetensors"))
        models.append(model.to(memory_format=torch.channels_last))
    return models


def read_record(run: Path) -> Record:
    """Read a run's record.

    Raises:
        InfrastructureError: the folder is not a finished run.
    """
    try:
        return Record.from_json((run / RECORD_FILE).read_text())
    except FileNotFoundError:
        raise InfrastructureError(
            f"{run} is not a run folder: it has no {RECORD_FILE}; name the folders that a grading wrote"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise InfrastructureError(f"{run / RECORD_FILE} is damaged: {error}") from None


def place_run(runs: Path, record: Record, fill: Callable[[Path], None]) -> Path:
    """Write a run folder into `runs` and return it.

    Args:
        fill: writes everything but the record into the folder that it is given.

    Raises:
        InfrastructureError: it could not be written; nothing of it stays.
    """
    time = datetime.fromisoformat(record.started).strftime("%Y%m%d-%H%M%S")
    name = "-".join((time, (record.solution_sha256 or "nosolution")[:10], secrets.token_hex(3)))
    try:
        runs.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=runs, prefix=".unfinished-"))
        try:
            fill(scratch)
            (scratch / RECORD_FILE).write_text(record.to_json())
            scratch.chmod(0o755)
            return scratch.rename(runs / name)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
    except OSError as error:
        raise InfrastructureError(
            f"the run could not be written to {runs}: {error}; make room and grade again"
        ) from None


def write_run(runs: Path, record: Record, artifacts: Artifacts) -> Path:
    """Write a grading's run folder; see `place_run`."""
    return place_run(runs, record, lambda folder: write_artifacts(folder, artifacts))


def pack_run(artifacts: Artifacts) -> dict[str, bytes]:
    """Return the files of a run folder, the record apart, as they are sent from one machine to another."""
    with tempfile.TemporaryDirectory(prefix="run-") as folder:
        write_artifacts(Path(folder), artifacts)
        return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def write_packed_run(runs: Path, record: Record, files: Mapping[str, bytes]) -> Path:
    """Write the run folder that another process packed; see `pack_run` and `place_run`."""

    def fill(folder: Path) -> None:
        for name, content in files.items():
            (folder / name).write_bytes(content)

    return place_run(runs, record, fill)


def write_derived_run(runs: Path, record: Record, source: Path, submission: bytes | None) -> Path:
    """Write the run folder of a record that was derived from a finished run, without training again.

    Args:
        source: the finished run; its files are linked, not copied, where the file system can.
        submission: the notebook as submitted, where it is another one with the same solution; None keeps that of
            the source.

    Raises:
        InfrastructureError: see `place_run`.
    """

    def fill(folder: Path) -> None:
        for path in source.iterdir():
            if path.is_file() and path.name != RECORD_FILE and not (submission and path.name == SUBMISSION_FILE):
                link_or_copy(path, folder / path.name)
        if submission is not None:
            (folder / SUBMISSION_FILE).write_bytes(submission)

    return place_run(runs, record, fill)


def link_or_copy(path: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system has no such names."""
    try:
        target.hardlink_to(path)
    except OSError:
        shutil.copyfile(path, target)


def write_artifacts(folder: Path, artifacts: Artifacts) -> None:
    """Write what a grading produced besides its record."""
    for name, content in ((SUBMISSION_FILE, artifacts.submission), ("executed.ipynb", artifacts.executed)):
        if content is not None:
            (folder / name).write_bytes(content)
    (folder / "output.txt").write_bytes(artifacts.output)
    for which, model in enumerate(artifacts.models, 1):
        state = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
        (folder / f"model_{which}.safetensors").write_bytes(save(state))  # a full disk is then an OSError
    if artifacts.selections:
        np.savez_compressed(folder / "selections.npz", allow_pickle=False, **pack_selections(artifacts.selections))
    if artifacts.losses:
        np.savez_compressed(folder / "losses.npz", allow_pickle=False, **pack_losses(artifacts.losses))
    if artifacts.history:
        epochs = [asdict(epoch) for epoch in artifacts.history]
        (folder / "history.json").write_text(json.dumps(epochs, indent=2) + "\n")
