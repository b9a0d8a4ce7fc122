"""What a grading produces besides its record, and the files that keep it. Without models there is no need of torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

if TYPE_CHECKING:
    import torch

    from competition.task.epoch import Epoch
    from competition.task.model import SmallMobileNet

SUBMISSION_FILE = "submission.ipynb"
EXECUTED_FILE = "executed.ipynb"
SELECTIONS_FILE = "selections.npz"
HISTORY_FILE = "history.json"


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
    with open(run / SELECTIONS_FILE, "rb") as stream, np.load(stream) as packed:
        first, second = (
            np.split(packed[f"indices_{k}"].astype(np.int64), np.cumsum(packed[f"counts_{k}"].astype(np.int64))[:-1])
            for k in (1, 2)
        )
    return list(zip(first, second, strict=True))


def pack_losses(losses: list[list[torch.Tensor]]) -> dict[str, npt.NDArray[np.float16]]:
    """Pack the losses of all steps: per model one row, epoch after epoch in file order; half precision is enough."""
    with np.errstate(over="ignore"):  # beyond 65,504 it is infinite, which says enough
        return {
            f"model_{which + 1}": np.concatenate([step[which].numpy() for step in losses]).astype(np.float16)
            for which in (0, 1)
        }


def unpack_losses(run: Path, samples: int) -> npt.NDArray[np.float32]:
    """Read a run's losses, float32 [epochs, 2, samples].

    Raises:
        OSError: the run keeps none.
        ValueError: they are not whole epochs of so many samples.
    """
    with open(run / "losses.npz", "rb") as stream, np.load(stream) as packed:
        rows = np.stack([packed[f"model_{which}"].astype(np.float32) for which in (1, 2)])
    return rows.reshape(2, -1, samples).swapaxes(0, 1)


def write_artifacts(folder: Path, artifacts: Artifacts) -> None:
    """Write what a grading produced besides its record."""
    for name, content in ((SUBMISSION_FILE, artifacts.submission), (EXECUTED_FILE, artifacts.executed)):
        if content is not None:
            (folder / name).write_bytes(content)
    (folder / "output.txt").write_bytes(artifacts.output)
    for which, model in enumerate(artifacts.models, 1):
        state = {name: tensor.cpu().contiguous().numpy() for name, tensor in model.state_dict().items()}
        (folder / f"model_{which}.safetensors").write_bytes(save(state))  # a full disk is then an OSError
    if artifacts.selections:
        np.savez_compressed(folder / SELECTIONS_FILE, allow_pickle=False, **pack_selections(artifacts.selections))
    if artifacts.losses:
        np.savez_compressed(folder / "losses.npz", allow_pickle=False, **pack_losses(artifacts.losses))
    if artifacts.history:
        epochs = [asdict(epoch) for epoch in artifacts.history]
        (folder / HISTORY_FILE).write_text(json.dumps(epochs, indent=2) + "\n")
