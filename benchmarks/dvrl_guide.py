"""DVRL's guide in one command: from three files to data values, and to the guide's three evaluations.

    python -m benchmarks.dvrl_guide FOLDER [--make-data [--images FASHION_MNIST]] [--encoder WEIGHTS] [--seeds 3]
        [--iterations 1000] [--metric log_likelihood] [--activation relu] [--predictor ridge] ... [--plot]

FOLDER holds ``train.npz``, ``valid.npz`` and ``test.npz`` with the arrays ``x_train`` [N, ...] and ``y_train`` [N] or
[N, 1], and so on; if ``train.npz`` also has ``noise_idx``, the places of its wrong labels, their discovery is evaluated
too. ``--make-data`` first makes the three files as the guide has them, 4,000 / 1,000 / 2,000 images of which 20 % of
the training labels are wrong, but from Fashion-MNIST's ten classes.

``--encoder WEIGHTS`` names torchvision's Inception-v3 weights, an own copy: nothing is downloaded. Every image then
becomes 2,048 features, of which the valuator and the evaluating model take 48 principal components, as they do of
pixels.

Written into FOLDER/dvrl/, for each seed of the method:

    values-SEED.npy             float32 [N], the data values of the training samples, in their order; `grader analyze`
                                reads them too
    valuator-SEED.safetensors   the valuator, for `benchmarks.dvrl.load`; it values other samples
    evaluations.json, .png      the three evaluations, of DVRL and of controls (elsewhere with --out)

The data stay the same over the seeds, so that the spread is that of the method. Beside DVRL stand two controls without
any reinforcement (`benchmarks.controls`), and random values.
"""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import balanced_accuracy_score
from threadpoolctl import threadpool_limits

from benchmarks.controls import CONTROLS, DETERMINISTIC
from benchmarks.dvrl import DVRL, save
from benchmarks.dvrl.core import ACTIVATIONS
from benchmarks.dvrl.drawing import markdown, plot
from benchmarks.dvrl.evaluations import Run, evaluate
from benchmarks.dvrl.folder import NOISE_RATE, SIZES, make_folder, read_folder
from benchmarks.dvrl.rewards import METRICS
from benchmarks.fashion_mnist import add_images_option, read_fashion
from benchmarks.stored_results import read_results, require_place, write_results
from grader.analysis.valuation import Samples, ValuationData
from grader.safe_io import write_whole

PARAMETERS = {  # of the guide, under its names, and after them those that are ours alone
    "iterations": (int, "outer steps (1000)"),
    "hidden_dim": (int, "width of the estimator's hidden layers (100)"),
    "comb_dim": (int, "width of its last two (10)"),
    "layer_number": (int, "how many it has (5)"),
    "batch_size": (int, "training samples in an outer step (2000)"),
    "learning_rate": (float, "of the estimator (0.01)"),
    "inner_iterations": (int, "updates of the softmax predictor, not epochs (100)"),
    "batch_size_predictor": (int, "samples in one of them (256)"),
    "masks": (int, "selections in an outer step (16)"),
    "shrinkage": (float, "penalty on the values' logits (0.1)"),
}
CHOICES = {"activation": tuple(ACTIVATIONS), "metric": tuple(METRICS), "predictor": ("ridge", "softmax")}
RESULT_KEYS = ("runs", "classes", "samples", "corrupted")


def encoded(data: ValuationData, weights: Path) -> ValuationData:
    """Turn all images into the features of an Inception-v3."""
    from benchmarks.dvrl.encoder import PretrainedInception

    encoder = PretrainedInception(weights)
    parts = [Samples(encoder.transform(part.x), part.y) for part in (data.train, data.valid, data.test)]
    return ValuationData(*parts, data.corrupted)


def run_dvrl(data: ValuationData, seed: int, parameters: dict[str, Any], out: Path) -> Run:
    """Fit DVRL, write its values and the valuator, and evaluate the values."""
    started = time.process_time()
    dvrl = DVRL(seed=seed, **parameters).fit(data.train.x, data.train.y, data.valid.x, data.valid.y)
    seconds = time.process_time() - started
    values = io.BytesIO()
    np.save(values, dvrl.data_values)
    write_whole(out / f"values-{seed}.npy", values.getvalue())
    save(dvrl, out / f"valuator-{seed}.safetensors")
    run = evaluate(dvrl.data_values.astype(np.float64), data, seed)
    predicted = dvrl.predict_proba(data.test.x).argmax(1).cpu().numpy()
    own = float(balanced_accuracy_score(data.test.y, predicted))
    return {"system": "DVRL", "seed": seed, **run, "own_predictor": own, "step": dvrl.best_step, "seconds": seconds}


