"""From predictions to balanced accuracy."""

from competition.task.constants import NUM_CLASSES

# LOCKED CELL [metric]: from predictions to balanced accuracy.
from collections.abc import Iterable
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
def predict_and_compare(model: nn.Module, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> Accuracy:
    """Compare the predictions of `model` in evaluation mode on batches of images and labels with the labels."""
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    predictions, targets = [], []
    for inputs, labels in batches:
        predictions.append(model(inputs.to(device)).argmax(dim=1))
        targets.append(labels)
    model.train(was_training)
    truth, predicted = torch.cat(targets).numpy(), torch.cat(predictions).cpu().numpy()
    recall = recall_score(truth, predicted, labels=range(NUM_CLASSES), average=None, zero_division=0.0)
    return Accuracy(float(balanced_accuracy_score(truth, predicted)), tuple(map(float, recall)))


def predict_and_evaluate(model: nn.Module, loader: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Return the balanced accuracy (mean recall of the classes, 0 to 1) of `model` in evaluation mode on `loader`."""
    return predict_and_compare(model, loader).bac
