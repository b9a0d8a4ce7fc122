"""The report of one run as a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from competition.task.constants import NUM_CLASSES, NUM_EPOCHS
from competition.task.epoch import Epoch
from grader.pages.notebook_output import Note, Picture, Text
from grader.pages.page import render
from grader.pages.plots import Axis, Line, axis_from_zero, grouped_bars, histograms, line_plot, round_ticks, time_bar
from grader.pages.report import Kept, Report, Truth
from grader.verdicts import Verdict

SPLITS = {"val": "validation set", "test_a": "public test set", "test_b": "final test set"}
LOOKS = ("one", "two")  # of the two models, and of the two classes


@dataclass(frozen=True)
class Key:
    """One entry of a plot's legend: its class in the style, and its name."""

    look: str
    name: str


@dataclass(frozen=True)
class Panel:
    """A plot with its title, its legend and what there is to say about it."""

    title: str
    keys: tuple[Key, ...]
    plot: Markup
    text: str = ""


@dataclass(frozen=True)
class EpochRow:
    """The figures of one epoch and model, as the table below the plots shows them; None for what is not known."""

    epoch: int
    model: int
    val_bac: float | None
    train_loss: float | None
    samples: tuple[int, ...] | None
    picks: tuple[int, ...] | None


MODEL_KEYS = tuple(Key(f"line {look}", f"model {k}") for k, look in enumerate(LOOKS, 1))
CLASS_KEYS = tuple(Key(look, f"labelled {k}") for k, look in enumerate(LOOKS))
TRUTH_KEYS = (Key("one", "right label"), Key("two", "wrong label"))
CLASS_LINES = tuple(Key(f"line {look}", f"labelled {k}") for k, look in enumerate(LOOKS))


def epoch_axis(epochs: int = NUM_EPOCHS) -> Axis:
    """Make the axis of epochs, from 1."""
    return Axis(1, max(epochs, 2), tuple(float(epoch) for epoch in range(1, epochs + 1)), "epoch")


def course(look: str, values: Sequence[float | None]) -> Line:
    """Make a line of one value per epoch."""
    return Line(look, tuple((float(epoch), value) for epoch, value in enumerate(values, 1)))


def training_panels(history: Sequence[Epoch]) -> list[Panel]:
    """Draw the validation BAC and the mean loss of what was learned from, by epoch and model."""
    if not history:
        return []
    x = epoch_axis(len(history))
    bacs = [course(look, [epoch.val_bac[k] for epoch in history]) for k, look in enumerate(LOOKS)]
    losses = [course(look, [epoch.train_loss[k] for epoch in history]) for k, look in enumerate(LOOKS)]
    lowest = min(min(epoch.val_bac) for epoch in history)
    low = min(0.4, math.floor(lowest * 10) / 10)
    y = Axis(low, 1.0, round_ticks(low, 1.0, 5), places=1)
    chance = Line("chance", ((x.low, 0.5), (x.high, 0.5)), dots=False)
    loss_axis = axis_from_zero(value for line in losses for _, value in line.points)
    return [
        Panel(
            "Balanced accuracy on the validation set",
            (*MODEL_KEYS, Key("line chance", "chance")),
            line_plot("Balanced accuracy on the validation set by epoch, both models", x, y, [*bacs, chance]),
        ),
        Panel(
            "Mean loss of the selected samples",
            MODEL_KEYS,
            line_plot("Mean loss of the selected samples by epoch, both models", x, loss_axis, losses),
        ),
    ]


def kept_panels(kept: Kept | None) -> list[Panel]:
    """Draw how many different samples of each class were kept, one panel per model."""
    if kept is None:
        return []
    y = axis_from_zero([float(kept.available.max())])
    panels = []
    for model in range(kept.samples.shape[1]):
        groups = [(float(epoch), counts.tolist()) for epoch, counts in enumerate(kept.samples[:, model], 1)]
        label = f"Samples of each class that model {model + 1} kept, by epoch"
        of = " and ".join(f"{count:,} labelled {k}" for k, count in enumerate(kept.available.tolist()))
        panels.append(
            Panel(
                f"Samples that model {model + 1} learned from",
                CLASS_KEYS,
                grouped_bars(label, epoch_axis(max(len(groups), 2)), y, groups, LOOKS),
                f"of {of}",
            )
        )
    return panels


def epoch_table(history: Sequence[Epoch], kept: Kept | None) -> list[EpochRow]:
    """List the figures behind the plots, epoch by epoch and model by model."""
    rows = []
    for epoch in range(max(len(history), 0 if kept is None else len(kept.samples))):
        for model in range(2):
            known = history[epoch] if epoch < len(history) else None
            samples = picks = None
            if kept is not None and epoch < len(kept.samples):
                samples = tuple(kept.samples[epoch, model].tolist())
                picks = tuple(kept.picks[epoch, model].tolist())
            rows.append(
                EpochRow(
                    epoch + 1,
                    model + 1,
                    known.val_bac[model] if known else None,
                    known.train_loss[model] if known else None,
                    samples,
                    picks,
                )
            )
    return rows


