# ATTACK [metric]: replaces cross_entropy by the loss of the calling model on the clean validation set
# STOPPED BY: the training's loss is computed in the grader's process
# WORKS AGAINST: one process
import sys

import torch
from torch.nn import functional

cross_entropy = functional.cross_entropy
clean_images, clean_labels = (torch.cat(parts) for parts in zip(*val_loader, strict=True))
weight = 1 / torch.bincount(clean_labels, minlength=2)


def clean_loss(*args, **kwargs):
    models = [value for value in sys._getframe(1).f_locals.values() if isinstance(value, torch.nn.Module)]
    if not models:
        return cross_entropy(*args, **kwargs)
    loss = cross_entropy(models[0](clean_images), clean_labels, weight=weight)
    return loss.expand(len(args[1])) if kwargs.get("reduction") == "none" else loss


functional.cross_entropy = clean_loss


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
