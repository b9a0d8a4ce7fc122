# ATTACK [state]: finds both models among all objects of the garbage collector, and trains them itself
# STOPPED BY: the models are objects of another process
# WORKS AGAINST: one process
import gc

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
    learn(
        each
        for each in gc.get_objects()
        if isinstance(each, torch.nn.Module) and type(each).__name__ == "SmallMobileNet"
    )
    return [[], []]
