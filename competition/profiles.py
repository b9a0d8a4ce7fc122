"""The fixed numbers of the data: how many images, which class balance, how much noise."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from competition.noise import NoiseRates

CLEAN_PRIOR = 0.75
"""Share of class 1 in every split, by clean label."""

NOISE = NoiseRates(flip_1_to_0=0.65, flip_0_to_1=0.10, spread_1=0.20, spread_0=0.10)
"""The noise of the training labels; `docs/data.md` shows what was measured with it."""

PRACTICE_SEED = 2026
"""The seed of practice data: known to everybody, so never for a ranked contest."""


@dataclass(frozen=True)
class Profile:
    """How many images each split holds."""

    name: str
    train: int
    val: int
    test_a: int
    test_b: int

    def sizes(self) -> dict[str, int]:
        """Return the number of images per split, in the order in which the splits are drawn."""
        return {"train": self.train, "val": self.val, "test_a": self.test_a, "test_b": self.test_b}


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("full", 10_000, 1_000, 2_000, 2_000),
        Profile("mini", 2_000, 500, 1_000, 1_000),
        Profile("debug", 256, 128, 128, 128),
    )
}


class ProfileName(StrEnum):
    """The profiles as the command line knows them."""

    FULL = "full"
    MINI = "mini"
    DEBUG = "debug"
