"""Wrong labels as a pure function of clean labels, instance difficulty, rates and a generator.

The noise transition matrix T[i][j] = P(noisy = j | clean = i) gives each class its mean flip rate. Around that mean the
rate of an image grows linearly with its difficulty's rank within the class, as real annotators err more often on hard
images (instance-dependent noise; Xia et al., Part-dependent label noise, 2020).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class NoiseRates:
    """How often labels flip.

    Attributes:
        flip_1_to_0, flip_0_to_1: mean flip rate of each clean class, 0 to 1.
        spread_1, spread_0: how far the rate of the easiest image lies below that mean, and of the hardest above it.

    Raises:
        ValueError: a mean rate plus or minus its spread leaves [0, 1]; or both rates make 1 or more, so that the labels
            would tell nothing of the classes, or the contrary (Menon et al., 2015).
    """

    flip_1_to_0: float
    flip_0_to_1: float
    spread_1: float = 0.0
    spread_0: float = 0.0

    def __post_init__(self) -> None:
        for label, mean, spread in ((0, self.flip_0_to_1, self.spread_0), (1, self.flip_1_to_0, self.spread_1)):
            if not (spread >= 0 and 0 <= mean - spread <= mean + spread <= 1):
                raise ValueError(f"class {label}: flip rate {mean} with spread {spread} leaves the range 0 to 1")
        if self.flip_0_to_1 + self.flip_1_to_0 >= 1:
            raise ValueError(
                f"the flip rates {self.flip_0_to_1} and {self.flip_1_to_0} make 1 or more together: the labels would "
                "tell nothing of the classes"
            )

    def transition_matrix(self) -> list[list[float]]:
        """Return T[i][j] = P(noisy = j | clean = i)."""
        return [[1 - self.flip_0_to_1, self.flip_0_to_1], [self.flip_1_to_0, 1 - self.flip_1_to_0]]

    def difficulty_spread(self) -> list[float]:
        """Return the spread of class 0 and of class 1."""
        return [self.spread_0, self.spread_1]


def found_matrix(clean: npt.NDArray[np.int64], noisy: npt.NDArray[np.int64]) -> list[list[float]]:
    """Return the share of each noisy label within each clean class, which holds at least one image: T as found."""
    return [[float((noisy[clean == i] == j).mean()) for j in (0, 1)] for i in (0, 1)]


def flip_probabilities(
    clean: npt.NDArray[np.int64], difficulty: npt.NDArray[np.float32], rates: NoiseRates
) -> npt.NDArray[np.float64]:
    """Return each image's flip rate, float64 [N], from its clean label (0 or 1) and difficulty (higher is harder)."""
    from scipy.stats import rankdata  # loads slowly, and whoever only names rates needs none of it

    probabilities = np.empty(len(clean))
    for label, mean, spread in ((0, rates.flip_0_to_1, rates.spread_0), (1, rates.flip_1_to_0, rates.spread_1)):
        members = clean == label
        rank = (rankdata(difficulty[members]) - 0.5) / max(members.sum(), 1)
        probabilities[members] = mean + spread * (2 * rank - 1)
    return probabilities


def flipped(
    clean: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64], generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Flip each clean label, 0 or 1, with its probability; return the noisy labels. All are [N]."""
    return np.where(generator.random(len(clean)) < probabilities, 1 - clean, clean)


def noisy_labels(
    clean: npt.NDArray[np.int64],
    difficulty: npt.NDArray[np.float32],
    rates: NoiseRates,
    generator: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """Flip each clean label (0 or 1, int64 [N]) at its image's rate; return the noisy labels, int64 [N]."""
    return flipped(clean, flip_probabilities(clean, difficulty, rates), generator)
