"""A small convolutional network as an estimator that learns on: each fit begins with the weights of the last."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

FIRST_STEPS = 500
STEPS = 20  # of each further fit
BATCH_SIZE = 64
LARGE_STEPS = 400
LEARNING_RATE, LATER_RATE = 1e-3, 3e-4  # after the large steps the small ones, so that figures jump less
PREDICTED_AT_ONCE = 1_000


class LearningOn:
    """An estimator for `ActiveLearner`: images float32 [N, 28, 28] from 0 to 1, labels int64 [N].

    The first fit takes `FIRST_STEPS` steps of Adam on random batches of the labelled images, each further one `STEPS`,
    on with the same weights; so a new answer is learned beside the old ones, and none is forgotten for it.
    """

    def __init__(self, classes: int, seed: int):
        self.order = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = nn.Sequential(
                *(nn.Conv2d(1, 8, 5, stride=2, padding=2), nn.ReLU()),
                *(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
                *(nn.Linear(16 * 7 * 7, 64), nn.ReLU(), nn.Linear(64, classes)),
            )
        self.optimizer = torch.optim.Adam(self.network.parameters(), LEARNING_RATE)
        self.steps = 0  # so far

    def fit(self, images: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> LearningOn:
        """Learn on from all that is labelled now."""
        self.learn(images, labels, STEPS if self.steps else FIRST_STEPS)
        return self

    def learn(self, images: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], steps: int) -> None:
        """Take so many steps on random batches."""
        inputs, targets = torch.from_numpy(images)[:, None], torch.from_numpy(labels)
        for _ in range(steps):
            rows = torch.randperm(len(targets), generator=self.order)[:BATCH_SIZE]
            self.optimizer.zero_grad()
            F.cross_entropy(self.network(inputs[rows]), targets[rows]).backward()
            self.optimizer.param_groups[0]["lr"] = LEARNING_RATE if self.steps < LARGE_STEPS else LATER_RATE
            self.optimizer.step()
            self.steps += 1

    @torch.no_grad()
    def predict_proba(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the probability of each class, float32 [N, classes]."""
        parts = torch.from_numpy(images)[:, None].split(PREDICTED_AT_ONCE)
        probabilities: npt.NDArray[np.float32] = torch.cat([self.network(part).softmax(1) for part in parts]).numpy()
        return probabilities

    def predict(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Return the likeliest class of each image, int64 [N]."""
        likeliest: npt.NDArray[np.int64] = self.predict_proba(images).argmax(1)
        return likeliest

    def accuracy(self, images: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> float:
        """Return the share of images whose likeliest class is their label."""
        return float((self.predict(images) == labels).mean())
