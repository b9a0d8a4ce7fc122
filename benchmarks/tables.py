"""Markdown tables, and differences that are paired by seed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


def difference(values: Sequence[float], control: Sequence[float]) -> str:
    """Return the mean difference, paired by seed, ± its standard error; with one seed the difference alone.

    Bold where it is larger than twice the error.
    """
    apart = np.subtract(values, control)
    mean = f"{round(float(apart.mean()), 4) + 0.0:+.4f}"  # no -0.0000
    if len(apart) < 2:
        return mean
    error = apart.std(ddof=1) / len(apart) ** 0.5
    told = f"{mean} ± {error:.4f}"
    return f"**{told}**" if abs(apart.mean()) > 2 * error else told


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
