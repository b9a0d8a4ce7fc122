# ATTACK [metric]: overwrites the training images and labels in memory with those of the clean validation set
# STOPPED BY: the grader trains on data of its own, which it reads and verifies itself
# WORKS AGAINST: one process
import torch

train, clean = train_loader.dataset, val_loader.dataset
balanced = [torch.nonzero(clean.targets == label).flatten() for label in (0, 1)]
rows = torch.stack([members.repeat(len(train))[: len(train) // 2] for members in balanced], dim=1).flatten()
train.images.copy_(clean.images[rows])
train.targets.copy_(clean.targets[rows])


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
