"""Plots as SVG text: pure functions of numbers. Colours come from the page's style, by class, so light and dark work.

A plot is `WIDTH` units wide and is shown at about that many pixels, so that its text is as large as the page's small
print on a phone too; wide ones are drawn twice, and the page shows the one that fits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 340, 210
LEFT, RIGHT, TOP, BOTTOM = 38, 10, 12, 34
DOT = 3.2
BARS_SHARE = 0.76  # of the place of a group of bars; the rest is the gap


@dataclass(frozen=True)
class Axis:
    """One direction of a plot.

    Attributes:
        low, high: its ends, in the data's units.
        ticks: where it is labelled.
        name: what it shows; empty for none.
        places: decimals of the labels.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    name: str = ""
    places: int = 0

    def share(self, value: float) -> float:
        """Return where a value lies, 0 at the low end and 1 at the high end; beyond them it stays at the end."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)


@dataclass(frozen=True)
class Line:
    """A course to draw.

    Attributes:
        look: its class in the style, such as "one" or "bound".
        points: x and y; a y that is None or NaN leaves a gap.
        dots: whether each point is marked.
    """

    look: str
    points: tuple[tuple[float, float | None], ...]
    dots: bool = True


@dataclass(frozen=True)
class Mark:
    """A place on an axis: its value, its class in the style, and what is said of it."""

    value: float
    look: str
    title: str


def number(value: float) -> str:
    """Write a coordinate, to a tenth of a unit."""
    return f"{value:.1f}".removesuffix(".0")


def element(name: str, content: Markup | str = "", **attributes: object) -> Markup:
    """Make an SVG element; everything is escaped, ``class_`` is class, underscores are hyphens."""
    pairs = Markup("").join(
        Markup(' {}="{}"').format(
            key.rstrip("_").replace("_", "-"), number(value) if isinstance(value, float) else str(value)
        )
        for key, value in attributes.items()
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), pairs, escape(content))


def joined(parts: Iterable[Markup]) -> Markup:
    """Put elements one after the other."""
    return Markup("").join(parts)


def round_ticks(low: float, high: float, wanted: int = 4) -> tuple[float, ...]:
    """Return about `wanted` round numbers from `low` to `high`: multiples of 1, 2 or 5 times a power of ten."""
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return tuple((first + k) * step for k in range(math.floor(high / step + 1e-9) - first + 1))


def axis_from_zero(values: Iterable[float | None], name: str = "") -> Axis:
    """Make an axis from 0 to a little above all values that are numbers."""
    largest = max((value for value in values if value is not None and math.isfinite(value)), default=0.0)
    high = 1.08 * max(largest, 1e-6)
    ticks = round_ticks(0.0, high)
    return Axis(0.0, high, ticks, name, max(0, -math.floor(math.log10(ticks[1]) + 1e-9)))


@dataclass(frozen=True)
class Frame:
    """A plot's area: its axes, and its size in units."""

    x: Axis
    y: Axis
    width: int = WIDTH
    height: int = HEIGHT

    def across(self, value: float) -> float:
        """Return a value's horizontal place, in units."""
        return LEFT + self.x.share(value) * (self.width - LEFT - RIGHT)

    def up(self, value: float) -> float:
        """Return a value's vertical place, in units."""
        return self.height - BOTTOM - self.y.share(value) * (self.height - TOP - BOTTOM)

    def draw(self, label: str, *content: Markup) -> Markup:
        """Draw the axes, and the content upon them.

        Args:
            label: what the plot shows, for who cannot see it.
        """
        floor = self.height - BOTTOM
        parts = []
        for tick in self.y.ticks:
            place = self.up(tick)
            parts.append(element("line", x1=LEFT, x2=self.width - RIGHT, y1=place, y2=place, class_="grid"))
            text = f"{tick:,.{self.y.places}f}"
            parts.append(element("text", text, x=LEFT - 6, y=place + 3.5, text_anchor="end"))
        for tick in self.x.ticks:
            text = f"{tick:,.{self.x.places}f}"
            parts.append(element("text", text, x=self.across(tick), y=floor + 15, text_anchor="middle"))
        middle = (LEFT + self.width - RIGHT) / 2
        if self.x.name:
            parts.append(element("text", self.x.name, x=middle, y=self.height - 4, text_anchor="middle"))
        parts.append(element("line", x1=LEFT, x2=self.width - RIGHT, y1=floor, y2=floor, class_="base"))
        box = f"0 0 {self.width} {self.height}"
        return element("svg", joined([*parts, *content]), viewBox=box, class_="plot", role="img", aria_label=label)


