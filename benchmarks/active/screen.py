"""Shows an image and what the network thinks of it: half-block characters in a terminal, a figure in a notebook.

A half block is a character cell whose upper and lower half have colours of their own, so that 28 x 28 pixels take 28
columns and 14 lines, beside the probabilities, and need no second window, also over SSH. Where the output has too few
colours for greys, a pixel is two of ten characters, from dark to light.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

SHADES = " .:-=+*#%@"  # dark to light
BAR_COLUMNS = 20


def half_blocks(image: npt.NDArray[np.float32]) -> Text:
    """Draw an image [H, W] from 0 to 1, with H even, as half blocks."""
    text = Text(no_wrap=True, overflow="crop")
    grey = np.round(image * 255).astype(int)
    for upper, lower in zip(grey[::2], grey[1::2], strict=True):
        for above, below in zip(upper, lower, strict=True):
            text.append("▀", Style(color=f"rgb({above},{above},{above})", bgcolor=f"rgb({below},{below},{below})"))
        text.append("\n")
    text.rstrip()
    return text


def shades(image: npt.NDArray[np.float32]) -> Text:
    """Draw an image [H, W] from 0 to 1 with characters, two for each pixel."""
    levels = np.round(image * (len(SHADES) - 1)).astype(int)
    return Text("\n".join("".join(SHADES[level] * 2 for level in row) for row in levels), no_wrap=True, overflow="crop")


def probability_table(names: Sequence[str], probabilities: npt.NDArray[np.float32], bar: str) -> Table:
    """List the classes with their numbers and probabilities, these also as parts of a bar; the likeliest is bold."""
    table = Table.grid(padding=(0, 1))
    for number, (name, probability) in enumerate(zip(names, probabilities, strict=True)):
        style = "bold" if number == probabilities.argmax() else ""
        cells = (str(number), name, f"{probability:4.0%}", bar[: round(float(probability) * len(bar))])
        table.add_row(*(Text(cell, style, no_wrap=True) for cell in cells))
    return table


def show_in_terminal(
    console: Console, image: npt.NDArray[np.float32], names: Sequence[str], probabilities: npt.NDArray[np.float32]
) -> None:
    """Print an image beside the probabilities, or above them where there is no room beside."""
    unicode = "utf" in console.encoding
    blocks = unicode and console.color_system in ("256", "truecolor")
    drawn = half_blocks(image) if blocks else shades(image)
    left = console.width - max(len(name) for name in names) - len("0  100% ")
    table = probability_table(names, probabilities, ("█" if unicode else "#") * min(BAR_COLUMNS, max(left, 0)))
    beside = Table.grid(padding=(0, 2))
    beside.add_row(drawn, table)
    if console.measure(beside, options=console.options.update(max_width=1_000)).maximum <= console.width:
        console.print(beside)
    else:
        console.print(drawn, no_wrap=True, overflow="crop")
        console.print(table)


def show_in_notebook(
    image: npt.NDArray[np.float32], names: Sequence[str], probabilities: npt.NDArray[np.float32]
) -> None:
    """Display a figure: the image, and a bar for each class."""
    from IPython.display import Image, display
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.4))
    left.imshow(image, cmap="gray", vmin=0, vmax=1)
    left.axis("off")
    bars = [f"{number}  {name}" for number, name in enumerate(names)]
    colours = ["tab:orange" if number == probabilities.argmax() else "tab:blue" for number in range(len(names))]
    right.barh(bars, probabilities, color=colours)
    right.set(xlim=(0, 1), xlabel="the network's probability")
    right.invert_yaxis()
    right.spines[["top", "right"]].set_visible(False)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=90)
    display(Image(data=png.getvalue()))
