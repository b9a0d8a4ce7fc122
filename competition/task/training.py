"""The fixed loop: two models, one selection function."""

from competition.task.constants import LEARNING_RATE, NUM_CLASSES, NUM_EPOCHS, NUM_THREADS, SEED, WEIGHT_DECAY
from competition.task.data import Batches
from competition.task.metric import predict_and_compare
from competition.task.model import SmallMobileNet
from competition.task.reproducibility import DEVICE, keep_freed_memory, seed_everything
from competition.task.selection import SelectIndices, call_select_indices

# LOCKED CELL [training]: edits here change nothing, the grader runs its own copy of this cell.
import sys
from dataclasses import dataclass
from typing import TextIO

import torch
import torch.nn.functional as F
from torch.optim import AdamW
from tqdm import tqdm


@dataclass(frozen=True)
class Epoch:
    """What one epoch did, per model.

    Attributes:
        train_loss: mean loss of the samples that the model learned from; None where it learned from none.
        val_bac: balanced accuracy on the validation set after the epoch.
        val_recall: recall of each class there.
        kept: of each class, by its label in the file, how many different samples the model learned from.
        alike: whether both models were given the same selection in every batch.
    """

    train_loss: tuple[float | None, ...]
    val_bac: tuple[float, ...]
    val_recall: tuple[tuple[float, ...], ...]
    kept: tuple[tuple[int, ...], ...]
    alike: bool


def train(
    models: list[SmallMobileNet],
    train_loader: Batches,
    val_loader: Batches,
    select_indices: SelectIndices,
    *,
    seed: int = SEED,
    epochs: int = NUM_EPOCHS,
    progress: TextIO | None = sys.stdout,
) -> list[Epoch]:
    """Train both models on what `select_indices` picks from each batch; return one `Epoch` per epoch.

    Per batch: (1) both models see the whole batch in training mode, without gradients, which gives the losses;
    (2) `select_indices` picks; (3) each model takes one AdamW step on the mean loss of a second forward pass over its
    selection. An empty selection skips the step.
    """
    device = next(models[0].parameters()).device
    optimizers = [AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY) for model in models]
    history: list[Epoch] = []
    samples, call = len(train_loader.dataset), 0  # type: ignore[arg-type]  # a TaskDataset has a length
    for epoch in range(1, epochs + 1):
        loss_sums, sample_counts, alike = [0.0, 0.0], [0, 0], True
        kept = torch.zeros(len(models), NUM_CLASSES, dtype=torch.int64)
        for model in models:
            model.train()
        bar = tqdm(
            total=len(train_loader),
            desc=f"epoch {epoch}/{epochs}",
            disable=progress is None,
            file=progress,
            mininterval=0.5,
            bar_format="{desc} {bar:20} {elapsed}, {remaining} left{postfix}",
        )
        with bar:
            for batch_inputs, batch_targets in train_loader:
                inputs, targets = batch_inputs.to(device), batch_targets.to(device)
                with torch.no_grad():
                    losses = [F.cross_entropy(model(inputs), targets, reduction="none").cpu() for model in models]
                selections = call_select_indices(
                    select_indices, batch_targets, losses, seed=seed, call=call, samples=samples
                )
                call += 1
                alike = alike and torch.equal(*selections)
                for which, (model, optimizer, selection) in enumerate(zip(models, optimizers, selections, strict=True)):
                    if len(selection) == 0:
                        continue
                    chosen = selection.to(device)
                    optimizer.zero_grad()
                    loss = F.cross_entropy(model(inputs[chosen]), targets[chosen])
                    loss.backward()
                    optimizer.step()
                    loss_sums[which] += loss.item() * len(selection)
                    sample_counts[which] += len(selection)
                    kept[which] += batch_targets[selection.unique()].bincount(minlength=NUM_CLASSES)
                bar.update()
            scores = [predict_and_compare(model, val_loader) for model in models]
            bar.set_postfix_str("val BAC " + " and ".join(f"{score.bac:.3f}" for score in scores))
        history.append(
            Epoch(
                train_loss=tuple(
                    total / count if count else None for total, count in zip(loss_sums, sample_counts, strict=True)
                ),
                val_bac=tuple(score.bac for score in scores),
                val_recall=tuple(score.recall for score in scores),
                kept=tuple(tuple(counts) for counts in kept.tolist()),
                alike=alike,
            )
        )
    return history


def train_two_models(
    train_loader: Batches,
    val_loader: Batches,
    select_indices: SelectIndices,
    *,
    seed: int = SEED,
    device: torch.device = DEVICE,
    threads: int = NUM_THREADS,
    epochs: int = NUM_EPOCHS,
    progress: TextIO | None = sys.stdout,
) -> tuple[list[SmallMobileNet], list[Epoch]]:
    """Make both models from `seed` on `device` and train them: one whole run, the same for everybody."""
    keep_freed_memory()
    seed_everything(seed, threads)
    models = [SmallMobileNet().to(device).to(memory_format=torch.channels_last) for _ in range(2)]
    seed_everything(seed, threads)
    history = train(models, train_loader, val_loader, select_indices, seed=seed, epochs=epochs, progress=progress)
    return models, history
