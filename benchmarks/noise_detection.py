"""Who finds the wrong labels? What the references select, against cleanlab's confident learning.

    python -m benchmarks.noise_detection [--profile standard] [--runs runs/validate] [--out FILE.json] [--plot]

The implied values of a reference (see `grader.selection_quality`) come from the runs that ``grader validate`` stored,
one for each seed. cleanlab (Northcutt, Jiang and Chuang, JAIR 2021, arXiv 1911.00068) gets probabilities out of 5-fold
cross-validation of a logistic regression on 48 principal components of the same pixels, with the classes weighted as
they come and balanced; its label quality scores are the values, its `find_label_issues` makes the F1. A reference's F1
comes from a two-means split of its values. cleanlab runs in the peers' environment: ``make peers``.

DVRL-filter, DataRater-filter and the confidence of `best` value every training sample before a network is trained;
these values are judged too (the first two from three seeds). Beside them stand the controls of `benchmarks.controls`:
how probable the given label is to a logistic regression that was fitted on the clean validation set alone, which the
first two get as an input; and to one that was fitted on the other folds of the noisy training set alone.

References see the losses of a training and the clean validation set; cleanlab sees the noisy training set alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from benchmarks.controls import CONTROLS, DETERMINISTIC
from benchmarks.stored_results import read_results, require_place, write_results
from competition.profiles import PROFILES
from competition.task.data import make_loader
from grader.analysis import corrupted_sample_discovery, read_truth, selection_quality
from grader.analysis.valuation import detection
from grader.grading import Settings, Splits, find_data, open_training_splits, read_record, unpack_selections
from grader.validation.bands import ORACLE, find_references
from grader.validation.references import practice_data, prepare
from grader.validation.results import spread
from grader.verdicts import InfrastructureError
from reference_solutions import best, datarater_filter, dvrl_filter

RESULTS_FILE = Path("benchmarks/results/noise_detection.json")
PEERS_PYTHON = Path(".venv-peers/bin/python")
SEEDS = (0, 1, 2)  # of cleanlab's folds, and of the data values
CLASS_WEIGHTS = {"cleanlab": None, "cleanlab, balanced": "balanced"}


@dataclass(frozen=True)
class Row:
    """How one method detects the wrong labels: one figure for each seed."""

    name: str
    auc: list[float]
    f1: list[float]
    area: list[float]


def find_runs(runs: Path, data: Path, public: Splits) -> dict[str, dict[int, Path]]:
    """Find the stored runs of today's references on the given data: by name and seed, the newest of each."""
    stored = [(run, read_record(run)) for run in sorted(runs.glob("[!.]*"))]
    keys = ("verdict", "solution_sha256", "template_sha256", "data_sha256")
    found = {}
    for name in find_references([]):
        wanted = prepare(name, Settings(data, "test_a"), public).draft
        found[name] = {
            record.seed: run
            for run, record in stored
            if all(getattr(record, key) == getattr(wanted, key) for key in keys)
        }
    return {name: by_seed for name, by_seed in found.items() if name != ORACLE}


def detect_by_cleanlab(arrays: Path) -> None:
    """Score pixels and noisy labels with cleanlab, in the peers' environment; print values and flags as JSON."""
    import cleanlab
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    with np.load(arrays) as file:
        pixels, noisy = file["pixels"], file["noisy"]
    answers = {}
    for name, class_weight in CLASS_WEIGHTS.items():
        answers[name] = []
        for seed in SEEDS:
            classifier = make_pipeline(
                PCA(48, whiten=True, random_state=0), LogisticRegression(class_weight=class_weight, max_iter=1000)
            )
            folds = StratifiedKFold(5, shuffle=True, random_state=seed)
            probabilities = cross_val_predict(classifier, pixels, noisy, cv=folds, method="predict_proba")
            values = get_label_quality_scores(noisy, probabilities)
            flags = find_label_issues(noisy, probabilities, n_jobs=1)
            answers[name].append({"values": values.tolist(), "flags": flags.tolist()})
    print(json.dumps({"version": cleanlab.__version__, "answers": answers}))


def require_peers(python: Path) -> None:
    """Look for cleanlab before anything long begins.

    Raises:
        SystemExit: the peers' environment, or cleanlab in it, is missing.
    """
    if not python.is_file():
        raise SystemExit(f"error: no {python} here: run 'make peers', or name the environment's with --peers-python")
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('cleanlab') is None)"
    if subprocess.run([str(python), "-c", look], capture_output=True).returncode:
        raise SystemExit(f"error: {python} has no cleanlab: run 'make peers'")


def ask_peers(python: Path, pixels: np.ndarray, noisy: np.ndarray) -> dict:
    """Run `detect_by_cleanlab` in the peers' environment."""
    with tempfile.TemporaryDirectory() as scratch:
        arrays = Path(scratch) / "arrays.npz"
        np.savez(arrays, pixels=pixels, noisy=noisy)
        command = [str(python), "-m", "benchmarks.noise_detection", "--as-peer", str(arrays)]
        peer = subprocess.run(command, capture_output=True, text=True)
    if peer.returncode:
        raise SystemExit(f"error: cleanlab failed in {python}:\n{peer.stderr[-2000:]}")
    return json.loads(peer.stdout)


