"""The state of a meta-learner in one safetensors file: arrays and text, nothing that is executed when it is read.

The file holds the rater, the inner models, Adam's moments, the outer losses so far, and as text the parameters, the
seed and a checksum of the data. Random streams need no place in it: they are found again by their keys. So a run that
goes on from a checkpoint ends with the same bits as one that was never stopped.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from benchmarks.datarater.meta import MetaLearner
from grader.safe_io import write_whole

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
MAY_CHANGE = ("meta_steps", "eval_frequency", "attack_eval_steps")  # without changing what a meta-step does


class CheckpointError(ValueError):
    """A file is no checkpoint, or that of another run; the message says which."""


def described(learner: MetaLearner) -> dict[str, str]:
    """Return what a checkpoint must agree with: parameters, seed, and a checksum of the data."""
    digest = hashlib.sha256()
    parts = (learner.train.images, learner.train.labels, learner.disagreement)
    for part in (*parts, learner.held_out.images, learner.held_out.labels):
        digest.update(part.cpu().contiguous().numpy().tobytes())
    fixed = {name: value for name, value in asdict(learner.parameters).items() if name not in MAY_CHANGE}
    return {"parameters": json.dumps(fixed, sort_keys=True), "seed": str(learner.seed), "data": digest.hexdigest()}


def adam_state(learner: MetaLearner) -> dict[str, torch.Tensor]:
    """Return Adam's moments by the name of the parameter; none before the first step."""
    state = {}
    for name, parameter in learner.rater.named_parameters():
        for moment in MOMENTS if parameter in learner.optimizer.state else ():
            state[f"{moment}.{name}"] = learner.optimizer.state[parameter][moment]
    return state


def arrays(learner: MetaLearner) -> dict[str, torch.Tensor]:
    """Return all arrays of the state by name."""
    losses = {
        "outer_loss": torch.tensor(learner.outer_loss, dtype=torch.float64),
        "outer_loss_clean": torch.tensor(learner.outer_loss_clean, dtype=torch.float64),
    }
    groups = {
        "rater": learner.rater.state_dict(),
        "population": learner.population,
        "adam": adam_state(learner),
        "log": losses,
    }
    return {
        f"{group}.{name}": value.detach().cpu().contiguous().clone()
        for group, values in groups.items()
        for name, value in values.items()
    }


def save_checkpoint(learner: MetaLearner, path: Path) -> None:
    """Write the state, whole or not at all.

    Raises:
        OSError: it could not be written; what was there is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, save(arrays(learner), {**described(learner), "step": str(learner.step)}))


def load_checkpoint(learner: MetaLearner, path: Path) -> None:
    """Put a meta-learner that was made with the same arguments where the file's was.

    Raises:
        CheckpointError: the file is none, or belongs to other data, parameters, modules or another seed.
    """
    try:
        with safe_open(path, "pt") as file:
            said = file.metadata() or {}
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: no checkpoint ({error})") from None
    for what, value in described(learner).items():
        if said.get(what) != value:
            raise CheckpointError(f"{path}: the checkpoint has other {what}; remove it, or name another folder")
    if int(said["step"]) > learner.parameters.meta_steps:
        raise CheckpointError(f"{path}: the checkpoint has {said['step']} meta-steps; remove it, or ask for as many")
    expected = {name: value.shape for name, value in arrays(learner).items() if not name.startswith(("adam.", "log."))}
    if {name: value.shape for name, value in found.items() if name in expected} != expected:
        raise CheckpointError(f"{path}: the checkpoint has other modules; remove it, or name another folder")
    learner.rater.load_state_dict({name: found[f"rater.{name}"] for name in learner.rater.state_dict()})
    learner.population = {name: found[f"population.{name}"].to(learner.device) for name in learner.population}
    for name, parameter in learner.rater.named_parameters():
        moments = {moment: found[f"adam.{moment}.{name}"] for moment in MOMENTS if f"adam.{moment}.{name}" in found}
        if moments:  # Adam keeps its count of steps on the CPU
            learner.optimizer.state[parameter] = {
                moment: value if moment == "step" else value.to(learner.device) for moment, value in moments.items()
            }
    learner.outer_loss = found["log.outer_loss"].tolist()
    learner.outer_loss_clean = found["log.outer_loss_clean"].tolist()
    learner.step = int(said["step"])
