"""DVRL of this kit against OpenDataVal's: which finds wrong labels better, and how fast?

    make peers
    .venv-peers/bin/python -m benchmarks.dvrl_vs_opendataval [--steps 100] [--seeds 3] [--plot] [--out FILE.json]

Needs Debian's package ``dataset-fashion-mnist``. The peers' environment also sees the project's, so both systems run
in this process, in turn, on one thread, on the same arrays and with the same number of outer steps: 4,000 training
images with 20 % uniform label noise, 1,000 validation and 2,000 test images of Fashion-MNIST, ten classes, drawn anew
for each seed. Both see the same representation: 48 whitened principal components, or the 784 pixels.

OpenDataVal runs with its own defaults for estimator and loss, its own logistic regression as the predictor and
accuracy as the reward; batch and inner steps are those of our parameters `batch_size`, `inner_iterations` and
`batch_size_predictor`. Ours runs with its defaults, which begin with an encoder of its own, 48 whitened principal
components of whatever it is given; and once more without an encoder, where the pixels get two masks instead of sixteen,
as its ridge then has 784 features.

Seconds are CPU seconds of this process, which other processes on the machine disturb less than wall time. The time
per step is the difference to a run of one step, so that the fits before and after the steps are not in it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import FunctionTransformer

from competition.pool.make_pool import DEFAULT_FOLDER, read_part
from grader.validation.results import spread
from reference_solutions.dvrl_filter import DVRL

RESULTS = Path(__file__).with_name("results") / "dvrl_vs_opendataval.json"
TRAIN, VAL, TEST = 4000, 1000, 2000
NUM_CLASSES = 10
NOISE_RATE = 0.2
MASKS = {"PCA": 16, "pixels": 2}
BATCH_SIZE, INNER_ITERATIONS, BATCH_SIZE_PREDICTOR = 2000, 100, 256
METRICS = {"detection AUC": "auc", "discovery area": "area", "test accuracy": "accuracy", "s per step": "step_seconds"}

Run = dict[str, Any]


@dataclass(frozen=True)
class Data:
    """One draw: features float32 [N, D] and labels int64 [N]; the training labels are noisy, `clean` says which not."""

    x: torch.Tensor
    y: torch.Tensor
    clean: npt.NDArray[np.bool_]
    val_x: torch.Tensor
    val_y: torch.Tensor
    test_x: torch.Tensor
    test_y: torch.Tensor


@dataclass(frozen=True)
class Outcome:
    """What a system returns: data values float [N], and predicted test labels int64 [2000]."""

    values: npt.NDArray[np.float32]
    predictions: torch.Tensor


def draw_data(seed: int, representation: str) -> Data:
    """Draw images and noise for one seed.

    Raises:
        SystemExit: Fashion-MNIST is not installed.
    """
    if not DEFAULT_FOLDER.is_dir():
        raise SystemExit(f"error: no {DEFAULT_FOLDER}; install it with: apt-get install dataset-fashion-mnist")
    images, categories = read_part(DEFAULT_FOLDER, "train")
    generator = np.random.default_rng(seed)
    rows = generator.choice(len(images), TRAIN + VAL + TEST, replace=False)
    features = images[rows].reshape(len(rows), -1).astype(np.float32) / 255
    if representation == "PCA":
        features = PCA(48, whiten=True, random_state=0).fit(features[:TRAIN]).transform(features).astype(np.float32)
    truth = categories[rows].astype(np.int64)
    flipped = generator.random(TRAIN) < NOISE_RATE
    noisy = np.where(flipped, (truth[:TRAIN] + generator.integers(1, NUM_CLASSES, TRAIN)) % NUM_CLASSES, truth[:TRAIN])
    x, val_x, test_x = torch.from_numpy(features).split([TRAIN, VAL, TEST])
    _, val_y, test_y = torch.from_numpy(truth).split([TRAIN, VAL, TEST])
    return Data(x, torch.from_numpy(noisy), ~flipped, val_x, val_y, test_x, test_y)


def run_ours(data: Data, representation: str, steps: int, seed: int) -> Outcome:
    """Value the samples with `reference_solutions/dvrl_filter.py` as it is."""
    return fit_and_predict(DVRL(iterations=steps, batch_size=BATCH_SIZE, seed=seed), data)


def run_ours_bare(data: Data, representation: str, steps: int, seed: int) -> Outcome:
    """Value the samples with `reference_solutions/dvrl_filter.py`, without its encoder."""
    masks = MASKS[representation]
    return fit_and_predict(
        DVRL(FunctionTransformer(), iterations=steps, batch_size=BATCH_SIZE, masks=masks, seed=seed), data
    )


def fit_and_predict(dvrl: DVRL, data: Data) -> Outcome:
    """Fit our DVRL and predict the test set with the predictor that it leaves."""
    dvrl.fit(data.x, data.y, data.val_x, data.val_y)
    return Outcome(dvrl.data_values, dvrl.predict_proba(data.test_x).argmax(1))


def run_opendataval(data: Data, representation: str, steps: int, seed: int) -> Outcome:
    """Value the samples with OpenDataVal's DVRL.

    Raises:
        SystemExit: OpenDataVal is not installed.
    """
    try:
        from opendataval.dataval import DVRL as PeerDVRL
        from opendataval.metrics import accuracy
        from opendataval.model import LogisticRegression
    except ImportError as error:
        raise SystemExit(f"error: {error}; run 'make peers', and this with .venv-peers/bin/python") from None
    torch.manual_seed(seed)
    peer = PeerDVRL(rl_epochs=steps, rl_batch_size=BATCH_SIZE, random_state=seed)
    peer.input_model_metric(LogisticRegression(data.x.shape[1], NUM_CLASSES), accuracy)
    one_hot, val_one_hot = (F.one_hot(labels, NUM_CLASSES).float() for labels in (data.y, data.val_y))
    peer.input_data(data.x, one_hot, data.val_x, val_one_hot)
    epochs = round(INNER_ITERATIONS * BATCH_SIZE_PREDICTOR / BATCH_SIZE)
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):  # its progress bar
        warnings.filterwarnings("ignore", message=".*pin_memory.*")  # it asks for pinned memory, GPU or not
        peer.train_data_values(epochs=epochs, batch_size=BATCH_SIZE_PREDICTOR)
        values = peer.evaluate_data_values()
    return Outcome(values, peer.final_model.predict(data.test_x).argmax(1))


SYSTEMS: dict[str, Callable[[Data, str, int, int], Outcome]] = {
    "OpenDataVal": run_opendataval,
    "ours": run_ours,
    "ours, no encoder": run_ours_bare,
}


def discovery_curve(values: npt.NDArray[np.float32], clean: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return the share of wrong labels among the k lowest values, for k = 0 to N: float64 [N + 1]."""
    found = np.cumsum(~clean[np.argsort(values, kind="stable")])
    return np.concatenate([[0.0], found / found[-1]])


