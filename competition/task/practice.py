"""A training at home: the same run as at the grader, then what came of it."""

from competition.task.constants import NUM_CLASSES, NUM_EPOCHS
from competition.task.data import TaskDataset
from competition.task.model import SmallMobileNet
from competition.task.points import performance
from competition.task.solution_cell import LOADERS, Solution, cells_run, locked, restore_names, solution_text
from competition.task.symptoms import symptoms
from competition.task.epoch import Epoch
from competition.task.training import train_two_models

# LOCKED CELL [practice]: a training at home, the same as at the grader.
import sys
import textwrap

import matplotlib.pyplot as plt
import torch

attempts: list[str] = globals().get("attempts", [])  # of this session, also when this cell is run again
QUICK_NOTICE = "QUICK is on: one epoch of six, to see whether it runs. The grader trains all six, and so should you."


def table_of(epoch: Epoch, available: list[int]) -> str:
    """Return the figures of an epoch as lines of text, a column for each model."""
    rows = [("", *(f"model {which}" for which in (1, 2)))]
    rows.append(("validation BAC", *(f"{bac:.4f}" for bac in epoch.val_bac)))
    for label in range(NUM_CLASSES):
        rows.append((f"recall of class {label}", *(f"{recall[label]:.4f}" for recall in epoch.val_recall)))
    for label, count in enumerate(available):
        rows.append((f"samples labelled {label}, of {count:,}", *(f"{kept[label]:,}" for kept in epoch.kept)))
    return "\n".join(f"{name:<32}{first:>9}{second:>9}" for name, first, second in rows)


def plot_history(history: list[Epoch]) -> None:
    """Draw the validation BAC and the training loss of both models, epoch by epoch, and the line of full marks."""
    epochs = range(1, len(history) + 1)
    _, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
    for model, (color, style) in enumerate((("#0072b2", "o-"), ("#d55e00", "s--"))):
        left.plot(epochs, [epoch.val_bac[model] for epoch in history], style, color=color, label=f"model {model + 1}")
        losses = [float("nan") if epoch.train_loss[model] is None else epoch.train_loss[model] for epoch in history]
        right.plot(epochs, losses, style, color=color)
    for bac, meaning in ((0.5, "0 points"), (0.8, "100 points")):
        left.axhline(bac, color="gray", lw=1, ls=":")
        left.annotate(meaning, (1, bac), xycoords=("axes fraction", "data"), ha="right", va="bottom", color="gray")
    left.set(title="validation BAC", xlabel="epoch", ylim=(0.4, 1.05))
    right.set(title="mean loss of the selected samples", xlabel="epoch")
    left.legend(frameon=False, loc="upper left", ncols=2)
    for axis in (left, right):
        axis.set_xticks(epochs)
        axis.spines[["top", "right"]].set_visible(False)
    plt.show()


def practise() -> tuple[list[SmallMobileNet], list[Epoch]]:
    """Train both models with the solution cell as it was run last, and show what came of it.

    Raises:
        SolutionError, PresentationError: in the words of ``grader check``.
    """
    restore_names()
    main = sys.modules["__main__"]
    train_loader, val_loader = (locked[name] for name in LOADERS)
    text, notices = solution_text(cells_run())
    try:
        solution = Solution(text)
        quick = bool(getattr(solution.module, "QUICK", False))
        for notice in [*notices, *([QUICK_NOTICE] if quick else [])]:
            print(f"notice: {notice}")
        models, history = train_two_models(train_loader, val_loader, solution, epochs=1 if quick else NUM_EPOCHS)
    finally:
        sys.modules["__main__"] = main
    plot_history(history)
    dataset = train_loader.dataset
    assert isinstance(dataset, TaskDataset)
    available = torch.bincount(dataset.targets, minlength=NUM_CLASSES).tolist()
    bac_mean = sum(history[-1].val_bac) / len(history[-1].val_bac)
    print(f"After epoch {len(history)}; samples: the different ones that a model learned from in it.\n")
    print(f"{table_of(history[-1], available)}\n")
    points = "no points: QUICK never counts" if quick else f"{performance(bac_mean)} points"
    print(f"mean validation BAC {bac_mean:.4f}: {points} (0 up to 0.5, 100 from 0.8 on)\n")
    for symptom in symptoms(history, available):
        print(textwrap.fill(f"- {symptom}", 88, subsequent_indent="  "))
    attempts.append(f"{bac_mean:.4f}, {points}")
    print("\nYour attempts in this session:")
    for number, attempt in enumerate(attempts, 1):
        print(f"{number:>4}: {attempt}")
    return models, history
