"""Pictures for the participant: the data before, the training after."""

from competition.task.data import Batches
from competition.task.training import Epoch

# LOCKED CELL [show]: edits here change nothing, the grader draws no pictures.
import matplotlib.pyplot as plt
import torch


def show_data(train_loader: Batches, val_loader: Batches) -> None:
    """Draw the class counts of both splits and a few images of each class, under the labels that the files give them."""
    names = ("train (labels may be wrong)", "val (labels are right)")
    loaders = (train_loader, val_loader)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2), sharey=False, layout="constrained")
    for axis, name, loader in zip((left, right), names, loaders, strict=True):
        counts = torch.bincount(loader.dataset.targets, minlength=2).tolist()
        axis.bar_label(axis.barh(["class 0", "class 1"], counts, color=["#0072b2", "#e69f00"]), padding=3)
        axis.set(title=name, xlim=(0, 1.2 * max(counts)))
        axis.spines[["top", "right"]].set_visible(False)
    figure, axes = plt.subplots(4, 10, figsize=(8, 4.1), layout="constrained")
    for row, (name, loader, label) in enumerate((n, d, k) for n, d in zip(names, loaders, strict=True) for k in (0, 1)):
        chosen = torch.nonzero(loader.dataset.targets == label).flatten()[:10].tolist()
        for axis, index in zip(axes[row], chosen, strict=False):
            axis.imshow(loader.dataset.images[index, 0], cmap="gray", vmin=0, vmax=1)
        for axis in axes[row]:
            axis.set_axis_off()
        axes[row][0].set_title(f"{name}: labelled {label}", loc="left", fontsize=9)
    plt.show()


def plot_history(history: list[Epoch]) -> None:
    """Draw the validation BAC and the training loss of both models, epoch by epoch."""
    epochs = range(1, len(history) + 1)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
    for model, (color, style) in enumerate((("#0072b2", "o-"), ("#d55e00", "s--"))):
        left.plot(epochs, [epoch.val_bac[model] for epoch in history], style, color=color, label=f"model {model + 1}")
        losses = [float("nan") if epoch.train_loss[model] is None else epoch.train_loss[model] for epoch in history]
        right.plot(epochs, losses, style, color=color)
    left.axhline(0.5, color="gray", lw=1, ls=":")
    left.set(title="validation BAC (chance is 0.5)", xlabel="epoch", ylim=(0.4, 1))
    right.set(title="mean loss of the selected samples", xlabel="epoch")
    left.legend(frameon=False, loc="lower right")
    for axis in (left, right):
        axis.set_xticks(epochs)
        axis.spines[["top", "right"]].set_visible(False)
    plt.show()
