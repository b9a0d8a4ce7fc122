# ATTACK [state]: overwrites the batch's noisy labels in place with better ones, and the losses' values too
# STOPPED BY: targets and losses are copies of what the trainer uses, in another process
import torch
from sklearn.linear_model import LogisticRegression

clean = val_loader.dataset
judge = LogisticRegression(max_iter=300, C=0.01, class_weight="balanced")
judge.fit(clean.images.flatten(1).numpy(), clean.targets.numpy())
better = torch.from_numpy(judge.predict(train_loader.dataset.images.flatten(1).numpy()))
weights = 1 / torch.bincount(better, minlength=2)
start = 0


def your_select_indices(targets, losses):
    global start
    guess = better[start : start + len(targets)]
    start = (start + len(targets)) % len(better)
    targets.copy_(guess)
    for loss in losses:
        loss.data.mul_(0)
    classes = [torch.nonzero(guess == label).flatten() for label in (0, 1)]
    few = min(map(len, classes))
    return [torch.cat([members[:few] for members in classes])] * 2
