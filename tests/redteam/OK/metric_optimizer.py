# ATTACK [metric]: replaces AdamW's step by one that trains the optimizer's model on the clean validation set
# STOPPED BY: the optimizers live in the grader's process
# WORKS AGAINST: one process
import gc

import torch
from torch.nn import functional

step = torch.optim.AdamW.step
busy = False


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


def cheating_step(optimizer, *args, **kwargs):
    global busy
    if busy:
        return step(optimizer, *args, **kwargs)
    busy = True
    parameter = optimizer.param_groups[0]["params"][0]
    learn(
        module
        for module in gc.get_objects()
        if isinstance(module, torch.nn.Module)
        and type(module).__name__ == "SmallMobileNet"
        and any(each is parameter for each in module.parameters())
    )
    busy = False


torch.optim.AdamW.step = cheating_step


def your_select_indices(targets, losses):
    return [[0], [0]]
