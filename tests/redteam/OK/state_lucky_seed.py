# ATTACK [state]: looks at no loss, and trains copies of both models on many random selections to keep the luckiest
# STOPPED BY: nothing, as the training's seed is known and this is work like any other: it earns what it selects. Other
#   seeds for the final ranking (--seed) take the luck away.
import random

import torch

labels = train_loader.dataset.targets


def simulated(draw):
    _, history = train_two_models(
        train_loader, val_loader, lambda targets, losses: chosen(targets, draw), seed=SEED, progress=None
    )
    return sum(history[-1].val_bac)


def chosen(targets, draw):
    mixed = random.Random(draw)
    ones = [place for place, label in enumerate(targets.tolist()) if label == 1]
    zeros = [place for place, label in enumerate(targets.tolist()) if label == 0]
    return [mixed.sample(ones, len(ones) // 2) + mixed.sample(zeros, len(zeros) // 2)] * 2


best = max(range(2), key=simulated)


def your_select_indices(targets, losses):
    return chosen(targets, best)
