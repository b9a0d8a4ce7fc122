"""DVRL of this kit against OpenDataVal's: which finds wrong labels better, and how fast?

    make peers
    .venv-peers/bin/python -m benchmarks.dvrl_vs_opendataval [--steps 100] [--seeds 3] [--images FOLDER] [--plot]

Needs Debian's package ``dataset-fashion-mnist``, or ``--images``. The peers' environment also sees the project's, so
both systems run in this process, in turn, on one thread, on the same arrays and with the same number of outer steps:
4,000 training images with 20 % uniform label noise, 1,000 validation and 2,000 test images of Fashion-MNIST, ten
classes, drawn anew for each seed. Both see the same representation: 48 whitened principal components, or the 784
pixels.

OpenDataVal runs with its own defaults for estimator and loss, its own logistic regression as the predictor and
accuracy as the reward; batch and inner steps are those of our parameters `batch_size`, `inner_iterations` and
`batch_size_predictor`. Ours is `benchmarks.dvrl` with its defaults, which begin with an encoder of its own, 48 whitened
principal components of whatever it is given; once with as many steps as OpenDataVal, once with the 1,000 that are its
default; and once more without an encoder, where the pixels get two masks instead of sixteen, as its ridge then has 784
features.

Below them stand the two controls of `benchmarks.controls`. They take no steps; their test accuracy is that of their own
logistic regression, which learns from the samples weighted by these values, as the other systems' predictors do.

Seconds are CPU seconds of this process, which other processes on the machine disturb less than wall time. The time
per step is the difference to a run of one step, so that the fits before and after the steps are not in it.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import time
import warnings
from collections.abc import Callable, Iterator
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
from threadpoolctl import threadpool_limits

from benchmarks.controls import CONTROLS, predict_after_weighting
from benchmarks.dvrl import DVRL
from benchmarks.fashion_mnist import add_images_option, read_fashion
from benchmarks.stored_results import read_results, require_place, write_results
from grader.validation.results import spread

RESULTS = Path(__file__).with_name("results") / "dvrl_vs_opendataval.json"
TRAIN, VAL, TEST = 4000, 1000, 2000
NUM_CLASSES = 10
NOISE_RATE = 0.2
MASKS = {"PCA": 16, "pixels": 2}
BATCH_SIZE, INNER_ITERATIONS, BATCH_SIZE_PREDICTOR = 2000, 100, 256
LONG_STEPS = 1000
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


def draw_data(images: npt.NDArray[np.uint8], categories: npt.NDArray[np.int64], seed: int, representation: str) -> Data:
    """Draw images uint8 [M, 28, 28] with their categories int64 [M], and noise, for one seed."""
    generator = np.random.default_rng(seed)
    rows = generator.choice(len(images), TRAIN + VAL + TEST, replace=False)
    features = images[rows].reshape(len(rows), -1).astype(np.float32) / 255
    if representation == "PCA":
        features = PCA(48, whiten=True, random_state=0).fit(features[:TRAIN]).transform(features).astype(np.float32)
    truth = categories[rows]
    flipped = generator.random(TRAIN) < NOISE_RATE
    noisy = np.where(flipped, (truth[:TRAIN] + generator.integers(1, NUM_CLASSES, TRAIN)) % NUM_CLASSES, truth[:TRAIN])
    x, val_x, test_x = torch.from_numpy(features).split([TRAIN, VAL, TEST])
    _, val_y, test_y = torch.from_numpy(truth).split([TRAIN, VAL, TEST])
    return Data(x, torch.from_numpy(noisy), ~flipped, val_x, val_y, test_x, test_y)


def run_ours(data: Data, representation: str, steps: int, seed: int) -> Outcome:
    """Value the samples with our DVRL as it is."""
    return fit_and_predict(DVRL(iterations=steps, batch_size=BATCH_SIZE, seed=seed), data)


def run_ours_bare(data: Data, representation: str, steps: int, seed: int) -> Outcome:
    """Value the samples with our DVRL, without its encoder."""
    masks = MASKS[representation]
    return fit_and_predict(
        DVRL(FunctionTransformer(), iterations=steps, batch_size=BATCH_SIZE, masks=masks, seed=seed), data
    )


def fit_and_predict(dvrl: DVRL, data: Data) -> Outcome:
    """Fit our DVRL and predict the test set with the predictor that it leaves."""
    dvrl.fit(data.x, data.y, data.val_x, data.val_y)
    return Outcome(dvrl.data_values, dvrl.predict_proba(data.test_x).argmax(1))


def require_peer() -> None:
    """Look for OpenDataVal before anything long begins.

    Raises:
        SystemExit: it is not installed.
    """
    if importlib.util.find_spec("opendataval") is None:
        raise SystemExit("error: OpenDataVal is missing: run 'make peers', and this with .venv-peers/bin/python")


def run_opendataval(data: Data, representation: str, steps: int, seed: int) -> Outcome:
    """Value the samples with OpenDataVal's DVRL."""
    from opendataval.dataval import DVRL as PeerDVRL
    from opendataval.metrics import accuracy
    from opendataval.model import LogisticRegression

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
LONG = f"ours, {LONG_STEPS:,} steps"
ROWS = ["OpenDataVal", "ours", LONG, "ours, no encoder", *CONTROLS]
COLORS = ("#d55e00", "#0072b2", "#56b4e9", "#009e73", "black", "#cc79a7")


