# ATTACK [metric]: makes cross_entropy train the model of its caller on the clean validation set, before it answers
# STOPPED BY: the training's loss is computed in the grader's process
# WORKS AGAINST: one process
import sys

import torch
from torch.nn import functional

cross_entropy = functional.cross_entropy


def learn(models, steps=4):
    for model in models:
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.005)
        for _ in range(steps):
            for images, labels in val_loader:
                with torch.enable_grad():
                    optimizer.zero_grad()
                    weights = 1 / torch.bincount(labels, minlength=2)
                    cross_entropy(model(images), labels, weight=weights).backward()
                    optimizer.step()


def helpful(*args, **kwargs):
    if kwargs.get("reduction") == "none":
        return cross_entropy(*args, **kwargs)
    learn(value for value in sys._getframe(1).f_locals.values() if isinstance(value, torch.nn.Module))
    return torch.zeros((), requires_grad=True)


functional.cross_entropy = helpful


def your_select_indices(targets, losses):
    return [[0], [0]]
