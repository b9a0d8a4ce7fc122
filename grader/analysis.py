"""Analyse a run, or any vector of data values: every metric of `grader.valuation` as one JSON file and as plots.

    analysis.json    all metrics
    discovery.png    corrupted samples found among the lowest values, with the optimal and the random search
    removal.png      a model trained without the lowest values, and without the highest
    values.png       the values of right and of wrong labels
    selection.png    purity and clean recall per class and epoch (runs only)

What needs to know the wrong labels is left out where nobody does. The losses of a run are drawn in its report.
"""

from __future__ import annotations

import csv
import json
import math
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from competition.manifest import Split
from competition.task.data import TaskDataset
from grader.grading import open_training_splits
from grader.oracle import read_truth
from grader.record import read_record, unpack_selections
from grader.selection_quality import Integers, SelectionQuality, selection_quality
from grader.trainer import data_sha256, find_data, open_verified
from grader.valuation import (
    Detection,
    Discovery,
    Floats,
    Mask,
    Removal,
    RobustLearning,
    Samples,
    ValuationData,
    check_values,
    corrupted_sample_discovery,
    detection,
    read_npz_data,
    removal_curve,
    robust_learning,
)
from grader.verdicts import InfrastructureError, Verdict

ANALYSIS_FILE = "analysis.json"
VALUE_COLUMNS = ("file", "value")
SCORED_SPLIT = "test_a"
TIE_SEED = 0
BLUE, ORANGE, VERMILION = "#0072b2", "#e69f00", "#d55e00"


@dataclass(frozen=True)
class Analysis:
    """All metrics of one vector of data values.

    Attributes:
        source: the run folder or file that the values come from.
        samples, corrupted: training samples, and how many of them have a wrong label; None where nobody knows.
        robust_learning, lowest_first, highest_first: what training on the values gives; balanced accuracy.
        detection, discovery: how the values find wrong labels; None where nobody knows them.
        selection: how good the selections were; None where the values are not those of a run.
    """

    source: str
    samples: int
    corrupted: int | None
    robust_learning: RobustLearning
    lowest_first: Removal
    highest_first: Removal
    detection: Detection | None
    discovery: Discovery | None
    selection: SelectionQuality | None

    def to_json(self) -> str:
        """Return the metrics as the text of a JSON file: NaN becomes null, the values themselves are left out."""
        fields = asdict(self)
        fields["robust_learning"]["filtered"] = self.lowest_first.best
        if self.selection is not None:
            del fields["selection"]["frequency"]
        return json.dumps(plain(fields), indent=2, allow_nan=False) + "\n"

    def summary(self) -> list[tuple[str, str]]:
        """Return the main figures in words, each line with its name."""
        lines = []
        if self.selection is not None:
            purity, recall = self.selection.purity, self.selection.clean_recall
            lines.append(("selection", f"purity {purity:.3f}, clean recall {recall:.3f}"))
        if self.detection is not None and self.discovery is not None:
            area, optimal = self.discovery.area, self.discovery.optimal_area
            lines.append(("detection", f"AUC {self.detection.auc:.3f}, F1 {self.detection.f1:.3f}"))
            lines.append(("discovery", f"area {area:.3f}, optimal {optimal:.3f}, random 0.500"))
        robust = self.robust_learning
        lines.append(("unweighted", f"BAC {robust.unweighted:.3f} of a logistic regression on all samples"))
        lines.append(("weighted", f"BAC {robust.weighted:.3f} with the values as weights"))
        lines.append(("filtered", f"BAC {self.lowest_first.best:.3f} without the lowest values"))
        return lines


