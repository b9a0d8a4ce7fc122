"""From predictions to balanced accuracy, and from balanced accuracy to points."""

from competition.task.data import Batches

# LOCKED CELL [metric]: edits here change nothing, the grader runs its own copy of this cell.
import torch
from sklearn.metrics import balanced_accuracy_score
from torch import nn


@torch.no_grad()
def predict_and_evaluate(model: nn.Module, loader: Batches) -> float:
    """Return the balanced accuracy (mean recall of the classes, 0 to 1) of `model` in evaluation mode on `loader`."""
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    predictions, targets = [], []
    for inputs, labels in loader:
        predictions.append(model(inputs.to(device)).argmax(dim=1).cpu())
        targets.append(labels)
    model.train(was_training)
    return float(balanced_accuracy_score(torch.cat(targets).numpy(), torch.cat(predictions).numpy()))


def performance(bac_mean: float) -> int:
    """Turn the mean BAC of the two models into points: 0 up to 0.5, 100 from 0.8 on, linear between, rounded."""
    return round(100 * min(max((bac_mean - 0.5) / 0.3, 0.0), 1.0))
