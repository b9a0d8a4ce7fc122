"""A training at home without the notebook around it: a solution cell, the task's loop, one process."""

from __future__ import annotations

from pathlib import Path

import torch

from competition.task.constants import NUM_EPOCHS, NUM_THREADS, SEED
from competition.task.data import load_data
from competition.task.epoch import Epoch
from competition.task.model import SmallMobileNet
from competition.task.position import position
from competition.task.reproducibility import seed_everything
from competition.task.training import train_two_models


def train_at_home(
    cell: Path, public: Path, device: str, *, threads: int = NUM_THREADS
) -> tuple[list[SmallMobileNet], list[Epoch]]:
    """Train both models with the function of a solution cell, as its author does, on "cpu" or "cuda".

    Args:
        public: the folder with ``train/`` and ``val/``.
    """
    train_loader, val_loader = load_data(public)
    names = {
        "train_loader": train_loader,
        "val_loader": val_loader,
        "NUM_EPOCHS": NUM_EPOCHS,
        "position": position,
        "DEVICE": torch.device(device),
    }
    seed_everything(SEED, threads)
    exec(compile(cell.read_text(encoding="utf-8"), str(cell), "exec"), names)
    select_indices = names["your_select_indices"]
    return train_two_models(
        train_loader, val_loader, select_indices, device=torch.device(device), threads=threads, progress=None
    )