def plain(value: Any) -> Any:
    """Turn arrays into lists and NaN into None, also deep inside."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray | list):
        return [plain(inner) for inner in list(value)]
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    return value


def as_samples(dataset: TaskDataset) -> Samples:
    """Take the pixels and labels of a split."""
    return Samples(dataset.images.numpy(), dataset.targets.numpy())


def read_run(run: Path, splits: dict[str, Split], clean: Integers) -> SelectionQuality:
    """Compare a run's selections with the clean labels, int64 [N].

    Raises:
        InfrastructureError: the run is unfinished, was not graded on this data, or its selections are damaged.
    """
    record = read_record(run)
    if record.verdict is not Verdict.OK:
        raise InfrastructureError(f"{run} ended with {record.verdict.value}: only a run that is OK has all selections")
    if record.data_sha256 != data_sha256(splits):
        raise InfrastructureError(f"{run} was graded on other data than this: name its data folder with --data")
    try:
        return selection_quality(unpack_selections(run), splits["train"].dataset.targets.numpy(), clean)
    except FileNotFoundError:
        raise InfrastructureError(f"{run} holds no selections.npz: grade the submission again") from None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InfrastructureError(f"{run / 'selections.npz'} is damaged ({error}): grade again") from None


def read_values(path: Path, samples: int, files: list[str] | None) -> Floats:
    """Read data values, float64 [N]: a ``.npy`` array in file order, or a CSV with the columns file and value.

    Args:
        files: the names of the training images; None where the data has none, so that a CSV cannot be used.

    Raises:
        InfrastructureError: the file cannot be read, or has not exactly one finite value per training sample.
    """
    try:
        if path.suffix == ".npy":
            with open(path, "rb") as array:
                return check_values(np.lib.format.read_array(array, allow_pickle=False), samples)
        if files is None:
            raise ValueError("this data has no file names: give the values as a .npy file, in the data's order")
        with open(path, newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            if not set(VALUE_COLUMNS) <= set(reader.fieldnames or ()):
                raise ValueError(f"expected a .npy file, or a CSV file with the columns {' and '.join(VALUE_COLUMNS)}")
            rows = [(row["file"], float(row["value"])) for row in reader]
        by_file = dict(rows)
        if len(rows) != len(by_file) or by_file.keys() != set(files):
            raise ValueError(
                f"expected each of the {samples} training images once: {len(set(files) - by_file.keys())} are missing, "
                f"{len(by_file.keys() - set(files))} are unknown, {len(rows) - len(by_file)} are repeated"
            )
        return check_values(np.array([by_file[name] for name in files]), samples)
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise InfrastructureError(f"the values in {path} cannot be used: {error}") from None


def open_source(source: Path, data: Path) -> tuple[Floats, ValuationData, SelectionQuality | None]:
    """Open values, or a run's selections, and the data that they belong to.

    Raises:
        InfrastructureError: one of them is missing, damaged, or does not fit the other.
    """
    if (data / "train.npz").is_file():
        if source.is_dir():
            raise InfrastructureError(f"{data} holds npz files, but runs are graded on data made by build-data")
        try:
            npz = read_npz_data(data)
        except ValueError as error:
            raise InfrastructureError(str(error)) from None
        return read_values(source, len(npz.train.y), None), npz, None
    folder = find_data(data)
    private = folder.folder_of(SCORED_SPLIT)
    draw = read_record(source).train if source.is_dir() else "train"
    splits = open_training_splits(folder, draw)
    train = splits["train"].dataset
    clean = read_truth(private, train, draw).numpy()
    quality = read_run(source, splits, clean) if source.is_dir() else None
    values = read_values(source, len(train), train.files) if quality is None else quality.frequency
    test = open_verified(folder, SCORED_SPLIT).dataset
    corrupted = clean != train.targets.numpy()
    opened = ValuationData(as_samples(train), as_samples(splits["val"].dataset), as_samples(test), corrupted)
    return values, opened, quality


def detect(values: Floats, corrupted: Mask | None) -> tuple[Detection, Discovery] | tuple[None, None]:
    """Compute the detection metrics; None where the truth is not known, or all labels are alike right or wrong."""
    if corrupted is None or corrupted.all() or not corrupted.any():
        return None, None
    return detection(values, corrupted), corrupted_sample_discovery(values, corrupted)


def evaluate_values(source: str, values: Floats, data: ValuationData, selection: SelectionQuality | None) -> Analysis:
    """Compute all metrics of data values, float64 [N], with the default evaluator and metric."""
    low, high = (
        removal_curve(values, data, lowest_first=lowest_first, generator=np.random.default_rng(TIE_SEED))
        for lowest_first in (True, False)
    )
    corrupted = None if data.corrupted is None else int(np.count_nonzero(data.corrupted))
    weighted = robust_learning(values, data)
    detected, discovery = detect(values, data.corrupted)
    return Analysis(source, len(values), corrupted, weighted, low, high, detected, discovery, selection)


def analyze(source: Path, data: Path, out: Path) -> Analysis:
    """Analyse a run folder or a file of data values, and write the metrics and the plots into `out`.

    Args:
        source: a run folder; or values, see `read_values`.
        data: what ``build-data`` made, with its private part; or a folder of npz files, see `read_npz_data`.

    Raises:
        InfrastructureError: something is missing, damaged, or does not fit; or `out` cannot be written.
    """
    values, opened, selection = open_source(source, data)
    analysis = evaluate_values(source.name, values, opened, selection)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / ANALYSIS_FILE).write_text(analysis.to_json())
        save_plots(analysis, values, opened.corrupted, out)
    except OSError as error:
        raise InfrastructureError(f"the analysis could not be written to {out}: {error}") from None
    return analysis


def save_plots(analysis: Analysis, values: Floats, corrupted: Mask | None, out: Path) -> None:
    """Draw what there is to draw into PNG files; see the module's docstring."""
    figures = {"removal": removal_figure(analysis), "values": values_figure(values, corrupted)}
    if analysis.discovery is not None:
        figures["discovery"] = discovery_figure(analysis.discovery)
    if analysis.selection is not None:
        figures["selection"] = selection_figure(analysis.selection)
    for name, figure in figures.items():
        for axis in figure.axes:
            axis.spines[["top", "right"]].set_visible(False)
        figure.savefig(out / f"{name}.png", dpi=150)


