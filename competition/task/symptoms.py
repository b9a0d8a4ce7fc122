"""What the course of a training says about its selections, and what to try next."""

from competition.task.epoch import Epoch

# LOCKED CELL [symptoms]: what stands out in a training, and what to try next.
from collections.abc import Sequence

FALL = 0.05  # of the mean BAC below its peak, in both of the last two epochs: one alone may lie so low by chance
SELDOM = 0.25  # recall of a class that is as good as lost


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
    if found:
        return found
    if all(counts == [len(history) * count for count in available] for counts in kept):
        found.append(
            "Every sample was selected for both models, wrong labels too. Leave out samples whose loss is large, "
            "within each class."
        )
    for label in range(len(available)):
        worst = min(recall[label] for recall in history[-1].val_recall)
        if worst < SELDOM:
            found.append(
                f"Class {label} is seldom recognised (recall {worst:.2f}). Select as many samples of each class from "
                "every batch, repeating those of the rarer one. If you do that already, select fewer of the other "
                f"class, those with a small loss: pictures of class {label} may be among them with a wrong label."
            )
    means = [sum(epoch.val_bac) / len(epoch.val_bac) for epoch in history]
    peak = max(means)
    if peak - max(means[-2:]) >= FALL:
        found.append(
            f"The BAC reached {peak:.3f} after epoch {means.index(peak) + 1} and was {means[-1]:.3f} at the end: "
            "models that see wrong labels for long learn them by heart. Select fewer samples as the epochs pass "
            "(position().epoch tells), or nothing at all in the last ones."
        )
    if not found and all(epoch.alike for epoch in history):
        found.append(
            "Both models were given the same samples in every batch, so neither makes up for what the other takes "
            "wrongly. Compare: let each learn from what the other finds easy (co-teaching)."
        )
    return found