def measure(system: str, data: Data, representation: str, steps: int, seed: int) -> Run:
    """Run one system once with one step and once with all; return its scores."""
    seconds = []
    for count in (1, steps):
        started = time.process_time()
        outcome = SYSTEMS[system](data, representation, count, seed)
        seconds.append(time.process_time() - started)
    curve = discovery_curve(outcome.values, data.clean)
    return {
        "representation": representation,
        "system": system,
        "seed": seed,
        "auc": float(roc_auc_score(data.clean, outcome.values)),
        "area": float(np.trapezoid(curve, dx=1 / TRAIN)),
        "accuracy": float((outcome.predictions == data.test_y).float().mean()),
        "step_seconds": (seconds[1] - seconds[0]) / (steps - 1),
        "seconds": seconds[1],
        "curve": curve[:: TRAIN // 20].round(4).tolist(),
    }


def markdown_table(runs: list[Run]) -> str:
    """Write the runs as one table, a row per representation and system."""
    columns = ["representation", "system", *METRICS, "s in total", "times faster per step"]
    lines = [columns, ["---"] * len(columns)]
    for representation in MASKS:
        for system in SYSTEMS:
            mine, peers = (
                [run for run in runs if run["representation"] == representation and run["system"] == name]
                for name in (system, "OpenDataVal")
            )
            if not mine:
                continue
            cells = [spread([run[key] for run in mine]) for key in METRICS.values()]
            cells.append(spread([run["seconds"] for run in mine], 1))
            ratios = [peer["step_seconds"] / run["step_seconds"] for peer, run in zip(peers, mine, strict=False)]
            lines.append([representation, system, *cells, "" if system == "OpenDataVal" else spread(ratios, 1)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def plot(runs: list[Run], path: Path) -> None:
    """Draw the mean discovery curve of each system, with the optimal and the random line."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(MASKS), figsize=(8, 3.4), sharey=True, layout="constrained")
    inspected = np.linspace(0, 1, 21)
    for axis, representation in zip(axes, MASKS, strict=True):
        axis.plot(inspected, np.minimum(inspected / NOISE_RATE, 1), ":", color="black", label="optimal")
        axis.plot(inspected, inspected, ":", color="gray", label="random")
        for system, color in zip(SYSTEMS, ("#d55e00", "#0072b2", "#56b4e9"), strict=True):
            curves = [r["curve"] for r in runs if r["system"] == system and r["representation"] == representation]
            if curves:
                axis.plot(inspected, np.mean(curves, axis=0), color=color, label=system)
        axis.set(title=representation, xlabel="share of samples inspected, lowest value first")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("share of wrong labels found")
    axes[0].legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Compare this kit's DVRL with OpenDataVal's.")
    parser.add_argument("--steps", type=int, default=100, help="outer steps of both, at least 2")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--plot", action="store_true", help="redraw table and plot from the results, run nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    runs: list[Run] = []
    if arguments.plot:
        runs = json.loads(arguments.out.read_text())["runs"]
    else:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        warm_up = draw_data(0, "PCA")
        for run in SYSTEMS.values():  # imports and first calls are not timed
            run(warm_up, "PCA", 1, 0)
        for seed in range(arguments.seeds):
            for representation in MASKS:
                data = draw_data(seed, representation)
                for system in SYSTEMS:
                    runs.append(measure(system, data, representation, arguments.steps, seed))
                    print(f"seed {seed}, {representation}, {system}: AUC {runs[-1]['auc']:.3f}", flush=True)
        report = {"steps": arguments.steps, "torch": torch.__version__, "runs": runs}
        arguments.out.write_text(json.dumps(report, indent=1) + "\n")
    print(markdown_table(runs), end="")
    plot(runs, arguments.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
