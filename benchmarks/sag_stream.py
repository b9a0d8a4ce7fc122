"""Does S-aware gating hold the wanted sensitivity, specificity or success rate on a stream?

    python -m benchmarks.sag_stream [--full] [--device auto|cpu|cuda] [--out FILE.json] [--plot]

The experiment follows the paper's (ASkDAgger, arXiv 2508.05310). A novice, a small LeNet, sees a stream of images in
batches of 128. It predicts each label and says how uncertain it is, by Monte-Carlo dropout (rate 0.4, 16 passes). `sag`
sets the threshold from what earlier queries revealed. The images above it, and others with probability p_rand = 0.1,
get their label from a teacher and join the training set. Every 5 batches the novice takes 5 training steps.

Two ablations, in the sensitivity mode: without the regression of uncertainty on time, and without random queries.

What deviates: the images are Fashion-MNIST's ten classes instead of digits, and harder, so there are more failures.
Dropout stands before the dense layers only, so that all passes share the convolutions. Adam trains the novice, since
the default stream ends after 90 steps.

By default 12,000 images, 5 values of s_des and 3 repetitions; `--full` is the original size: 60,000 images, 9 values,
10 repetitions. `--plot` draws the PNG beside FILE.json anew, and prints the table, without a run.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from competition.pool.make_pool import DEFAULT_FOLDER, read_part
from reference_solutions.sag_gate import MODES, query, sag

BATCH_SIZE = 128
DROPOUT = 0.4
PASSES = 16
UPDATE_EVERY = 5  # batches between two updates, and training steps of an update
P_RAND = 0.1
LEARNING_RATE = 3e-3
RESULTS = Path(__file__).with_name("results") / "sag_stream.json"


@dataclass(frozen=True)
class Size:
    """How much is run."""

    images: int
    s_des: tuple[float, ...]
    repetitions: int


DEFAULT = Size(12_000, (0.1, 0.3, 0.5, 0.7, 0.9), 3)
FULL = Size(60_000, (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), 10)


@dataclass(frozen=True)
class Setting:
    """What is wanted of one stream."""

    mode: str
    s_des: float
    p_rand: float = P_RAND
    detrending: bool = True


class LeNet(nn.Module):
    """LeNet-5 with dropout before its dense layers: float32 [B, 1, 28, 28] -> logits float32 [B, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        )
        self.dense = nn.Sequential(
            *(nn.Dropout(DROPOUT), nn.Linear(256, 120), nn.ReLU()),
            *(nn.Dropout(DROPOUT), nn.Linear(120, 84), nn.ReLU()),
            *(nn.Dropout(DROPOUT), nn.Linear(84, 10)),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Run one pass; in training mode, and so for all that follows here, with dropout."""
        logits: torch.Tensor = self.dense(self.convolutions(images))
        return logits

    @torch.no_grad()
    def monte_carlo(self, images: torch.Tensor) -> torch.Tensor:
        """Return the mean probabilities [B, 10] of PASSES passes with dropout; the convolutions are the same in all."""
        logits = self.dense(self.convolutions(images).repeat(PASSES, 1))
        return logits.softmax(1).view(PASSES, len(images), -1).mean(0)


def run_stream(images: torch.Tensor, labels: torch.Tensor, setting: Setting, seed: int) -> dict[str, float]:
    """Let one novice learn from one stream.

    Args:
        images: float32 [N, 1, 28, 28], labels: int64 [N], on the device that computes; `seed` shuffles them.

    Returns:
        The sensitivity, specificity and success rate reached over the whole stream, random queries included; the
        number of queries; the novice's own accuracy over the stream.
    """
    torch.manual_seed(seed)
    order_rng, query_rng, imputation_rng, batch_rng = np.random.default_rng(seed).spawn(4)
    novice = LeNet().to(images.device)
    optimizer = torch.optim.Adam(novice.parameters(), LEARNING_RATE)
    order = order_rng.permutation(len(images))[: len(images) // BATCH_SIZE * BATCH_SIZE]
    uncertainty, updates = np.zeros(len(order)), np.arange(len(order)) // (UPDATE_EVERY * BATCH_SIZE)
    reward = np.zeros(len(order), dtype=int)  # what the teacher revealed: +1 valid, -1 failed, 0 not asked
    failed, queried = np.zeros(len(order), dtype=bool), np.zeros(len(order), dtype=bool)
    for step, start in enumerate(range(0, len(order), BATCH_SIZE)):
        now, so_far = slice(start, start + BATCH_SIZE), slice(start + BATCH_SIZE)
        samples = torch.from_numpy(order[now]).to(images.device)
        confidence, prediction = novice.monte_carlo(images[samples]).max(1)
        uncertainty[now] = 1 - confidence.cpu().numpy()
        failed[now] = (prediction != labels[samples]).cpu().numpy()
        gamma = sag(uncertainty[so_far], reward[so_far], updates[so_far], **asdict(setting), rng=imputation_rng)
        queried[now] = query(uncertainty[now], gamma, setting.p_rand, query_rng)
        reward[now] = np.where(queried[now], np.where(failed[now], -1, 1), 0)
        if (step + 1) % UPDATE_EVERY == 0:
            known = order[so_far][queried[so_far]]
            for _ in range(UPDATE_EVERY):
                batch = torch.from_numpy(batch_rng.choice(known, BATCH_SIZE)).to(images.device)
                optimizer.zero_grad()
                F.cross_entropy(novice(images[batch]), labels[batch]).backward()
                optimizer.step()
    return {
        "sensitivity": float(queried[failed].mean()),
        "specificity": float(1 - queried[~failed].mean()),
        "success": float((queried | ~failed).mean()),
        "queries": int(queried.sum()),
        "novice_accuracy": float(1 - failed.mean()),
    }


def settings(size: Size) -> list[Setting]:
    """List the three modes and the two ablations, for every wanted value."""
    return [
        *(Setting(mode, s_des) for mode in MODES for s_des in size.s_des),
        *(Setting("sensitivity", s_des, detrending=False) for s_des in size.s_des),
        *(Setting("sensitivity", s_des, p_rand=0.0) for s_des in size.s_des),
    ]


def read_stream(images: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Read the first images of Fashion-MNIST's training part: standardised float32 [N, 1, 28, 28] and int64 [N]."""
    try:
        pixels, categories = read_part(DEFAULT_FOLDER, "train")
    except FileNotFoundError as error:
        raise SystemExit(f"error: {error.filename} is missing: apt-get install dataset-fashion-mnist") from None
    inputs = torch.tensor(pixels[:images], dtype=torch.float32).unsqueeze(1) / 255
    inputs = (inputs - inputs.mean()) / inputs.std()
    return inputs.to(device), torch.tensor(categories[:images], dtype=torch.int64, device=device)


def run(size: Size, device: torch.device, out: Path) -> None:
    """Run all streams, repetition by repetition; write what is there after each."""
    images, labels = read_stream(size.images, device)
    streams: list[dict[str, object]] = []
    started = time.perf_counter()
    with tqdm(total=size.repetitions * len(settings(size)), unit="stream", disable=None) as bar:
        for seed in range(size.repetitions):
            for setting in settings(size):
                streams.append({**asdict(setting), "seed": seed, **run_stream(images, labels, setting, seed)})
                bar.update()
            report = {
                "size": asdict(size),
                "repetitions_done": seed + 1,
                "seconds": round(time.perf_counter() - started, 1),
                "device": str(device),
                "threads": torch.get_num_threads(),
                "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
                "streams": streams,
            }
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(report, indent=1) + "\n")


