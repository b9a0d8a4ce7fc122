"""What the course of a training says about its selections, and what to try next."""

from competition.task.epoch import Epoch

# LOCKED CELL [symptoms]: what stands out in a training, and what to try next.
from collections.abc import Sequence

FALL = 0.03  # of the mean BAC, from its peak to the end
VANISHED = 0.1  # recall of a class that is as good as never recognised


def symptoms(history: Sequence[Epoch], available: Sequence[int]) -> list[str]:
    """Say what stands out in a training, a sentence or two each: what it is, and what to try next.

    Args:
        history: one entry per epoch.
        available: how many training samples are labelled with each class.
    """
    found = []
    kept = [[sum(counts) for counts in zip(*(epoch.kept[model] for epoch in history), strict=True)] for model in (0, 1)]
    for model, counts in enumerate(kept, 1):
        if sum(counts) == 0:
            found.append(
                f"Nothing was ever selected for model {model}, so it learned nothing. Print what your function returns."
            )
    if all(counts == [len(history) * count for count in available] for counts in kept):
        found.append(
            "Every sample was selected for both models, wrong labels too: that is what the starter does. Leave out "
            "samples whose loss is large, within each class."
        )
    for label in range(len(available)):
        worst = min(recall[label] for recall in history[-1].val_recall)
        if worst < VANISHED and all(map(sum, kept)):
            found.append(
                f"Class {label} is hardly ever recognised (recall {worst:.2f}): the classes are imbalanced, and one "
                "has more wrong labels. Select as many samples of each class, repeating those of the rarer one."
            )
    means = [sum(epoch.val_bac) / len(epoch.val_bac) for epoch in history]
    peak = max(means)
    if peak - means[-1] >= FALL:
        found.append(
            f"The BAC reached {peak:.3f} after epoch {means.index(peak) + 1} and fell to {means[-1]:.3f}: the models "
            "begin to learn wrong labels by heart. Select fewer samples as the epochs pass (position().epoch tells), "
            "or nothing at all in the last ones."
        )
    if not found and all(epoch.alike for epoch in history):
        found.append(
            "Both models were given the same samples in every batch. Two models pay off where each one learns from "
            "what the other finds easy (co-teaching)."
        )
    return found
