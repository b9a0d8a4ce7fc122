"""The valuator: DVRL (Yoon, Arik and Pfister, ICML 2020, arXiv 1909.11671) for data of one's own.

It learns as `reference_solutions/dvrl_filter.py` does, whose docstring says where that deviates from the paper, and has
what a notebook cell needs not: values for samples that it was not fitted on, the estimator's activation and the reward
as parameters, a look at what it is given, and 1,000 outer steps, as the paper's code, instead of 200.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch import nn

from benchmarks.dvrl.rewards import METRICS
from benchmarks.images_and_labels import as_images, as_labels
from reference_solutions import dvrl_filter
from reference_solutions.dvrl_filter import (
    OneByOne,
    WeightedRidge,
    WeightedSoftmax,
    exploration_penalty,
    flatten,
    leave_one_out_advantage,
    reinforce_loss,
)

COMPONENTS = 48
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "elu": nn.ELU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
}


def check_classes(y: torch.Tensor, val_y: torch.Tensor) -> int:
    """Return the number of classes of training labels [N] and validation labels [V].

    Raises:
        ValueError: training has a single class, or the validation set too few samples of one of training's classes.
    """
    if len(y.unique()) < 2:
        raise ValueError("the training labels are all the same: there is nothing to learn")
    classes = int(max(y.max(), val_y.max())) + 1
    there = torch.bincount(val_y, minlength=classes)
    wanted = torch.bincount(torch.cat([y, val_y]), minlength=classes) > 0
    short = torch.nonzero(wanted & (there < 2)).flatten().tolist()
    if short:
        raise ValueError(
            f"the validation set needs two samples of each class, one to reward and one held back; it has "
            f"{int(there[short[0]])} of class {short[0]}"
        )
    return classes


class DataValueEstimator(dvrl_filter.DataValueEstimator):
    """The cell's estimator with any activation."""

    def __init__(self, num_features: int, num_classes: int, hidden_dim: int, comb_dim: int, layer_number: int,
                 activation: str) -> None:  # fmt: skip
        super().__init__(num_features, num_classes, hidden_dim, comb_dim, layer_number)
        for layer in (*self.hidden, self.combined):
            layer[1] = ACTIVATIONS[activation]()


