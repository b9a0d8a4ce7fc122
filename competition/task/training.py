"""The fixed loop: two models, one selection function."""

from competition.task.constants import LEARNING_RATE, NUM_EPOCHS, NUM_THREADS, SEED, WEIGHT_DECAY
from competition.task.data import Batches
from competition.task.metric import predict_and_evaluate
from competition.task.model import SmallMobileNet
from competition.task.reproducibility import DEVICE, keep_freed_memory, seed_everything
from competition.task.selection import SelectIndices, call_select_indices

# LOCKED CELL [training]: edits here change nothing, the grader runs its own copy of this cell.
from dataclasses import dataclass

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
    """

    train_loss: tuple[float | None, float | None]
    val_bac: tuple[float, float]


def train(
    models: list[SmallMobileNet],
    train_loader: Batches,
    val_loader: Batches,
    select_indices: SelectIndices,
    *,
    seed: int = SEED,
    progress: bool = True,
) -> list[Epoch]:
    """Train both models on what `select_indices` picks from each batch; return one `Epoch` per epoch.

    Per batch: (1) both models see the whole batch in training mode, without gradients, which gives the losses;
    (2) `select_indices` picks; (3) each model takes one AdamW step on the mean loss of a second forward pass over its
    selection. An empty selection skips the step.
    """
    device = next(models[0].parameters()).device
    optimizers = [AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY) for model in models]
    history: list[Epoch] = []
    call = 0
    for epoch in range(1, NUM_EPOCHS + 1):
        loss_sums, sample_counts = [0.0, 0.0], [0, 0]
        for model in models:
            model.train()
        bar = tqdm(total=len(train_loader), desc=f"epoch {epoch}/{NUM_EPOCHS}", disable=not progress, mininterval=0.5)
        with bar:
            for batch_inputs, batch_targets in train_loader:
                inputs, targets = batch_inputs.to(device), batch_targets.to(device)
                with torch.no_grad():
                    losses = [F.cross_entropy(model(inputs), targets, reduction="none").cpu() for model in models]
                selections = call_select_indices(select_indices, batch_targets, losses, seed=seed, call=call)
                call += 1
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
                bar.update()
            bacs = [predict_and_evaluate(model, val_loader) for model in models]
            bar.set_postfix_str(f"val BAC {bacs[0]:.3f} and {bacs[1]:.3f}")
        mean_losses = [total / count if count else None for total, count in zip(loss_sums, sample_counts, strict=True)]
        history.append(Epoch((mean_losses[0], mean_losses[1]), (bacs[0], bacs[1])))
    return history


def train_two_models(
    train_loader: Batches,
    val_loader: Batches,
    select_indices: SelectIndices,
    *,
    seed: int = SEED,
    device: torch.device = DEVICE,
    threads: int = NUM_THREADS,
    progress: bool = True,
) -> tuple[list[SmallMobileNet], list[Epoch]]:
    """Make both models from `seed` on `device` and train them: one whole run, the same for everybody."""
    keep_freed_memory()
    seed_everything(seed, threads)
    models = [SmallMobileNet().to(device).to(memory_format=torch.channels_last) for _ in range(2)]
    seed_everything(seed, threads)
    history = train(models, train_loader, val_loader, select_indices, seed=seed, progress=progress)
    return models, history
