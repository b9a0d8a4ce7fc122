"""A grader as one writes it at first: submission, models, loop and secret labels in one process.

It exists to show that the attacks on metric and state are attacks: here each gains what it did not earn.

    python -m tests.redteam.one_process CELL.py DATA     prints the balanced accuracy of both models as JSON
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import sklearn.metrics
import torch
from torch.nn import functional

from competition.task.constants import LEARNING_RATE, NUM_EPOCHS, SEED, WEIGHT_DECAY
from competition.task.data import Batches, TaskDataset, make_loader
from competition.task.model import SmallMobileNet
from competition.task.reproducibility import seed_everything


def accuracy(model: torch.nn.Module, loader: Batches) -> float:
    """Score a model with whatever scikit-learn and torch have become by now."""
    model.eval()
    predictions, labels = [], []
    with torch.no_grad():
        for images, targets in loader:
            predictions.append(model(images).argmax(dim=1))
            labels.append(targets)
    return float(sklearn.metrics.balanced_accuracy_score(torch.cat(labels), torch.cat(predictions)))


def grade_in_one_process(cell: str, data: Path) -> list[float]:
    """Run the cell, train with its function, and score on ``test_a``."""
    train, val = (make_loader(TaskDataset(data / "public" / split)) for split in ("train", "val"))
    notebook: dict[str, Any] = {"__name__": "__main__", "train_loader": train, "val_loader": val, "SEED": SEED}
    exec(cell, notebook)
    select_indices = notebook["your_select_indices"]
    seed_everything(SEED, threads=1)
    models = [SmallMobileNet() for _ in range(2)]
    optimizers = [torch.optim.AdamW(m.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY) for m in models]
    for _ in range(NUM_EPOCHS):
        for images, targets in train:
            losses = [functional.cross_entropy(model.train()(images), targets, reduction="none") for model in models]
            for model, optimizer, selection in zip(models, optimizers, select_indices(targets, losses), strict=True):
                if len(selection):
                    optimizer.zero_grad()
                    functional.cross_entropy(model(images[selection]), targets[selection]).backward()
                    optimizer.step()
    test = make_loader(TaskDataset(data / "private" / "test_a"))
    return [accuracy(model, test) for model in models]


if __name__ == "__main__":
    print(json.dumps(grade_in_one_process(Path(sys.argv[1]).read_text(encoding="utf-8"), Path(sys.argv[2]))))