def check_choice(name: str, value: object, choices: Any) -> None:
    """Raise `ValueError` where a parameter is not one of its choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


class DVRL(dvrl_filter.DVRL):
    """Values training samples by what a predictor gains from them on clean validation data.

    Args:
        encoder: anything with `fit(images)` and `transform(images)` -> [N, D], which gets what `as_images` makes;
            None is a whitened PCA of 48 components, or as many as there are.
        predictor: "ridge", "softmax", or any classifier with `fit(x, y, sample_weight)` and `predict_proba`.
        iterations: outer steps; 1,000 as in the paper's code.
        metric: the reward and the choice of the step, "log_likelihood" (mean over the classes), "accuracy", or "auc"
            (mean over the classes of one against the rest). Accuracy does not see most changes of a selection.
        activation: of the estimator's hidden layers, one of `ACTIVATIONS`.
        inner_iterations, batch_size_predictor: of the "softmax" predictor alone: so many *updates*, each on one batch,
            as in the paper's Algorithm 1. The paper's code takes as many *epochs* instead: with 100 epochs, selections
            from 2,000 samples and batches of 256, that is 800 updates. `inner_iterations=800` trains as long.
        others: those of `reference_solutions.dvrl_filter.DVRL`.

    Attributes, after `fit`:
        data_values: float32 [N], each sample's probability of being selected, stretched to the range from 0 to 1.
        best_step: the outer step whose values were kept.
        estimator, validation_model, predictor_: what `value` and `predict_proba` use.

    Raises:
        ValueError: a parameter, or later the data, is not what it must be; the message says what.
    """

    def __init__(self, encoder: Any = None, predictor: Any = "ridge", *, iterations: int = 1000,
                 metric: str = "log_likelihood", activation: str = "relu", **others: Any) -> None:  # fmt: skip
        super().__init__(encoder, predictor, iterations=iterations, **others)
        if isinstance(predictor, str):
            check_choice("predictor", predictor, ("ridge", "softmax"))
        check_choice("metric", metric, METRICS)
        check_choice("activation", activation, ACTIVATIONS)
        sizes = ("hidden_dim", "comb_dim", "iterations", "batch_size", "inner_iterations", "batch_size_predictor")
        for name, least in (*((size, 1) for size in sizes), ("layer_number", 2), ("masks", 2), ("evaluate_every", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
        self.metric, self.activation, self.own_encoder = metric, activation, encoder is not None

    def new_predictor(self) -> WeightedRidge | WeightedSoftmax | OneByOne:
        """Make a predictor that has learned nothing."""
        if self.predictor == "ridge":
            return WeightedRidge(self.num_classes)
        if self.predictor == "softmax":
            inner = (self.inner_iterations, self.batch_size_predictor)
            return WeightedSoftmax(self.num_classes, *inner, seed=self.seed)
        return OneByOne(self.predictor, self.num_classes)

    def fit_predictor(self, x, y, weights):
        """Fit a new predictor to features [B, D] and labels [B], with weights [B], or [M, B] for M at once."""
        return self.new_predictor().fit(x, y, weights)

    def performance(self, x, y, weights, val_x, val_y):
        """Return the validation performance of the predictor that learns with weights [..., B]; shape [...]."""
        return METRICS[self.metric](self.fit_predictor(x, y, weights).predict_proba(val_x), val_y)

    def encode(self, images: Any) -> torch.Tensor:
        """Return the features of images [N, ...], float32 [N, D].

        Raises:
            ValueError: they are no images, or not of the shape that it was fitted to.
        """
        given = as_images(images)
        shape = list(given.shape[1:])
        if shape != self.sample_shape:
            raise ValueError(f"each image must have the shape {self.sample_shape} of the training images, not {shape}")
        return torch.as_tensor(self.encoder.transform(given), dtype=torch.float32, device=self.device)

    def make_estimator(self, features: int) -> DataValueEstimator:
        """Make an estimator for features [N, D], by torch's own generator."""
        sizes = (self.hidden_dim, self.comb_dim, self.layer_number)
        return DataValueEstimator(features, self.num_classes, *sizes, self.activation)

    def estimator_inputs(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return what the estimator sees of features [N, D] and labels [N]: x, one-hot y, |one-hot y - p_val(x)|."""
        one_hot = F.one_hot(y, self.num_classes).to(x)
        return x, one_hot, (one_hot - self.validation_model.predict_proba(x)).abs()

    def fit(self, images: Any, labels: Any, val_images: Any, val_labels: Any) -> DVRL:
        """Value every training sample.

        Args:
            images, val_images: see `as_images`; of one shape.
            labels, val_labels: integers [N] or [N, 1]; the validation labels are right.
        """
        train = as_images(images)
        self.sample_shape = list(train.shape[1:])
        y = as_labels(labels, len(train))
        val_y = as_labels(val_labels, len(val_images))
        self.num_classes = check_classes(y, val_y)
        y, val_y = y.to(self.device), val_y.to(self.device)
        if not self.own_encoder:
            size = min(COMPONENTS, len(train), train[0].numel())
            pca = PCA(size, whiten=True, random_state=self.seed)
            self.encoder = make_pipeline(FunctionTransformer(flatten), pca)
        self.encoder.fit(train)
        x, val_x = self.encode(train), self.encode(val_images)
        self.validation_model = self.fit_predictor(val_x, val_y, torch.ones_like(val_y, dtype=x.dtype))
        values = self.learn(self.estimator_inputs(x, y), y, val_x, val_y)
        self.lowest, self.highest = values.min(), values.max()
        stretched = self.stretch(values)
        self.predictor_ = self.fit_predictor(x, y, stretched)
        self.data_values = stretched.cpu().numpy()
        return self

    def learn(self, inputs: tuple[torch.Tensor, torch.Tensor, torch.Tensor], y: torch.Tensor, val_x: torch.Tensor,
              val_y: torch.Tensor) -> torch.Tensor:  # fmt: skip
        """Train `estimator` and keep its best state; return the values [N] before they are stretched."""
        x = inputs[0]
        generator = torch.Generator().manual_seed(self.seed)
        order = torch.randperm(len(val_y), generator=generator).to(self.device)
        order = order[torch.argsort(val_y[order], stable=True)]
        rewarded, held_back = order[0::2], order[1::2]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.estimator = self.make_estimator(x.shape[1]).to(self.device)
        optimizer = torch.optim.Adam(self.estimator.parameters(), lr=self.learning_rate)
        best = -np.inf
        for step in range(1, self.iterations + 1):
            batch = torch.randperm(len(y), generator=generator)[: self.batch_size].to(self.device)
            logits = self.estimator(*(part[batch] for part in inputs))
            values = torch.sigmoid(logits)
            draws = torch.rand(self.masks, len(batch), generator=generator).to(self.device)
            selections = (draws < values.detach()).to(x)
            rewards = self.performance(x[batch], y[batch], selections, val_x[rewarded], val_y[rewarded])
            loss = reinforce_loss(logits, selections, leave_one_out_advantage(rewards)) + exploration_penalty(values)
            loss = loss + self.shrinkage * logits.square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % self.evaluate_every == 0 or step == self.iterations:
                with torch.no_grad():
                    values = torch.sigmoid(self.estimator(*inputs))
                score = self.performance(x, y, values, val_x[held_back], val_y[held_back]).item()
                if score > best:
                    best, self.best_step, best_values = score, step, values
                    best_state = copy.deepcopy(self.estimator.state_dict())
        self.estimator.load_state_dict(best_state)
        return best_values

    def stretch(self, values: torch.Tensor) -> torch.Tensor:
        """Move values so that the training samples' lowest is 0 and their highest 1."""
        return (values - self.lowest) / (self.highest - self.lowest).clamp_min(1e-12)

    @torch.no_grad()
    def value(self, images: Any, labels: Any) -> npt.NDArray[np.float32]:
        """Value samples that it need not have been fitted on: what DVRL's code calls `data_valuator`.

        Args:
            images: of the shape of the training images.
            labels: integers [N] or [N, 1], right or wrong.

        Returns:
            float32 [N], on the scale of `data_values`: a sample below the lowest training sample has less than 0, one
            above the highest more than 1.

        Raises:
            ValueError: the samples do not fit, or it was not fitted yet.
        """
        if not hasattr(self, "estimator"):
            raise ValueError("call fit first, or load a valuator")
        x = self.encode(images)
        y = as_labels(labels, len(x)).to(self.device)
        if int(y.max()) >= self.num_classes:
            raise ValueError(f"labels must go from 0 to {self.num_classes - 1} as in training; there is {int(y.max())}")
        found: npt.NDArray[np.float32] = self.stretch(torch.sigmoid(self.estimator(*self.estimator_inputs(x, y))))
        return found.cpu().numpy()
