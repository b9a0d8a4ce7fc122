"""Data values, and the data that they belong to: a run's selections, or a file of values, with a data folder."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import numpy as np

from competition.splits import Split
from competition.task.data import TaskDataset
from grader.analysis.oracle import read_truth
from grader.analysis.quality import Integers, SelectionQuality, selection_quality
from grader.analysis.valuation import Floats, Samples, ValuationData, check_values, read_npz_data
from grader.grading import (
    data_sha256,
    find_data,
    open_training_splits,
    open_verified,
    read_record,
    unpack_selections,
)
from grader.verdicts import InfrastructureError, Verdict

VALUE_COLUMNS = ("file", "value")
SCORED_SPLIT = "test_a"


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
