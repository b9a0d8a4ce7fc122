"""What the report of one run holds."""

from __future__ import annotations

from dataclasses import dataclass

from competition.task.epoch import Epoch
from grader.analysis import Discovery, Floats, Integers, SelectionQuality
from grader.grading import Record
from grader.pages.notebook_output import NotebookOutput


@dataclass(frozen=True)
class Gap:
    """A part that the report lacks.

    Attributes:
        what: the part, a sentence for everybody.
        why: the reason, for the organizer only: it may name folders.
    """

    what: str
    why: str


@dataclass(frozen=True)
class Kept:
    """What was selected, by noisy label; int64.

    Attributes:
        samples: [epochs, models, classes], different samples.
        picks: [epochs, models, classes], the same with repeats.
        available: [classes], training samples with that label.
    """

    samples: Integers
    picks: Integers
    available: Integers


@dataclass(frozen=True)
class Histogram:
    """How a quantity is distributed over right and over wrong labels.

    Attributes:
        edges: float64 [bins + 1]; the last bin also holds what lies above.
        clean, flipped: float64 [bins], the share of each group in each bin.
    """

    edges: Floats
    clean: Floats
    flipped: Floats


@dataclass(frozen=True)
class EpochLosses:
    """The losses of one epoch, numbered from 1, mean of both models."""

    epoch: int
    histogram: Histogram


@dataclass(frozen=True)
class TrainingImage:
    """A training image: a PNG file, its noisy and its clean label, and how often it was selected, 0 to 1."""

    png: bytes
    noisy: int
    clean: int
    frequency: float


@dataclass(frozen=True)
class ImageRow:
    """Images of one noisy class that were selected most often, or least often."""

    noisy: int
    most: bool
    images: tuple[TrainingImage, ...]


@dataclass(frozen=True)
class Truth:
    """What only the organizer may see.

    Attributes:
        flipped, samples: wrong labels, of so many.
        quality: purity and clean recall.
        discovery: how low selection frequencies find wrong labels; None where all labels are right, or wrong.
        frequency: of how often samples were selected; see `SelectionQuality`.
        losses: of the first and the last epoch; empty where the run keeps no losses.
        images: the extremes of both classes.
    """

    flipped: int
    samples: int
    quality: SelectionQuality
    discovery: Discovery | None
    frequency: Histogram
    losses: tuple[EpochLosses, ...]
    images: tuple[ImageRow, ...]


@dataclass(frozen=True)
class Report:
    """Everything that the page of one run shows.

    Attributes:
        run: the run folder's name.
        for_organizer: which edition it is.
        record: of the grading; in the participant's edition without what they may not know.
        advice: what to do about the verdict.
        answered: batches that were answered; 0 where the training did not begin.
        history: one entry per epoch; empty unless the verdict is OK.
        kept: what was selected in each whole epoch; None where there is none.
        solution: the solution cell's source, hostile; None where none could be lifted.
        output: what the executed notebook shows; None where there is none to show.
        truth: None in the participant's edition.
        notes: what is left out on purpose, a sentence each.
        gaps: what is missing.
    """

    run: str
    for_organizer: bool
    record: Record
    advice: str
    answered: int
    history: tuple[Epoch, ...]
    kept: Kept | None
    solution: str | None
    output: NotebookOutput | None
    truth: Truth | None
    notes: tuple[str, ...]
    gaps: tuple[Gap, ...]
