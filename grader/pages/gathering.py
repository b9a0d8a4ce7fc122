"""Gather what a report shows of one run: a run folder and a data folder in, one `Report` out.

There are two editions. The participant's holds what they may know: the public score, and what follows from their own
code and the public data. The organizer's adds the truth: how good the selections were, and which images they hit.

Each part of a run may be missing, since every verdict leaves other parts behind; what should be there and is not is
named as a gap, and the report comes out without it.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from competition.manifest import PUBLIC_SPLITS
from competition.task.constants import BATCH_SIZE, NUM_CLASSES
from competition.task.data import TaskDataset
from competition.task.epoch import Epoch
from competition.task.symptoms import symptoms
from grader.analysis import (
    Floats,
    Integers,
    corrupted_sample_discovery,
    read_truth,
    selection_counts,
    selection_quality,
)
from grader.grading import (
    EXECUTED_FILE,
    HISTORY_FILE,
    SUBMISSION_FILE,
    DataFolder,
    Record,
    data_sha256,
    find_data,
    open_training_splits,
    read_record,
    unpack_losses,
    unpack_selections,
)
from grader.pages.advice import ADVICE, ADVICE_ON_OURS
from grader.pages.comparing import PUBLIC_TEST, on_public_board, reached_by_references
from grader.pages.notebook_output import NotebookOutput, notebook_output
from grader.pages.report import EpochLosses, Gap, Histogram, ImageRow, Kept, Reached, Report, TrainingImage, Truth
from grader.safe_io import NotAFile, TooLarge, read_untrusted_file
from grader.submission import MAX_NOTEBOOK_BYTES, read_submission
from grader.verdicts import InfrastructureError, ParticipantFault, Verdict

SHOWN_IMAGES = 8  # of each class, most and least often selected
TIE_SEED = 0
LOSS_BINS = 24
LOSS_QUANTILE = 0.98  # the histograms end there; what lies above is counted in the last bin
Selections = list[tuple[Integers, Integers]]

OURS = "The grader had a problem of its own."
FINAL_WITHHELD = "The score on the final test set is published with the final ranking."
REDRAW_WITHHELD = "It is not shown, since this run was trained on a draw of the data that is not public."


def symptoms_of(history: Sequence[Epoch], data: Path) -> list[str]:
    """Say what stands out in a training on the public training set in `data`; see `competition.task.symptoms`.

    Raises:
        InfrastructureError: there is no such data.
    """
    labels = TaskDataset(find_data(data).public / "train").targets
    return symptoms(history, np.bincount(labels.numpy(), minlength=NUM_CLASSES).tolist())


@contextmanager
def expecting(what: str, gaps: list[Gap]) -> Iterator[None]:
    """Add a gap where the body cannot read its part; `what` says that it is missing."""
    try:
        yield
    except InfrastructureError as error:
        gaps.append(Gap(what, error.message))
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, NotAFile, TooLarge) as error:
        gaps.append(Gap(what, f"{type(error).__name__}: {error}"))


def for_participant(record: Record) -> tuple[Record, tuple[str, ...]]:
    """Take from a record what a participant may not know; return it with what there is to say about that.

    That is all of a score that is not public; our own messages, which name our folders; and on a private draw of the
    training data their own messages too, which may carry its labels out.
    """
    record = replace(record, split_sha256=None)
    notes = []
    if record.split not in (*PUBLIC_SPLITS, PUBLIC_TEST):
        record = replace(record, bac=None, bac_mean=None, points=None)
        if record.verdict is Verdict.OK:
            notes.append(FINAL_WITHHELD)
    if record.verdict is Verdict.INFRASTRUCTURE_ERROR:
        record = replace(record, message=OURS)
    if record.train not in PUBLIC_SPLITS:
        record = replace(record, data_sha256=None)
        notes.append(f"What the notebook printed: {REDRAW_WITHHELD[0].lower()}{REDRAW_WITHHELD[1:]}")
        if record.verdict not in (Verdict.OK, Verdict.INFRASTRUCTURE_ERROR):
            record = replace(record, message=f"The message is kept with the run. {REDRAW_WITHHELD}")
    return record, tuple(notes)


def read_history(run: Path) -> tuple[Epoch, ...]:
    """Read a run's history.

    Raises:
        OSError, ValueError, KeyError, TypeError: it is missing or damaged.
    """
    entries = json.loads((run / HISTORY_FILE).read_text())
    return tuple(
        Epoch(
            train_loss=tuple(entry["train_loss"]),
            val_bac=tuple(entry["val_bac"]),
            val_recall=tuple(map(tuple, entry["val_recall"])),
            kept=tuple(map(tuple, entry["kept"])),
            alike=entry["alike"],
        )
        for entry in entries
    )


def whole_epochs(selections: Selections, samples: int) -> Selections:
    """Drop the steps of an epoch that was not finished."""
    batches = -(-samples // BATCH_SIZE)
    return selections[: len(selections) // batches * batches]


def count_kept(selections: Selections, noisy: Integers) -> Kept:
    """Count by noisy label, int64 [N], what was selected in whole epochs.

    Raises:
        ValueError: see `selection_counts`.
    """
    counts = selection_counts(selections, len(noisy), BATCH_SIZE)
    of_class = (noisy[:, None] == np.arange(NUM_CLASSES)).astype(np.int64)
    return Kept((counts > 0) @ of_class, counts @ of_class, of_class.sum(axis=0))


def histogram(values: Floats, corrupted: npt.NDArray[np.bool_], edges: Floats) -> Histogram:
    """Count values, float64 [N], apart for right and wrong labels; what is above the last edge, or NaN, is at it."""
    clipped = np.clip(np.nan_to_num(values, nan=np.inf), edges[0], edges[-1])
    clean, flipped = (
        np.histogram(clipped[group], edges)[0] / max(np.count_nonzero(group), 1) for group in (~corrupted, corrupted)
    )
    return Histogram(edges, clean, flipped)


def first_and_last_losses(losses: npt.NDArray[np.float32], corrupted: npt.NDArray[np.bool_]) -> tuple[EpochLosses, ...]:
    """Make the histograms of the first and the last epoch, on the same axis.

    Args:
        losses: float32 [epochs, 2, N].
        corrupted: bool [N], whether a label is wrong.
    """
    means = losses.astype(np.float64).mean(axis=1)
    finite = means[np.isfinite(means)]
    top = float(np.quantile(finite, LOSS_QUANTILE)) if finite.size else 0.0
    edges = np.linspace(0.0, max(top, 1e-6), LOSS_BINS + 1)
    return tuple(
        EpochLosses(epoch + 1, histogram(means[epoch], corrupted, edges)) for epoch in sorted({0, len(means) - 1})
    )


def encode_image(pixels: npt.NDArray[np.float32]) -> bytes:
    """Encode a grey image, float32 [H, W], values 0 to 1, as a PNG file."""
    stream = BytesIO()
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def extreme_images(train: TaskDataset, clean: Integers, frequency: Floats) -> tuple[ImageRow, ...]:
    """Choose the images of each noisy class that were selected most and least often; chance orders equals.

    Args:
        clean: int64 [N], the clean labels.
        frequency: float64 [N], see `SelectionQuality`.
    """
    noisy = train.targets.numpy()
    shuffled = np.random.default_rng(TIE_SEED).permutation(len(noisy))
    rising = shuffled[np.argsort(frequency[shuffled], kind="stable")]
    rows = []
    for label in range(NUM_CLASSES):
        members = rising[noisy[rising] == label]
        for most in (True, False):
            chosen = members[::-1][:SHOWN_IMAGES] if most else members[:SHOWN_IMAGES]
            images = tuple(
                TrainingImage(encode_image(train.images[k, 0].numpy()), label, int(clean[k]), float(frequency[k]))
                for k in chosen
            )
            rows.append(ImageRow(label, most, images))
    return tuple(rows)


def open_training_data(record: Record, data: Path) -> tuple[DataFolder, TaskDataset]:
    """Open the data that a run was trained on.

    Raises:
        InfrastructureError: it is missing, changed, or other data.
    """
    folder = find_data(data)
    splits = open_training_splits(folder, record.train)
    if record.data_sha256 != data_sha256(splits):
        raise InfrastructureError(f"the run was trained on other data than {data}: name its data folder with --data")
    return folder, splits["train"].dataset


def compare_with_truth(
    train: TaskDataset, clean: Integers, selections: Selections, losses: npt.NDArray[np.float32] | None
) -> Truth:
    """Compare the selections of whole epochs, and the losses where there are some, with the clean labels, int64 [N].

    Args:
        losses: float32 [epochs, 2, N].
    """
    noisy = train.targets.numpy()
    corrupted = clean != noisy
    quality = selection_quality(selections, noisy, clean)
    mixed = corrupted.any() and not corrupted.all()
    levels = 2 * len(quality.purity_by_class)  # epochs and models in which a sample may have been selected
    return Truth(
        flipped=int(np.count_nonzero(corrupted)),
        samples=len(noisy),
        quality=quality,
        discovery=corrupted_sample_discovery(quality.frequency, corrupted) if mixed else None,
        frequency=histogram(quality.frequency, corrupted, (np.arange(levels + 2) - 0.5) / levels),
        losses=() if losses is None else first_and_last_losses(losses, corrupted),
        images=extreme_images(train, clean, quality.frequency),
    )


def compare_selections(
    run: Path, data: Path, record: Record, selections: Selections, gaps: list[Gap], *, for_organizer: bool
) -> tuple[Kept | None, Truth | None]:
    """Open what the selections are to be compared with, and compare; None for what is not there or not asked for."""
    kept, truth = None, None
    if not selections:
        return kept, truth
    with expecting("What was selected cannot be counted by class.", gaps):
        folder, train = open_training_data(record, data)
        noisy = train.targets.numpy()
        selections = whole_epochs(selections, len(noisy))
        if not selections:
            return kept, truth
        kept = count_kept(selections, noisy)
        if for_organizer:
            losses = None
            if record.verdict is Verdict.OK:
                with expecting("The losses are missing.", gaps):
                    losses = unpack_losses(run, len(noisy))
            with expecting("What needs the truth is missing.", gaps):
                clean = read_truth(folder.folder_of(PUBLIC_TEST), train, record.train).numpy()
                truth = compare_with_truth(train, clean, selections, losses)
    return kept, truth


def read_notebooks(run: Path, gaps: list[Gap]) -> tuple[str | None, NotebookOutput | None]:
    """Read a run's solution cell and what its executed notebook shows; None for what is not there."""
    solution, output = None, None
    with expecting("The submission cannot be read.", gaps), suppress(FileNotFoundError, ParticipantFault):
        solution = read_submission(read_untrusted_file(run / SUBMISSION_FILE, MAX_NOTEBOOK_BYTES)).solution
    with expecting("The executed notebook cannot be read.", gaps), suppress(FileNotFoundError):
        output = notebook_output(read_untrusted_file(run / EXECUTED_FILE, MAX_NOTEBOOK_BYTES))
    return solution, output


