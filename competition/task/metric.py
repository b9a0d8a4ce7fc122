"""From predictions to balanced accuracy."""

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