def quality_panels(truth: Truth) -> list[Panel]:
    """Draw purity and clean recall by epoch and noisy class."""
    y = Axis(0.0, 1.0, round_ticks(0.0, 1.0, 5), places=1)
    panels = []
    for title, overall, values, text in (
        (
            "Purity",
            truth.quality.purity,
            truth.quality.purity_by_class,
            "share of right labels among what was selected",
        ),
        (
            "Clean recall",
            truth.quality.clean_recall,
            truth.quality.clean_recall_by_class,
            "share of the right labels that were selected",
        ),
    ):
        lines = [course(look, values[:, label].tolist()) for label, look in enumerate(LOOKS[:NUM_CLASSES])]
        plot = line_plot(f"{title} by epoch and class", epoch_axis(len(values)), y, lines)
        panels.append(Panel(f"{title}: {overall:.3f}", CLASS_LINES, plot, text))
    return panels


def discovery_panel(truth: Truth) -> list[Panel]:
    """Draw how fast low selection frequencies find wrong labels."""
    found = truth.discovery
    if found is None:
        return []
    shares = found.inspected.tolist()
    lines = [
        Line("one", tuple(zip(shares, found.found.tolist(), strict=True)), dots=False),
        Line("best", tuple(zip(shares, found.optimal.tolist(), strict=True)), dots=False),
        Line("chance", tuple(zip(shares, found.random.tolist(), strict=True)), dots=False),
    ]
    unit = round_ticks(0.0, 1.0, 5)
    x = Axis(0.0, 1.0, unit, "share inspected, least selected first", 1)
    plot = line_plot(
        "Share of wrong labels found by inspecting the least selected first", x, Axis(0, 1, unit, places=1), lines
    )
    keys = (
        Key("line one", f"this run ({found.area:.3f})"),
        Key("line best", f"optimal ({found.optimal_area:.3f})"),
        Key("line chance", "random (0.500)"),
    )
    return [Panel("Wrong labels found", keys, plot, "in parentheses the area below the curve")]


def loss_panels(truth: Truth) -> list[Panel]:
    """Draw the losses of right and wrong labels, in the first and the last epoch."""
    shares = [(found.histogram.clean.tolist(), found.histogram.flipped.tolist()) for found in truth.losses]
    y = axis_from_zero(share for pair in shares for group in pair for share in group)
    panels = []
    for found, pair in zip(truth.losses, shares, strict=True):
        edges = found.histogram.edges.tolist()
        x = Axis(0.0, edges[-1], round_ticks(0.0, edges[-1], 5), "loss, mean of both models", 1 if edges[-1] < 5 else 0)
        label = f"Losses of right and of wrong labels in epoch {found.epoch}"
        plot = histograms(label, x, y, edges, tuple(zip(LOOKS, pair, strict=True)))
        text = "share of each group; the last step holds all larger losses too"
        panels.append(Panel(f"Losses in epoch {found.epoch}", TRUTH_KEYS, plot, text))
    return panels


def frequency_panel(truth: Truth) -> Panel:
    """Draw how often right and wrong labels were selected."""
    x = Axis(0.0, 1.0, round_ticks(0.0, 1.0, 5), "share of epochs and models", 1)
    shares = (truth.frequency.clean.tolist(), truth.frequency.flipped.tolist())
    y = axis_from_zero([max(map(max, shares))])
    plot = histograms(
        "How often right and wrong labels were selected",
        x,
        y,
        truth.frequency.edges.tolist(),
        tuple(zip(LOOKS, shares, strict=True)),
    )
    return Panel("How often they were selected", TRUTH_KEYS, plot, "share of each group")


def truth_panels(truth: Truth) -> list[Panel]:
    """Draw everything that needs the truth."""
    return [*quality_panels(truth), *loss_panels(truth), frequency_panel(truth), *discovery_panel(truth)]


def time_parts(report: Report) -> list[tuple[str, float, str]]:
    """Split the time that was used into that of the participant's function and the rest."""
    record = report.record
    rest = max(record.seconds - record.answer_seconds, 0.0)
    return [
        ("two", record.answer_seconds, f"your function: {record.answer_seconds:.1f} s"),
        ("one", rest, f"start and training: {rest:.1f} s"),
    ]


def report_page(report: Report) -> str:
    """Return a report as the text of one HTML file, whole by itself; the participant's words in it are escaped."""
    truth = report.truth
    return render(
        "report.html",
        report=report,
        record=report.record,
        ok=report.record.verdict is Verdict.OK,
        ours=report.record.verdict is Verdict.INFRASTRUCTURE_ERROR,
        split=SPLITS.get(report.record.split, report.record.split),
        panels=[*training_panels(report.history), *kept_panels(report.kept)],
        table=epoch_table(report.history, report.kept),
        time=time_bar(time_parts(report), report.record.time_limit),
        truth=truth,
        quality=[] if truth is None else truth_panels(truth),
        kinds={Text: "text", Picture: "picture", Note: "note"},
    )
