"""The novice: a LeNet with dropout, how sure it is of a label, and how it learns from what the teacher told.

All is as in the authors' experiment, who take network and optimizer from the library TorchUncertainty. The first drop
of its learning rate, after 25 whole epochs, is never reached there: soon an update is less than one epoch.
"""

from __future__ import annotations

from itertools import islice

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

CLASSES = 10
BATCH_SIZE = 128
DROPOUT = 0.4
PASSES = 16
UPDATE_STEPS = 5  # of an update
PADDING = 4  # of the random crop
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 0.1, 0.9, 5e-4

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class LeNet(nn.Module):
    """LeNet-5 with dropout of channels after each convolution, and of units after each hidden dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2))
        self.rest = nn.Sequential(
            *(nn.Dropout2d(DROPOUT), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout2d(DROPOUT)),
            *(nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Dropout(DROPOUT)),
            *(nn.Linear(120, 84), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(84, CLASSES)),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Run one pass with dropout: float32 [B, 1, 28, 28] -> logits float32 [B, 10]."""
        logits: torch.Tensor = self.rest(self.first(images))
        return logits

    @torch.no_grad()
    def monte_carlo(self, images: torch.Tensor) -> torch.Tensor:
        """Return the mean probabilities [B, 10] of 16 passes; before the first dropout all passes are the same."""
        logits = self.rest(self.first(images).repeat(PASSES, 1, 1, 1))
        return logits.softmax(1).view(PASSES, len(images), CLASSES).mean(0)


def random_crop(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Move each image by up to 4 pixels in both directions: float32 [B, 1, 28, 28].

    What enters at the edges is the darkest value of all, the images' background.
    """
    windows = F.pad(images[:, 0], (PADDING,) * 4, value=float(images.min()))
    windows = windows.unfold(1, images.shape[2], 1).unfold(2, images.shape[3], 1)  # a view: [B, 9, 9, 28, 28]
    down, right = rng.integers(0, 2 * PADDING + 1, (2, len(images)))
    return windows[torch.arange(len(images)), torch.from_numpy(down), torch.from_numpy(right)].unsqueeze(1)


class Novice:
    """A novice on the device of the images.

    Args:
        images: float32 [N, 1, 28, 28], of mean 0 and deviation 1; labels: int64 [N], what a teacher would tell.
        seed: of the weights and of dropout, by torch's global generator; and of batches and crops.
        crop: whether it learns from randomly cropped images.
    """

    def __init__(self, images: torch.Tensor, labels: torch.Tensor, seed: np.random.SeedSequence, crop: bool) -> None:
        self.images, self.labels, self.crop = images, labels, crop
        torch.manual_seed(int(seed.generate_state(1)[0]))
        self.rng = np.random.default_rng(seed)
        self.model = LeNet().to(images.device)
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), LEARNING_RATE, MOMENTUM, weight_decay=WEIGHT_DECAY, nesterov=True
        )

    def predict(self, rows: Integers) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Return the uncertainty u = 1 - max p(y | x) of each image, and whether its most probable label is wrong.

        A network that diverged has no probabilities; then it is as uncertain as can be.
        """
        samples = torch.from_numpy(rows).to(self.images.device)
        confidence, prediction = self.model.monte_carlo(self.images[samples]).max(1)
        uncertainty = (1 - confidence.cpu().numpy()).astype(np.float64)
        return np.nan_to_num(uncertainty, nan=1.0), (prediction != self.labels[samples]).cpu().numpy()

    def update(self, known: Integers) -> None:
        """Take 5 steps on batches of the samples whose labels are known, in a new random order for each epoch."""
        epochs = (self.rng.permutation(known) for _ in range(UPDATE_STEPS))
        batches = (batch for epoch in epochs for batch in np.split(epoch, range(BATCH_SIZE, len(epoch), BATCH_SIZE)))
        for rows in islice(batches, UPDATE_STEPS):
            samples = torch.from_numpy(rows).to(self.images.device)
            images = self.images[samples]
            self.optimizer.zero_grad()
            logits = self.model(random_crop(images, self.rng) if self.crop else images)
            F.cross_entropy(logits, self.labels[samples]).backward()
            self.optimizer.step()
