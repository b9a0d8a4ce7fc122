"""The metric's own cell: checks a submission, trains again from its lists, scores both models.

The notebook's cells above it are the task's, so that the training is the grader's. What a participant may see of an
error holds no digit, so none of the solution.
"""

from competition.task.constants import BATCH_SIZE, NUM_EPOCHS, NUM_THREADS
from competition.task.data import KAGGLE_INPUTS, Batches
from competition.task.model import SmallMobileNet
from competition.task.selection import MAX_REPEATS
from competition.task.training import train_two_models
from grader.platforms.kaggle.packed import ROWS, SUBMISSION_COLUMNS, unpack_lists

# PLATFORM CELL [metric]: trains again from the lists of a submission, and scores it.
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from sklearn.metrics import balanced_accuracy_score
from torch.utils.data import DataLoader, Dataset, TensorDataset

Array = npt.NDArray[Any]
METRIC_DATA = "label_noise_metric.npz"  # in the private data set beside this notebook
THREADS = NUM_THREADS
trained: dict[str, list[torch.Tensor]] = {}  # of this process: by packed lists, what both models predict


class ParticipantVisibleError(Exception):
    """A fault of the submission; its author sees the message."""


class HostVisibleError(Exception):
    """A fault of ours; the hosts alone see the message."""


def half_sha256(images: Array, labels: Array) -> str:
    """Return the checksum of a half of the test set, which the solution holds: images uint8 [N, H, W], labels [N]."""
    digest = hashlib.sha256(repr(images.shape).encode())
    digest.update(images.tobytes())
    digest.update(labels.astype("<i8").tobytes())
    return digest.hexdigest()


def metric_data() -> dict[str, Array]:
    """Read the arrays that the metric trains and scores on.

    Raises:
        HostVisibleError: they are not attached.
    """
    for place in (Path(), *sorted(Path(KAGGLE_INPUTS).glob("**"))):
        if (place / METRIC_DATA).is_file():
            with np.load(place / METRIC_DATA, allow_pickle=False) as arrays:
                return dict(arrays)
    raise HostVisibleError(f"{METRIC_DATA} is not attached: add the private data set to the metric's inputs")


def loader(images: Array, labels: Array) -> Batches:
    """Make a loader as the task does, of images uint8 [N, H, W] and labels [N]."""
    pixels = torch.from_numpy(images).unsqueeze(1).to(torch.float32).div_(255)
    dataset: Dataset[Any] = TensorDataset(pixels, torch.from_numpy(labels.astype(np.int64)))
    return DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=False, generator=torch.Generator())


@torch.no_grad()
def predictions(model: SmallMobileNet, batches: Batches) -> torch.Tensor:
    """Return the classes, int64 [N], that a model predicts in evaluation mode."""
    model.eval()
    device = next(model.parameters()).device
    return torch.cat([model(inputs.to(device)).argmax(dim=1) for inputs, _ in batches]).cpu()


def lists_in(text: object, arrays: dict[str, Array]) -> list[list[torch.Tensor]]:
    """Unpack the lists of a whole training on this data.

    Raises:
        ValueError: see `unpack_lists`.
    """
    samples = len(arrays["train_labels"])
    sizes = [min(BATCH_SIZE, samples - start) for start in range(0, samples, BATCH_SIZE)]
    return unpack_lists(text, sizes * NUM_EPOCHS, MAX_REPEATS)


def train_again(steps: list[list[torch.Tensor]], arrays: dict[str, Array]) -> list[torch.Tensor]:
    """Train both models from lists; return what each predicts for the whole test set, int64 [N]."""
    given = iter(steps)
    models, _ = train_two_models(
        loader(arrays["train_images"], arrays["train_labels"]),
        loader(arrays["val_images"], arrays["val_labels"]),
        lambda targets, losses: next(given),
        threads=THREADS,
        progress=None,
    )
    test = loader(arrays["test_images"], arrays["test_labels"])
    return [predictions(model, test) for model in models]


def score(solution: pd.DataFrame, submission: pd.DataFrame, row_id_column_name: str) -> float:
    """Return the mean balanced accuracy of both models on the halves of the test set that the solution names.

    Raises:
        ParticipantVisibleError: the submission is not what the notebook writes.
        HostVisibleError: the solution and the metric's data do not belong together.

    >>> score(pd.DataFrame({"id": ["public"], "selections": ["x"]}), pd.DataFrame({"id": ["public"]}), "id")
    Traceback (most recent call last):
        ...
    ParticipantVisibleError: the file has no column 'selections': submit the submission.csv that the notebook writes
    """
    lists = SUBMISSION_COLUMNS[1]
    for column in (row_id_column_name, lists):
        if column not in submission.columns:
            raise ParticipantVisibleError(
                f"the file has no column '{column}': submit the submission.csv that the notebook writes"
            )
    wanted = solution[row_id_column_name].tolist()
    if sorted(map(str, submission[row_id_column_name])) != sorted(map(str, wanted)):
        raise ParticipantVisibleError(
            f"the rows are not '{ROWS[0]}' and '{ROWS[1]}', each once: submit the submission.csv that the notebook "
            "writes"
        )
    given = dict(zip(submission[row_id_column_name], submission[lists], strict=True))
    arrays = metric_data()
    scores = []
    for row, checksum in zip(wanted, solution[lists], strict=True):
        own = arrays["test_half"] == ROWS.index(row)
        if half_sha256(arrays["test_images"][own], arrays["test_labels"][own]) != checksum:
            raise HostVisibleError("the solution is not of the attached data: upload both from one export")
        try:
            steps = lists_in(given[row], arrays)
        except ValueError as error:
            raise ParticipantVisibleError(f"the lists of row '{row}' cannot be used: {error}") from None
        if given[row] not in trained:
            trained[given[row]] = train_again(steps, arrays)
        truth = arrays["test_labels"][own]
        scores += [float(balanced_accuracy_score(truth, each.numpy()[own])) for each in trained[given[row]]]
    return sum(scores) / len(scores)