def data_values(public: Splits) -> dict[str, list[np.ndarray]]:
    """Value the training samples with the cores of the references that do: by name, one float [N] for each seed."""
    train, val = public["train"].dataset, public["val"].dataset
    samples = train.images.numpy(), train.targets.numpy(), val.images.numpy(), val.targets.numpy()
    datarater_filter.train_loader, datarater_filter.val_loader = make_loader(train), make_loader(val)
    valued: dict[str, list[np.ndarray]] = {
        name: [control(*samples, seed) for seed in (SEEDS[:1] if name in DETERMINISTIC else SEEDS)]
        for name, control in CONTROLS.items()
    }
    valued |= {
        "best, confidence": [best.confidence(train, val)],
        "dvrl_filter, data values": [],
        "datarater_filter, ratings": [],
    }
    for seed in SEEDS:
        dvrl = dvrl_filter.DVRL(seed=seed).fit(train.images, train.targets, val.images, val.targets)
        valued["dvrl_filter, data values"].append(dvrl.data_values)
        torch.manual_seed(seed)
        _, _, ratings = datarater_filter.rate_samples()
        valued["datarater_filter, ratings"].append(ratings.numpy())
    return valued


def judge(name: str, vectors: list[np.ndarray], corrupted: np.ndarray, f1: list[float]) -> Row:
    """Judge values [N], one vector for each seed, as detectors of corrupted samples."""
    auc = [detection(values, corrupted).auc for values in vectors]
    return Row(name, auc, f1, [corrupted_sample_discovery(values, corrupted).area for values in vectors])


def compare(profile: str, runs: Path, python: Path) -> dict:
    """Detect the wrong labels of a profile's practice data with every method that is there."""
    require_peers(python)
    data = practice_data(profile)
    folder = find_data(data)
    public = open_training_splits(folder)
    train = public["train"].dataset
    noisy, clean = train.targets.numpy(), read_truth(folder.folder_of("test_a"), train).numpy()
    corrupted = noisy != clean
    rows = []
    for name, by_seed in find_runs(runs, data, public).items():
        if not by_seed:
            print(f"{name}: no run in {runs}, left out ('grader validate {name} --profile {profile}')", file=sys.stderr)
            continue
        vectors = [selection_quality(unpack_selections(run), noisy, clean).frequency for run in by_seed.values()]
        rows.append(judge(name, vectors, corrupted, [detection(values, corrupted).f1 for values in vectors]))
    for name, vectors in data_values(public).items():
        rows.append(judge(name, vectors, corrupted, [detection(values, corrupted).f1 for values in vectors]))
    peers = ask_peers(python, train.images.flatten(1).numpy(), noisy)
    for name, answers in peers["answers"].items():
        vectors = [np.array(answer["values"]) for answer in answers]
        f1 = [float(f1_score(corrupted, answer["flags"])) for answer in answers]
        rows.append(judge(name, vectors, corrupted, f1))
    return {
        "profile": profile,
        "samples": len(noisy),
        "corrupted": int(corrupted.sum()),
        "optimal_area": corrupted_sample_discovery(~corrupted * 1.0, corrupted).optimal_area,
        "cleanlab": peers["version"],
        "rows": [asdict(row) for row in rows],
    }


def markdown(results: dict) -> str:
    """Write the results as a Markdown table, best AUC first."""
    lines = ["| method | seeds | detection AUC | F1 | discovery area |", "|---|---|---|---|---|"]
    for row in sorted((Row(**row) for row in results["rows"]), key=lambda row: -np.mean(row.auc)):
        lines.append(f"| {row.name} | {len(row.auc)} | {spread(row.auc)} | {spread(row.f1)} | {spread(row.area)} |")
    return "\n".join(lines)


def plot(results: dict, path: Path) -> None:
    """Draw mean and standard deviation of AUC, F1 and discovery area of every method."""
    from matplotlib.figure import Figure

    rows = sorted((Row(**row) for row in results["rows"]), key=lambda row: np.mean(row.auc))
    figure = Figure(figsize=(9, 1.2 + 0.3 * len(rows)), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    bounds = {"auc": 1.0, "f1": 1.0, "area": results["optimal_area"]}
    titles = ("detection AUC", "F1", "discovery area")
    for axis, title, (measure, bound) in zip(panels, titles, bounds.items(), strict=True):
        for place, row in enumerate(rows):
            figures = getattr(row, measure)
            color = "#d55e00" if row.name in CLASS_WEIGHTS else "black" if row.name in CONTROLS else "#0072b2"
            deviation = np.std(figures, ddof=1) if len(figures) > 1 else 0.0
            axis.errorbar(np.mean(figures), place, xerr=deviation, fmt="o", ms=5, capsize=3, color=color)
        axis.axvline(bound, color="gray", lw=1, ls="--")
        if measure != "f1":
            axis.axvline(0.5, color="gray", lw=1, ls=":")
        axis.set(title=title, yticks=range(len(rows)), yticklabels=[row.name for row in rows])
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def main(words: list[str] | None = None) -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Detect wrong labels: the references' selections against cleanlab.")
    parser.add_argument("--profile", choices=PROFILES, default="standard")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/validate"), help="where 'grader validate' stored its runs"
    )
    parser.add_argument("--peers-python", type=Path, default=PEERS_PYTHON, help="made by 'make peers'")
    parser.add_argument("--out", type=Path, default=RESULTS_FILE)
    parser.add_argument("--plot", action="store_true", help="measure nothing, redraw the PNG beside --out")
    parser.add_argument("--as-peer", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    if arguments.as_peer:
        detect_by_cleanlab(arguments.as_peer)
        return
    if not arguments.plot:
        require_place(arguments.out)
        try:
            results = compare(arguments.profile, arguments.runs, arguments.peers_python)
        except InfrastructureError as error:
            raise SystemExit(f"error: {error.message}") from None
        write_results(arguments.out, results)
    results = read_results(arguments.out, "rows", "optimal_area")
    print(markdown(results))
    plot(results, arguments.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
