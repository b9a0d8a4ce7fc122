"""The gate of one stream: the reference's threshold on uncertainty, and what is left of it in the ablations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reference_solutions.sag_gate import MODES, detrend, invert, newest_window, sag

N_MIN = 50
P_RAND = 0.1
LEFT_OUT = ("regression", "imputation", "crop")  # parts that an ablation can do without


@dataclass(frozen=True)
class Setting:
    """What is wanted of one stream, and what is left out.

    Attributes:
        mode: what is held: sensitivity, specificity or success.
        s_des: at which value, 0 to 1.
        p_rand: probability of a random query.
        regression: whether the trend of uncertainty over time is taken out first.
        imputation: whether unknown outcomes are drawn from a model; without, the known ones alone decide.
        crop: whether the novice learns from randomly cropped images.
    """

    mode: str
    s_des: float
    p_rand: float = P_RAND
    regression: bool = True
    imputation: bool = True
    crop: bool = True

    def __post_init__(self) -> None:
        """Refuse what no gate can hold.

        Raises:
            ValueError: which parameter, and what it may be.
        """
        if self.mode not in MODES:
            raise ValueError(f"mode is {self.mode!r}: it may be {', '.join(MODES)}")
        for name in ("s_des", "p_rand"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be from 0 to 1")

    @property
    def changed(self) -> str:
        """What differs from the usual setting, in words; nothing where nothing does."""
        shares = [f"p_rand {self.p_rand:g}"] if self.p_rand != P_RAND else []
        return ", ".join([*shares, *(f"no {name}" for name in LEFT_OUT if not getattr(self, name))])


def threshold(
    u: npt.NDArray[np.float64],
    r: npt.NDArray[np.int64],
    k: npt.NDArray[np.int64],
    setting: Setting,
    rng: np.random.Generator,
) -> float:
    """Return gamma: a plan is to be queried where its uncertainty reaches it.

    Args:
        u: [N], uncertainties in order of time.
        r: [N], +1 the plan was valid, -1 it failed, 0 unknown.
        k: [N], number of updates before each, not decreasing.
        rng: for the imputation.
    """
    window = newest_window(r, k, 1 if setting.mode == "specificity" else -1, N_MIN)
    if setting.imputation or window is None:
        wanted = {"s_des": setting.s_des, "mode": setting.mode, "p_rand": setting.p_rand}
        return float(sag(u, r, k, **wanted, n_min=N_MIN, rng=rng, detrending=setting.regression))
    u, r, k = u[window], r[window], k[window]
    if setting.regression:
        u = detrend(u, k)  # over all of the window, as with imputation
    known = r != 0
    return float(invert(u[known], r[known] == -1, setting.s_des, setting.mode, setting.p_rand))