def discovery_curve(values: npt.NDArray[np.float32], clean: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return the share of wrong labels among the k lowest values, for k = 0 to N: float64 [N + 1]."""
    found = np.cumsum(~clean[np.argsort(values, kind="stable")])
    return np.concatenate([[0.0], found / found[-1]])


def score(outcome: Outcome, data: Data) -> Run:
    """Judge what a system returned."""
    curve = discovery_curve(outcome.values, data.clean)
    return {
        "auc": float(roc_auc_score(data.clean, outcome.values)),
        "area": float(np.trapezoid(curve, dx=1 / len(data.clean))),
        "accuracy": float((outcome.predictions == data.test_y).float().mean()),
        "curve": curve[np.linspace(0, len(data.clean), 21).astype(int)].round(4).tolist(),
    }


def measure(system: str, data: Data, representation: str, steps: int, seed: int) -> Run:
    """Run one system once with one step and once with all; return its scores."""
    seconds = []
    for count in (1, steps):
        started = time.process_time()
        outcome = SYSTEMS[system](data, representation, count, seed)
        seconds.append(time.process_time() - started)
    step_seconds = (seconds[1] - seconds[0]) / (steps - 1)
    return {**score(outcome, data), "step_seconds": step_seconds, "seconds": seconds[1]}


def measure_long(data: Data, representation: str, seed: int) -> Run:
    """Run ours with its default number of steps."""
    started = time.process_time()
    outcome = run_ours(data, representation, LONG_STEPS, seed)
    return {**score(outcome, data), "seconds": time.process_time() - started}


def measure_control(name: str, data: Data, seed: int) -> Run:
    """Let a control value the samples, and its model learn from them weighted by value."""
    x, y = data.x.numpy(), data.y.numpy()
    started = time.process_time()
    values = CONTROLS[name](x, y, data.val_x.numpy(), data.val_y.numpy(), seed)
    predictions = torch.from_numpy(predict_after_weighting(values, x, y, data.test_x.numpy()))
    seconds = time.process_time() - started
    return {**score(Outcome(values, predictions), data), "seconds": seconds}


def measure_all(data: Data, representation: str, steps: int, seed: int) -> Iterator[Run]:
    """Measure every row of the table on one draw."""
    for system in ROWS:
        if system in SYSTEMS:
            run = measure(system, data, representation, steps, seed)
        elif system == LONG:
            run = measure_long(data, representation, seed)
        else:
            run = measure_control(system, data, seed)
        yield {"representation": representation, "system": system, "seed": seed, **run}


def markdown_table(runs: list[Run]) -> str:
    """Write the runs as one table, a row per representation and system."""
    columns = ["representation", "system", *METRICS, "s in total", "times faster per step"]
    lines = [columns, ["---"] * len(columns)]
    for representation in MASKS:
        for system in ROWS:
            mine, peers = (
                [run for run in runs if run["representation"] == representation and run["system"] == name]
                for name in (system, "OpenDataVal")
            )
            if not mine:
                continue
            cells = [spread([run[key] for run in mine]) if key in mine[0] else "" for key in METRICS.values()]
            cells.append(spread([run["seconds"] for run in mine], 1))
            timed = system in SYSTEMS and system != "OpenDataVal"
            ratios = timed and [
                peer["step_seconds"] / run["step_seconds"] for peer, run in zip(peers, mine, strict=False)
            ]
            lines.append([representation, system, *cells, spread(ratios, 1) if ratios else ""])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def plot(runs: list[Run], path: Path) -> None:
    """Draw the mean discovery curve of each system, with the optimal and the random line."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(MASKS), figsize=(9, 4.4), sharey=True, layout="constrained")
    inspected = np.linspace(0, 1, 21)
    for axis, representation in zip(axes, MASKS, strict=True):
        axis.plot(inspected, np.minimum(inspected / NOISE_RATE, 1), ":", color="black", label="optimal")
        axis.plot(inspected, inspected, ":", color="gray", label="random")
        for system, color in zip(ROWS, COLORS, strict=False):
            curves = [r["curve"] for r in runs if r["system"] == system and r["representation"] == representation]
            if curves:
                style = "--" if system in CONTROLS else "-"
                axis.plot(inspected, np.mean(curves, axis=0), style, color=color, label=system)
        axis.set(title=representation, xlabel="share of samples inspected, lowest value first")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("share of wrong labels found")
    figure.legend(*axes[0].get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=4)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(words: list[str] | None = None) -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Compare this kit's DVRL with OpenDataVal's, and with controls.")
    parser.add_argument("--steps", type=int, default=100, help="outer steps of both, at least 2")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--plot", action="store_true", help="redraw table and plot from the results, run nothing")
    add_images_option(parser)
    arguments = parser.parse_args(words)
    if arguments.steps < 2 or arguments.seeds < 1:
        parser.error("it takes at least two steps and one seed")
    if arguments.plot:
        runs = read_results(arguments.out, "runs")["runs"]
    else:
        require_peer()
        require_place(arguments.out)
        fashion = read_fashion(arguments.images)
        torch.set_num_threads(1)
        threadpool_limits(1)
        runs = []
        warm_up = draw_data(*fashion, 0, "PCA")
        for run in SYSTEMS.values():  # imports and first calls are not timed
            run(warm_up, "PCA", 1, 0)
        for seed in range(arguments.seeds):
            for representation in MASKS:
                data = draw_data(*fashion, seed, representation)
                for measured in measure_all(data, representation, arguments.steps, seed):
                    runs.append(measured)
                    print(f"seed {seed}, {representation}, {measured['system']}: AUC {measured['auc']:.3f}", flush=True)
        write_results(arguments.out, {"steps": arguments.steps, "torch": torch.__version__, "runs": runs})
    print(markdown_table(runs), end="")
    plot(runs, arguments.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
