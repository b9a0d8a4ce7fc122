"""From predictions to balanced accuracy."""

from competition.task.constants import NUM_CLASSES
from competition.task.data import Batches

# LOCKED CELL [metric]: from predictions to balanced accuracy.
from dataclasses import dataclass

import torch
from sklearn.metrics import balanced_accuracy_score, recall_score
from torch import nn


@dataclass(frozen=True)
class Accuracy:
    """How well a model does: balanced accuracy, and the recall of each class, of which it is the mean; 0 to 1."""

    bac: float
    recall: tuple[float, ...]


@torch.no_grad()
def predict_and_compare(model: nn.Module, loader: Batches) -> Accuracy:
    """Compare the predictions of `model` in evaluation mode on `loader` with its labels."""
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    predictions, targets = [], []
    for inputs, labels in loader:
        predictions.append(model(inputs.to(device)).argmax(dim=1).cpu())
        targets.append(labels)
    model.train(was_training)
    truth, predicted = torch.cat(targets).numpy(), torch.cat(predictions).numpy()
    recall = recall_score(truth, predicted, labels=range(NUM_CLASSES), average=None, zero_division=0.0)
    return Accuracy(float(balanced_accuracy_score(truth, predicted)), tuple(map(float, recall)))


def predict_and_evaluate(model: nn.Module, loader: Batches) -> float:
    """Return the balanced accuracy (mean recall of the classes, 0 to 1) of `model` in evaluation mode on `loader`."""
    return predict_and_compare(model, loader).bac
