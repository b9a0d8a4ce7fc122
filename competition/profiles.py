"""The fixed numbers of the data: how many images, which class balance, how much noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from competition.noise import NoiseRates

CLEAN_PRIOR = 0.75
"""Share of class 1 in every split of a named profile, by clean label."""

NOISE = NoiseRates(flip_1_to_0=0.65, flip_0_to_1=0.10, spread_1=0.20, spread_0=0.10)
"""The noise of the training labels; `docs/data.md` shows what was measured with it."""

MAX_IMAGES = 50_000
"""The most images of a split: what a notebook unpacks is bounded in count and size."""

PRACTICE_SEED = 2026
"""The seed of practice data: known to everybody, so never for a ranked contest."""


@dataclass(frozen=True)
class Profile:
    """How many images each split holds, and of which classes.

    Attributes:
        name: for messages and the manifest.
        train, val, test_a, test_b: how many images.
        prior: share of class 1 in every split, by clean label.

    Raises:
        ValueError: a split would lack a class.
    """

    name: str
    train: int
    val: int
    test_a: int
    test_b: int
    prior: float = CLEAN_PRIOR

    def __post_init__(self) -> None:
        if not 0 < self.prior < 1:
            raise ValueError(f"a prior of {self.prior} is not between 0 and 1")
        for split, size in self.sizes().items():
            for label, count in self.counts(split).items():
                if count < 1:
                    raise ValueError(
                        f"of {size} images in {split}, a prior of {self.prior} leaves none to class {label}: "
                        "give more images or another prior"
                    )

    def sizes(self) -> dict[str, int]:
        """Return the number of images per split, in the order in which the splits are drawn."""
        return {"train": self.train, "val": self.val, "test_a": self.test_a, "test_b": self.test_b}

    def counts(self, split: str) -> dict[int, int]:
        """Return the number of images of class 1 and of class 0 in a split, in the order in which they are drawn."""
        size = self.sizes()[split]
        ones = round(self.prior * size)
        return {1: ones, 0: size - ones}


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("standard", 2_000, 1_000, 2_000, 2_000),
        Profile("full", 10_000, 1_000, 2_000, 2_000),
        Profile("debug", 256, 128, 128, 128),
    )
}


def own_profile(profile: Profile, changes: Mapping[str, float | None]) -> Profile:
    """Change a profile's sizes or prior; those that are None stay. What was changed is called ``own``.

    Raises:
        ValueError: see `Profile`.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    return replace(profile, name="own", **given) if given else profile  # type: ignore[arg-type]


def own_noise(flip_rates: tuple[float, float] | None, spread: tuple[float, float] | None) -> NoiseRates:
    """Make the noise with other flip rates or spreads, each of class 0 and of class 1; those that are None stay.

    Raises:
        ValueError: see `NoiseRates`.
    """
    rate_0, rate_1 = flip_rates or (NOISE.flip_0_to_1, NOISE.flip_1_to_0)
    spread_0, spread_1 = spread or NOISE.difficulty_spread()
    return NoiseRates(rate_1, rate_0, spread_1, spread_0)


class ProfileName(StrEnum):
    """The profiles as the command line knows them."""

    STANDARD = "standard"
    FULL = "full"
    DEBUG = "debug"
