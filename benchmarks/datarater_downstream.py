"""DataRater for robustness: which spoilt samples a rater finds, and whether a classifier is better without them.

    python -m benchmarks.datarater_downstream [--attack both] [--guide] [--full] [--out FILE.json] [--plot]

A share of the training images is spoilt: of some their pixels are replaced or shuffled, or their labels are wrong. A
rater learns from these and from clean held-out images (`benchmarks.datarater.meta`); with ``--attack`` its outer loss
is taken on images that projected gradient descent has moved. Then classifiers are trained, from the same weights and on
the same batches: on everything, without the lowest-rated share of each batch, and without a random share of each batch.
Each is judged on clean test images, and on attacked ones. Classifiers are never trained on attacked images.

The parameters have the names that they have in the guide, the public repository "DataRater for Robustness"; where our
defaults differ, ``--guide`` takes the guide's. Data set, corruption and models may be one's own: ``module:name``.

Controls stand in every table: a model of the held-out images alone, and one of the noisy images alone, out of fold.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.datarater.checkpoint import CheckpointError
from benchmarks.datarater.corruptions import CORRUPTIONS
from benchmarks.datarater.downstream import Training
from benchmarks.datarater.experiment import REGIMES, Detection, Keeping, Outcome, Plan, measure_all
from benchmarks.datarater.meta import ModelError
from benchmarks.datarater.models import INNER_MODELS, RATERS
from benchmarks.datarater.parameters import GUIDE, LOSSES, SOFTMAXES, Parameters
from benchmarks.datarater.plugins import UnknownName, named
from benchmarks.datarater.report import Results, plot, plot_learning, tables
from benchmarks.datarater.sources import DEFAULT_IMAGES, SOURCES, Sizes, read_samples
from competition.errors import SourceError
from grader.safe_io import folder_problem, write_whole

RESULTS = Path(__file__).with_name("results") / "datarater_downstream.json"
EXPERIMENTS = Path("build/datarater")
GUIDE_SPLIT = 0.8


def truth(text: str) -> bool:
    """Read a truth value, as in the guide's ``--attack=True``."""
    values = {"true": True, "false": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"{text!r} is neither True nor False")
    return values[text.lower()]


KINDS: dict[str, Callable[[str], Any]] = {"bool": truth, "int": int, "float": float, "str": str}


