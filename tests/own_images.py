"""An organizer's own images: a folder of pictures of every mode, and their CSV."""

import csv

import numpy as np
from PIL import Image
from typer.testing import CliRunner

from competition.cli import app

MODES = ("L", "RGB", "RGBA", "I;16", "P", "1", "LA", "CMYK")


def write_table(path, rows):
    """Write a CSV file."""
    with open(path, "w", newline="") as stream:
        csv.writer(stream).writerows(rows)


def write_source(folder, *, images=120, sizes=((20, 24),), labels=None, columns=("file", "label"), extra=()):
    """Write images of several modes and sizes (height, width), and their CSV; return both paths."""
    generator = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    rows = []
    for index in range(images):
        shape = sizes[index % len(sizes)]
        mode = MODES[index % len(MODES)]
        pixels = generator.integers(0, 256, (*shape, 3), dtype=np.uint8)
        image = Image.fromarray(pixels)
        image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)
        name = f"{index}.{'tiff' if mode == 'CMYK' else 'png'}"
        image.save(folder / "images" / name)
        rows.append([name, labels[index] if labels else index % 2, *extra])
    write_table(folder / "labels.csv", [columns, *rows])
    return folder / "images", folder / "labels.csv"


def build(source, out, *options):
    """Run ``competition build-data`` on a folder of images and a CSV; return what typer's runner returns."""
    images, labels = source
    arguments = ["--source", "folder", "--images", str(images), "--labels", str(labels), "--out", str(out)]
    return CliRunner().invoke(app, ["build-data", *arguments, *options], env={"COLUMNS": "300"})
