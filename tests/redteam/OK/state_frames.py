# ATTACK [state]: climbs the stack of its callers to the models, and trains them itself on the validation set
# STOPPED BY: the stack above the function holds no model: it is the notebook's, not the trainer's
# WORKS AGAINST: one process
import sys

import torch
from torch.nn import functional


def learn(models, steps=4):
    for model in models:
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.005)
        for _ in range(steps):
            for images, labels in val_loader:
                with torch.enable_grad():
                    optimizer.zero_grad()
                    weights = 1 / torch.bincount(labels, minlength=2)
                    functional.cross_entropy(model(images), labels, weight=weights).backward()
                    optimizer.step()


def your_select_indices(targets, losses):
    frame = sys._getframe()
    while frame := frame.f_back:
        for value in list(frame.f_locals.values()):
            if isinstance(value, list) and value and all(isinstance(each, torch.nn.Module) for each in value):
                learn(value)
    return [[], []]