def compare_with_references(
    record: Record, store: Path | None, gaps: list[Gap], *, for_organizer: bool
) -> tuple[Reached, ...]:
    """Return what the references reached on the run's board, as far as this edition may show it."""
    if for_organizer or on_public_board(record):
        with expecting("What the reference solutions reached is missing.", gaps):
            return reached_by_references(record, store)
    return ()


def make_report(run: Path, data: Path, *, for_organizer: bool, store: Path | None = None) -> Report:
    """Gather the report of one run.

    Args:
        run: the run folder.
        data: what the run was trained on; for the organizer's edition with its private part.
        store: of the contest in which references were graded; None where there is none.

    Raises:
        InfrastructureError: `run` is not a run folder.
    """
    record = read_record(run)
    complete = record.verdict is Verdict.OK
    gaps: list[Gap] = []
    history: tuple[Epoch, ...] = ()
    selections: Selections = []
    if complete:
        with expecting("The course of the training is missing.", gaps):
            history = read_history(run)
    if complete or (run / "selections.npz").exists():
        with expecting("What was selected is missing.", gaps):
            selections = unpack_selections(run)
    kept, truth = compare_selections(run, data, record, selections, gaps, for_organizer=for_organizer)
    solution, output = read_notebooks(run, gaps)
    hints = symptoms(history, kept.available.tolist()) if history and kept is not None else ()
    references = compare_with_references(record, store, gaps, for_organizer=for_organizer)
    shown, notes = (record, ()) if for_organizer else for_participant(record)
    ours = record.verdict is Verdict.INFRASTRUCTURE_ERROR
    return Report(
        run=run.name,
        for_organizer=for_organizer,
        record=shown,
        advice=ADVICE_ON_OURS if ours and for_organizer else ADVICE[record.verdict],
        answered=len(selections),
        history=history,
        hints=tuple(hints),
        references=references,
        kept=kept,
        solution=solution,
        output=output if for_organizer or record.train in PUBLIC_SPLITS else None,
        truth=truth,
        notes=notes,
        gaps=tuple(gaps),
    )