def new_figure(width: float, panels: int = 1) -> tuple[Figure, list[Axes]]:
    """Make a figure with panels side by side; none of pyplot's global state is used."""
    figure = Figure(figsize=(width, 3.4), layout="constrained")
    return figure, list(figure.subplots(1, panels, squeeze=False)[0])


def discovery_figure(discovery: Discovery) -> Figure:
    """Draw the discovery curve."""
    figure, (axis,) = new_figure(4.8)
    axis.plot(
        discovery.inspected, discovery.optimal, "--", color="gray", label=f"optimal ({discovery.optimal_area:.3f})"
    )
    axis.plot(
        discovery.inspected, discovery.found, "o-", color=BLUE, ms=4, label=f"these values ({discovery.area:.3f})"
    )
    axis.plot(discovery.inspected, discovery.random, ":", color="gray", label="random (0.500)")
    axis.set(
        title="corrupted-sample discovery",
        xlabel="share of samples inspected, lowest values first",
        ylabel="share of wrong labels found",
    )
    axis.legend(frameon=False, title="search (area)", loc="lower right")
    return figure


def removal_figure(analysis: Analysis) -> Figure:
    """Draw both removal curves, with the score of training on everything."""
    figure, (axis,) = new_figure(4.8)
    for curve, name, style, color in (
        (analysis.lowest_first, "lowest values first", "o-", BLUE),
        (analysis.highest_first, "highest values first", "s-", VERMILION),
    ):
        axis.plot(curve.removed, curve.test, style, color=color, ms=4, label=name)
    axis.axhline(analysis.robust_learning.weighted, color=BLUE, ls="--", lw=1, label="none removed, weighted by value")
    axis.axhline(0.5, color="gray", lw=1, ls=":")
    axis.set(title="removal by value", xlabel="share of samples removed", ylabel="balanced accuracy on test")
    axis.legend(frameon=False)
    return figure


def values_figure(values: Floats, corrupted: Mask | None) -> Figure:
    """Draw the histogram of the values, right and wrong labels apart where they are known."""
    figure, (axis,) = new_figure(4.8)
    edges = np.histogram_bin_edges(values, bins=25).tolist()
    if corrupted is None:
        axis.hist(values, edges, color=BLUE)
    else:
        groups, names = (values[~corrupted], values[corrupted]), ("right label", "wrong label")
        axis.hist(groups, edges, stacked=True, color=(BLUE, ORANGE), label=names)
        axis.legend(frameon=False, loc="upper center")
    axis.set(title="data values", xlabel="value", ylabel="training samples")
    return figure


def selection_figure(selection: SelectionQuality) -> Figure:
    """Draw purity and clean recall per noisy class, epoch by epoch."""
    figure, axes = new_figure(8, panels=2)
    for axis, title, overall, by_class in (
        (axes[0], "purity", selection.purity, selection.purity_by_class),
        (axes[1], "clean recall", selection.clean_recall, selection.clean_recall_by_class),
    ):
        epochs = np.arange(1, len(by_class) + 1)
        for label, (color, style) in enumerate(((BLUE, "o-"), (ORANGE, "s-"))):
            axis.plot(epochs, by_class[:, label], style, color=color, ms=4, label=f"labelled {label}")
        axis.set(title=f"{title}: {overall:.3f}", xlabel="epoch", xticks=epochs, ylim=(0, 1.03))
    axes[0].legend(frameon=False, loc="lower left")
    return figure
