"""A look at the data."""

from competition.task.data import TaskDataset

# LOCKED CELL [show]: draws the data.
import matplotlib.pyplot as plt
import torch


def show_data(train: TaskDataset, val: TaskDataset) -> None:
    """Draw the class counts of both splits, and a few images of each class as the files label them."""
    names = ("train (labels may be wrong)", "val (labels are right)")
    datasets = (train, val)
    _, (left, right) = plt.subplots(1, 2, figsize=(8, 2), sharey=False, layout="constrained")
    for axis, name, dataset in zip((left, right), names, datasets, strict=True):
        counts = torch.bincount(dataset.targets, minlength=2).tolist()
        axis.bar_label(axis.barh(["class 0", "class 1"], counts, color=["#0072b2", "#e69f00"]), padding=3)
        axis.set(title=name, xlim=(0, 1.2 * max(counts)), xticks=[])
        axis.spines[["top", "right", "bottom"]].set_visible(False)
    _, axes = plt.subplots(4, 10, figsize=(8, 4.1), gridspec_kw={"hspace": 0.35, "wspace": 0.08})
    rows = [(name, dataset, label) for name, dataset in zip(names, datasets, strict=True) for label in (0, 1)]
    for row, (name, dataset, label) in zip(axes, rows, strict=True):
        chosen = torch.nonzero(dataset.targets == label).flatten()[:10].tolist()
        for axis, index in zip(row, chosen, strict=False):
            axis.imshow(dataset.images[index, 0], cmap="gray", vmin=0, vmax=1)
        for axis in row:
            axis.set_axis_off()
        row[0].set_title(f"{name}: labelled {label}", loc="left", fontsize=9).set_in_layout(False)
    plt.show()