def draw_line(frame: Frame, line: Line) -> Markup:
    """Draw one course; a single point between gaps is a dot."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in line.points:
        if y is None or not math.isfinite(y):
            runs.append([])
        else:
            runs[-1].append((frame.across(x), frame.up(y)))
    parts = [
        element("polyline", points=" ".join(f"{number(x)},{number(y)}" for x, y in run), class_=f"course {line.look}")
        for run in runs
        if len(run) > 1
    ]
    if line.dots:
        parts += [element("circle", cx=x, cy=y, r=DOT, class_=f"dot {line.look}") for run in runs for x, y in run]
    return joined(parts)


def line_plot(label: str, x: Axis, y: Axis, lines: Sequence[Line]) -> Markup:
    """Draw courses into one frame; the first lies on top."""
    frame = Frame(x, y)
    return frame.draw(label, *(draw_line(frame, line) for line in reversed(lines)))


def bar(frame: Frame, left: float, right: float, value: float, look: str, title: str) -> Markup:
    """Draw one bar from the floor to a value, between two horizontal places in units."""
    top, floor = frame.up(value), frame.up(frame.y.low)
    width = max(right - left, 0.5)
    return element(
        "rect", element("title", title), x=left, y=top, width=width, height=floor - top, class_=f"bar {look}"
    )


def grouped_bars(
    label: str, x: Axis, y: Axis, groups: Sequence[tuple[float, Sequence[float]]], looks: Sequence[str]
) -> Markup:
    """Draw for each x its values as bars side by side, one look each."""
    frame = Frame(Axis(x.low - 0.5, x.high + 0.5, x.ticks, x.name, x.places), y)
    bars = []
    for place, values in groups:
        start, end = frame.across(place - BARS_SHARE / 2), frame.across(place + BARS_SHARE / 2)
        step = (end - start) / len(values)
        for k, (value, look) in enumerate(zip(values, looks, strict=True)):
            left = start + k * step
            bars.append(bar(frame, left, left + step - 1, value, look, f"{value:,.0f}"))
    return frame.draw(label, *bars)


def steps(frame: Frame, edges: Sequence[float], heights: Sequence[float], look: str) -> Markup:
    """Draw a histogram as one filled outline."""
    corners = [(frame.across(edges[0]), frame.up(frame.y.low))]
    for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True):
        corners += [(frame.across(left), frame.up(height)), (frame.across(right), frame.up(height))]
    corners.append((frame.across(edges[-1]), frame.up(frame.y.low)))
    return element("polygon", points=" ".join(f"{number(x)},{number(y)}" for x, y in corners), class_=f"area {look}")


def histograms(
    label: str, x: Axis, y: Axis, edges: Sequence[float], groups: Sequence[tuple[str, Sequence[float]]]
) -> Markup:
    """Draw histograms, each with its look, one over the other."""
    frame = Frame(x, y)
    return frame.draw(label, *(steps(frame, edges, heights, look) for look, heights in groups))


def distribution(
    label: str,
    x: Axis,
    values: Sequence[float],
    bin_width: float,
    marks: Sequence[Mark],
    lines: Sequence[Mark],
    width: int,
) -> Markup:
    """Draw how many values lie in each bin, marks in a lane of their own above, and lines through all.

    Args:
        lines: drawn over the whole height, with their title beside them.
    """
    first = round(x.low / bin_width)
    bins = [0] * round((x.high - x.low) / bin_width)
    for value in values:
        bins[min(max(math.floor(value / bin_width + 1e-9) - first, 0), len(bins) - 1)] += 1
    tallest = max(bins, default=0)
    y = axis_from_zero([float(tallest)])
    lane = 0.24 if marks else 0.1  # of the height, above the bars
    whole = tuple(tick for tick in y.ticks if tick == int(tick))
    frame = Frame(x, Axis(0.0, y.high / (1 - lane), whole), width, HEIGHT - 10)
    parts = []
    for k, count in enumerate(bins):
        low = (first + k) * bin_width
        left, right = frame.across(low), frame.across(low + bin_width)
        if count:
            title = f"{count} from {low:.2f} to {low + bin_width:.2f}"
            parts.append(bar(frame, left + 0.5, right - 0.5, count, "one", title))
    for mark in marks:
        place, middle = frame.across(mark.value), TOP + 14.0
        corners = ((place, middle - 5), (place + 4, middle), (place, middle + 5), (place - 4, middle))
        points = " ".join(f"{number(a)},{number(b)}" for a, b in corners)
        parts.append(element("polygon", element("title", mark.title), points=points, class_=f"mark {mark.look}"))
    for line in lines:
        place = frame.across(line.value)
        parts.append(element("line", x1=place, x2=place, y1=TOP - 8, y2=frame.up(0.0), class_=f"rule {line.look}"))
        anchor, shift = ("end", -5) if x.share(line.value) > 0.5 else ("start", 5)
        parts.append(element("text", line.title, x=place + shift, y=TOP, text_anchor=anchor, class_=line.look))
    return frame.draw(label, *parts)


def strip(axis: Axis, mean: float, deviation: float | None, bound: float | None) -> Markup:
    """Draw one score as a small strip: a bar up to the mean, its deviation over the seeds, and the bound."""
    width, height, middle = 120, 16, 8.0

    def across(value: float) -> float:
        return axis.share(value) * width

    parts = [
        element("line", x1=0, x2=width, y1=middle, y2=middle, class_="grid"),
        element("rect", x=0, y=middle - 2.5, width=across(mean), height=5, class_="bar"),
    ]
    if deviation is not None:
        low, high = across(mean - deviation), across(mean + deviation)
        parts.append(element("line", x1=low, x2=high, y1=middle, y2=middle, class_="whisker"))
    if bound is not None:
        parts.append(element("line", x1=across(bound), x2=across(bound), y1=2, y2=14, class_="rule bound"))
    return element("svg", joined(parts), viewBox=f"0 0 {width} {height}", class_="strip", aria_hidden="true")


def time_bar(parts: Sequence[tuple[str, float, str]], limit: float) -> Markup:
    """Draw spans of time one after the other, against the limit: (look, seconds, title) each."""
    width, height = 640, 14
    whole = max(limit, sum(seconds for _, seconds, _ in parts), 1e-9)
    shapes = [element("rect", x=0, y=0, width=width, height=height, rx=3, class_="track")]
    start = 0.0
    for look, seconds, title in parts:
        length = width * seconds / whole
        shown = max(length, 1.0 if seconds else 0.0)
        label = element("title", title)
        shapes.append(element("rect", label, x=start, y=0, width=shown, height=height, class_=f"bar {look}"))
        start += length
    return element(
        "svg",
        joined(shapes),
        class_="time",
        viewBox=f"0 0 {width} {height}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
