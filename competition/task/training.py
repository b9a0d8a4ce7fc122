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
    optimizers = [
        AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True) for model in models
    ]
    # The loaders never shuffle, so each batch is made, and brought to the device, once.
    batches = [(inputs.to(device), labels.to(device), labels) for inputs, labels in train_loader]
    val_batches = [(inputs.to(device), labels) for inputs, labels in val_loader]
    history: list[Epoch] = []
    samples, call = sum(len(labels) for _, _, labels in batches), 0
    for epoch in range(epochs):
        tally = Tally(len(models))
        for model in models:
            model.train()
        with epoch_bar(epoch, epochs, len(batches), progress) as bar:
            for inputs, targets, labels in batches:
                with torch.no_grad():
                    losses = torch.stack(
                        [F.cross_entropy(model(inputs), targets, reduction="none") for model in models]
                    )
                # On a GPU, which works on while Python does, each batch waits twice: here, and for the indices.
                selections = call_select_indices(
                    select_indices, labels, list(losses.cpu()), seed=seed, call=call, samples=samples
                )
                tally.selected(labels, selections)
                call += 1
                indices = torch.cat(selections).to(device).split([len(selection) for selection in selections])
                for which, (model, optimizer, chosen) in enumerate(zip(models, optimizers, indices, strict=True)):
                    if len(chosen) == 0:
                        continue
                    optimizer.zero_grad()
                    loss = F.cross_entropy(model(inputs[chosen]), targets[chosen])
                    loss.backward()
                    optimizer.step()
                    tally.learned(which, loss.detach(), len(chosen))
                bar.update()
            scores = [predict_and_compare(model, val_batches) for model in models]
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