def attacks(text: str) -> tuple[bool, ...]:
    """Read which outer losses are asked for."""
    return (False, True) if text == "both" else (truth(text),)


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    parser = argparse.ArgumentParser(
        description="Which spoilt samples DataRater finds, and whether a classifier is better without them.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    own = "or module:name"
    usual = Plan()
    data = parser.add_argument_group("data")
    data.add_argument("--dataset_name", default="fashion_mnist", help=f"{', '.join(SOURCES)}, {own}")
    data.add_argument(
        "--images", type=Path, default=DEFAULT_IMAGES, help="four *-ubyte.gz files, an .npz file, folder of pictures"
    )
    data.add_argument("--size", type=int, default=Sizes.images, help="training and held-out images; 0: all")
    data.add_argument("--test_size", type=int, default=Sizes.test, help="test images; 0: all")
    data.add_argument("--full", action="store_true", help="all images: --size 0 --test_size 0")
    data.add_argument("--train_split_ratio", type=float, default=Sizes.train_split_ratio)
    data.add_argument(
        "--corruption", nargs="+", default=usual.corruptions, help=f"regimes: {', '.join(CORRUPTIONS)}, {own}"
    )
    shares = ", ".join(f"{name} {regime.probability}" for name, regime in REGIMES.items())
    data.add_argument("--corruption_probability", type=float, help=f"share of the images (else {shares})")
    data.add_argument(
        "--corruption_fraction_range", type=float, nargs=2, metavar=("LOW", "HIGH"), help="share of their pixels"
    )
    models = parser.add_argument_group("models")
    models.add_argument("--inner_model_name", default=usual.inner_model, help=f"{', '.join(INNER_MODELS)}, {own}")
    raters = ", ".join(f"{name} {regime.rater}" for name, regime in REGIMES.items())
    models.add_argument("--data_rater_model_name", nargs="+", help=f"{', '.join(RATERS)}, {own} (else {raters})")
    models.add_argument("--classifier_name", default=usual.classifier, help="as --inner_model_name")
    meta = parser.add_argument_group("meta-learning")
    meta.add_argument("--guide", action="store_true", help="the guide's values where ours differ")
    meta.add_argument(
        "--attack", type=attacks, nargs="?", const=(True,), default=(False,), metavar="True|False|both",
        help="take the outer loss on attacked images",
    )  # fmt: skip
    meta.add_argument("--device", default="cpu")
    allowed = {"loss_type": LOSSES, "softmax": SOFTMAXES}
    for field in fields(Parameters):
        if field.name != "attack":
            kind = KINDS[str(field.type)]
            meta.add_argument(f"--{field.name}", type=kind, default=field.default, choices=allowed.get(field.name))
    kept = parser.add_argument_group("what is kept")
    for name, what in (("save_data_rater_checkpoint", "go on from there"), ("log", "outer losses: CSV and plot")):
        kept.add_argument(
            f"--{name}", type=truth, nargs="?", const=True, default=False, metavar="True|False", help=what
        )
    kept.add_argument("--experiments", type=Path, default=EXPERIMENTS, help="where both go")
    kept.add_argument("--out", type=Path, default=RESULTS, help="results")
    kept.add_argument("--plot", action="store_true", help="only print the tables and draw the plots, from --out")
    judged = parser.add_argument_group("judging")
    judged.add_argument("--seeds", type=int, default=usual.seeds)
    judged.add_argument("--drop_frac", type=float, nargs="+", default=usual.drop_fractions, help="of each batch")
    judged.add_argument("--epochs", type=int, default=Training.epochs, help="of each classifier")
    judged.add_argument("--attacked", type=int, default=Training.attacked, help="test images that are attacked")
    return parser


def read_plan(parser: argparse.ArgumentParser, words: list[str] | None) -> tuple[Plan, argparse.Namespace]:
    """Read the command line; what was typed wins over ``--guide`` and ``--full``."""
    arguments, _ = parser.parse_known_args(words)
    if arguments.guide:
        parser.set_defaults(**{**asdict(GUIDE), "attack": (GUIDE.attack,), "train_split_ratio": GUIDE_SPLIT})
    if arguments.full:
        parser.set_defaults(size=0, test_size=0)
    arguments = parser.parse_args(words)
    values = vars(arguments)
    if arguments.seeds < 1 or arguments.epochs < 1 or arguments.attacked < 1 or min(arguments.drop_frac) <= 0:
        parser.error("seeds, epochs, attacked and drop_frac must be above 0")
    shares = [*arguments.drop_frac, *(arguments.corruption_fraction_range or [])]
    if arguments.corruption_probability is not None:
        shares.append(arguments.corruption_probability)
    if not all(0 <= share < 1 for share in arguments.drop_frac) or not all(0 <= share <= 1 for share in shares):
        parser.error("shares go from 0 to 1, and less than all is dropped")
    try:
        if torch.device(arguments.device).type == "cuda" and not torch.cuda.is_available():
            parser.error("device cuda: there is no NVIDIA GPU here")
    except RuntimeError:
        parser.error(f"device {arguments.device!r}: give cpu or cuda")
    try:
        parameters = Parameters(**{f.name: values[f.name] for f in fields(Parameters) if f.name != "attack"})
    except ValueError as error:
        parser.error(str(error))
    plan = Plan(
        corruptions=tuple(arguments.corruption),
        corruption_probability=arguments.corruption_probability,
        corruption_fraction_range=arguments.corruption_fraction_range and tuple(arguments.corruption_fraction_range),
        raters=arguments.data_rater_model_name and tuple(arguments.data_rater_model_name),
        attacks=arguments.attack,
        inner_model=arguments.inner_model_name,
        classifier=arguments.classifier_name,
        drop_fractions=tuple(arguments.drop_frac),
        seeds=arguments.seeds,
        sizes=Sizes(arguments.size, arguments.test_size, arguments.train_split_ratio),
        training=Training(epochs=arguments.epochs, attacked=arguments.attacked),
        parameters=parameters,
        device=arguments.device,
    )
    return plan, arguments


def run(plan: Plan, dataset: str, images: Path, keeping: Keeping, out: Path) -> None:
    """Measure everything; after each figure, write what is known into the JSON file `out`.

    Raises:
        SourceError, UnknownName, CheckpointError, ModelError: see there.
    """
    started = time.perf_counter()
    parts = read_samples(named(dataset, SOURCES, "data set"), images)
    figures: dict[str, list[dict[str, Any]]] = {"detections": [], "outcomes": []}
    out.parent.mkdir(parents=True, exist_ok=True)

    def told(figure: Detection | Outcome) -> None:
        figures["detections" if isinstance(figure, Detection) else "outcomes"].append(asdict(figure))
        results = {
            "settings": asdict(plan),
            "dataset": dataset,
            "versions": {"torch": torch.__version__, "numpy": np.__version__},
            "threads": torch.get_num_threads(),
            "seconds": round(time.perf_counter() - started, 1),
            **figures,
        }
        write_whole(out, json.dumps(results, indent=1) + "\n")
        reached = f"AUC {figure.auc:.3f}" if isinstance(figure, Detection) else f"accuracy {figure.accuracy:.3f}"
        who = figure.rater if isinstance(figure, Detection) else f"{figure.learns_from}, without {figure.dropped:.0%}"
        print(f"seed {figure.seed}, {figure.corruption}, {who}: {reached}", file=sys.stderr, flush=True)

    measure_all(parts, plan, keeping, told)


def read_results(path: Path) -> Results:
    """Read a results file.

    Raises:
        SystemExit: there is none, or it is none of this benchmark.
    """
    try:
        found = json.loads(path.read_text())
        detections = tuple(Detection(**figure) for figure in found.pop("detections"))
        outcomes = tuple(Outcome(**figure) for figure in found.pop("outcomes"))
    except FileNotFoundError:
        raise SystemExit(f"error: no results in {path}: run the command without --plot first") from None
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        raise SystemExit(f"error: {path} holds no results of this benchmark") from None
    if not outcomes:
        raise SystemExit(f"error: {path} holds no results yet: run the command without --plot first")
    return Results(detections, outcomes, found)


def main(words: list[str] | None = None) -> None:
    """Run the command line."""
    plan, arguments = read_plan(make_parser(), words)
    if not arguments.plot:
        torch.set_num_threads(1)
        for folder in (arguments.out.parent, arguments.experiments):
            if problem := folder_problem(folder):
                raise SystemExit(f"error: {problem}")
        keeping = Keeping(arguments.experiments, arguments.log, arguments.save_data_rater_checkpoint)
        try:
            run(plan, arguments.dataset_name, arguments.images, keeping, arguments.out)
        except (SourceError, UnknownName, CheckpointError, ModelError) as error:
            raise SystemExit(f"error: {error}") from None
    results = read_results(arguments.out)
    print(tables(results))
    plot(results, arguments.out.with_suffix(".png"))
    plot_learning(results, arguments.out.with_name(f"{arguments.out.stem}_learning.png"))


if __name__ == "__main__":
    main()