def run_controls(data: ValuationData, seeds: int) -> list[Run]:
    """Evaluate the controls' values, and random ones."""
    runs: list[Run] = []
    for name, control in CONTROLS.items():
        for seed in range(1 if name in DETERMINISTIC else seeds):
            values = control(data.train.x, data.train.y, data.valid.x, data.valid.y, seed)
            runs.append({"system": name, "seed": seed, **evaluate(values, data, seed)})
    for seed in range(seeds):
        values = np.random.default_rng(seed).random(len(data.train.y))
        runs.append({"system": "random values", "seed": seed, **evaluate(values, data, seed)})
    return runs


def measure(folder: Path, weights: Path | None, seeds: int, parameters: dict[str, Any]) -> dict[str, Any]:
    """Value and evaluate the samples of a folder.

    Raises:
        ValueError: the data, the weights or a parameter is not what it must be.
        OSError: something cannot be written.
    """
    DVRL(**parameters)  # a wrong parameter is told before anything long
    data = read_folder(folder)
    if weights is not None:
        data = encoded(data, weights)
    out = folder / "dvrl"
    out.mkdir(exist_ok=True)
    runs = []
    for seed in range(seeds):
        runs.append(run_dvrl(data, seed, parameters, out))
        found = f"detection AUC {runs[-1]['auc']:.3f}, " if "auc" in runs[-1] else ""
        print(f"seed {seed}: {found}step {runs[-1]['step']}, {runs[-1]['seconds']:.0f} CPU seconds", flush=True)
    return {
        "classes": data.classes,
        "samples": len(data.train.y),
        "corrupted": None if data.corrupted is None else int(data.corrupted.sum()),
        "encoder": "pixels" if weights is None else "Inception-v3",
        "parameters": parameters,
        "torch": torch.__version__,
        "runs": runs + run_controls(data, seeds),
    }


def make_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(description="Value the samples of a folder with DVRL, and evaluate the values.")
    parser.add_argument("folder", type=Path, help="has train.npz, valid.npz and test.npz")
    parser.add_argument("--make-data", action="store_true", help="make these files from Fashion-MNIST first")
    add_images_option(parser)
    parser.add_argument("--sizes", type=int, nargs=3, default=SIZES, metavar=("TRAIN", "VALID", "TEST"))
    parser.add_argument("--noise-rate", type=float, default=NOISE_RATE, help="share of wrong training labels")
    parser.add_argument("--data-seed", type=int, default=0, help="of the drawing and the noise")
    parser.add_argument("--encoder", type=Path, metavar="WEIGHTS", help="Inception-v3's: .pth or .safetensors")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="more gain nothing but with --encoder (1)")
    for name, (kind, text) in PARAMETERS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=text)
    for name, choices in CHOICES.items():
        parser.add_argument(f"--{name}", choices=choices, help=f"({choices[0]})")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="(FOLDER/dvrl/evaluations.json)")
    parser.add_argument("--plot", action="store_true", help="redraw table and plot from the results, run nothing")
    return parser


def main(words: list[str] | None = None) -> None:
    """Parse the command line."""
    parser = make_parser()
    arguments = parser.parse_args(words)
    if arguments.seeds < 1 or arguments.threads < 1:
        parser.error("--seeds and --threads must be at least 1")
    out = arguments.out or arguments.folder / "dvrl" / "evaluations.json"
    if arguments.plot:
        results = read_results(out, *RESULT_KEYS)
    else:
        torch.set_num_threads(arguments.threads)
        threadpool_limits(arguments.threads)  # the matrices are small: threads that wait cost more than they bring
        given = {name: getattr(arguments, name) for name in (*PARAMETERS, *CHOICES)}
        parameters = {name: value for name, value in given.items() if value is not None}
        try:
            if arguments.make_data:
                sizes, rate = tuple(arguments.sizes), arguments.noise_rate
                pool = read_fashion(arguments.images)
                make_folder(arguments.folder, *pool, sizes=sizes, noise_rate=rate, seed=arguments.data_seed)
            if arguments.out:
                require_place(out)
            results = measure(arguments.folder, arguments.encoder, arguments.seeds, parameters)
        except (ValueError, OSError) as error:
            raise SystemExit(f"error: {error}") from None
        write_results(out, results)
    print(markdown(results), end="")
    plot(results, out.with_suffix(".png"))
    if not arguments.plot:
        print(f"data values and valuators are in {arguments.folder / 'dvrl'}, the plot in {out.with_suffix('.png')}")


if __name__ == "__main__":
    main()
