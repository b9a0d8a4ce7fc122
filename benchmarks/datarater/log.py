"""The outer loss of a run as a CSV, one row for each meta-step, and as a plot."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from benchmarks.datarater.meta import MetaLearner
from grader.safe_io import write_whole

COLUMNS = ("meta_step", "outer_loss", "outer_loss_clean")


def smoothed(losses: list[float], window: int) -> np.ndarray:
    """Return the mean of each full window of consecutive losses, float64 [number of windows]."""
    whole = len(losses) // window * window
    return np.asarray(np.reshape(losses[:whole], (-1, window)).mean(1))


def write_log(learner: MetaLearner, path: Path) -> None:
    """Write the CSV ``path`` and, beside it, the plot as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    steps = range(1, learner.step + 1)
    table.writerows(zip(steps, learner.outer_loss, learner.outer_loss_clean, strict=True))
    write_whole(path, text.getvalue())
    plot_losses(learner, path.with_suffix(".png"))


def plot_losses(learner: MetaLearner, path: Path) -> None:
    """Draw the outer loss of every meta-step, faint, and its mean over 20 of them, or a fifth."""
    named = {"outer loss": learner.outer_loss}
    if learner.parameters.attack:
        named = {"outer loss, attacked": learner.outer_loss, "without the attack": learner.outer_loss_clean}
    figure, panel = plt.subplots(figsize=(6, 3.6), layout="constrained")
    window = max(1, min(20, learner.step // 5))
    for number, (name, losses) in enumerate(named.items()):
        panel.plot(range(1, learner.step + 1), losses, color=f"C{number}", alpha=0.25, linewidth=0.8)
        means = smoothed(losses, window)
        panel.plot(window * (np.arange(len(means)) + 0.5), means, ".-", color=f"C{number}", label=name)
    panel.set_xlabel("meta-step")
    panel.set_ylabel("outer loss")
    panel.legend(frameon=False)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    plt.close(figure)
    write_whole(path, content.getvalue())
