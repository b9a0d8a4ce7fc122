"""The fixed loop: two models, one selection function."""

from competition.task.constants import LEARNING_RATE, NUM_EPOCHS, NUM_THREADS, SEED, WEIGHT_DECAY
from competition.task.data import Batches
from competition.task.epoch import Epoch, Tally, epoch_bar
from competition.task.metric import predict_and_compare
from competition.task.model import SmallMobileNet
from competition.task.reproducibility import DEVICE, keep_freed_memory, seed_everything
from competition.task.selection import SelectIndices, call_select_indices

# LOCKED CELL [training]: the loop that your function works in; edits here change nothing.
import sys
from typing import TextIO

import torch
import torch.nn.functional as F
from torch.optim import AdamW


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
    samples, call = len(train_loader.dataset), 0  # type: ignore[arg-type]
    for epoch in range(epochs):
        tally = Tally(len(models))
        for model in models:
            model.train()
        with epoch_bar(epoch, epochs, len(train_loader), progress) as bar:
            for batch_inputs, batch_targets in train_loader:
                inputs, targets = batch_inputs.to(device), batch_targets.to(device)
                with torch.no_grad():
                    losses = [F.cross_entropy(model(inputs), targets, reduction="none").cpu() for model in models]
                selections = call_select_indices(
                    select_indices, batch_targets, losses, seed=seed, call=call, samples=samples
                )
                tally.selected(batch_targets, selections)
                call += 1
                for which, (model, optimizer, selection) in enumerate(zip(models, optimizers, selections, strict=True)):
                    if len(selection) == 0:
                        continue
                    chosen = selection.to(device)
                    optimizer.zero_grad()
                    loss = F.cross_entropy(model(inputs[chosen]), targets[chosen])
                    loss.backward()
                    optimizer.step()
                    tally.learned(which, loss.item(), len(selection))
                bar.update()
            scores = [predict_and_compare(model, val_loader) for model in models]
            bar.set_postfix_str("val BAC " + " and ".join(f"{score.bac:.3f}" for score in scores))
        history.append(tally.epoch(scores))
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