def summarise(streams: list[dict[str, object]]) -> pd.DataFrame:
    """Take mean and sample standard deviation over the repetitions, one row per setting in the order of the runs."""
    rows = pd.DataFrame(streams).drop(columns="seed")
    return rows.groupby(["mode", "p_rand", "detrending", "s_des"], sort=False).agg(["mean", "std"]).reset_index()


def markdown_table(summary: pd.DataFrame) -> str:
    """Write one row per setting, the reached value of its own mode in bold."""
    lines = [
        "| mode | p_rand | regression | wanted | sensitivity | specificity | success rate | queries | novice |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for _, row in summary.iterrows():
        mode = row["mode", ""]
        cells = [mode, f"{row['p_rand', '']}", "yes" if row["detrending", ""] else "no", f"{row['s_des', '']}"]
        for name in (*MODES, "queries", "novice_accuracy"):
            digits = ",.0f" if name == "queries" else ".3f"
            cell = f"{row[name, 'mean']:{digits}} ± {row[name, 'std']:{digits}}"
            cells.append(f"**{cell}**" if name == mode else cell)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(summary: pd.DataFrame, png: Path) -> None:
    """Draw wanted against reached in each mode, the queries, and both ablations."""
    figure, axes = plt.subplots(2, 3, figsize=(12, 7.5), layout="constrained")

    def draw(axis: plt.Axes, rows: pd.DataFrame, name: str, label: str, style: str = "o-") -> None:
        axis.errorbar(rows["s_des"], rows[name, "mean"], rows[name, "std"], fmt=style, capsize=3, label=label)

    usual = (summary["p_rand"] == P_RAND) & summary["detrending"]
    for axis, mode in zip(axes[0], MODES, strict=True):
        rows = summary[usual & (summary["mode"] == mode)]
        for name in MODES:
            draw(axis, rows, name, name, "o-" if name == mode else ".:")
        draw(axes[1, 0], rows, "queries", mode)
        axis.set(title=f"{mode} mode", ylabel="reached")
    sensitivity = summary["mode"] == "sensitivity"
    draw(axes[1, 1], summary[usual & sensitivity], "sensitivity", "with")
    draw(axes[1, 1], summary[~summary["detrending"]], "sensitivity", "without")
    draw(axes[1, 2], summary[usual & sensitivity], "sensitivity", f"p_rand = {P_RAND}")
    draw(axes[1, 2], summary[summary["p_rand"] == 0], "sensitivity", "p_rand = 0")
    axes[1, 0].set(title="queries made, by mode", ylim=(0, None))
    axes[1, 1].set(title="sensitivity mode, regression on time", ylabel="reached sensitivity")
    axes[1, 2].set(title="sensitivity mode, random queries", ylabel="reached sensitivity")
    for axis in (*axes[0], *axes[1, 1:]):
        axis.plot([0, 1], [0, 1], color="grey", linewidth=0.8, zorder=0)
        axis.set(ylim=(0, 1.02))
    for axis in axes.flat:
        axis.set(xlim=(0, 1), xlabel="wanted")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    figure.savefig(png, dpi=110)
    plt.close(figure)


def main() -> None:
    """Parse the command line, run unless only the plot is wanted, draw and print."""
    parser = argparse.ArgumentParser(description="S-aware gating on a stream: wanted against reached.")
    parser.add_argument("--full", action="store_true", help="the original size; for a GPU")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--plot", action="store_true", help="draw and print again from --out")
    arguments = parser.parse_args()
    if not arguments.plot:
        automatic = "cuda" if torch.cuda.is_available() else "cpu"
        device = torch.device(automatic if arguments.device == "auto" else arguments.device)
        run(FULL if arguments.full else DEFAULT, device, arguments.out)
    report = json.loads(arguments.out.read_text())
    summary = summarise(report["streams"])
    plot(summary, arguments.out.with_suffix(".png"))
    print(markdown_table(summary))


if __name__ == "__main__":
    main()
