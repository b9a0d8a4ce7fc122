"""The competition's picture: a field of dots in two colours, some of them in the wrong half."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw

SIZE, CELLS, SCALE = 512, 8, 4  # pixels; dots in a row; drawn so much larger and then reduced, for smooth edges
COLOURS = ("#2f6db3", "#e08a2c")
GROUND, WRONG = "#f7f7f5", 0.2
DRAW = 7


def draw_logo() -> bytes:
    """Draw it, always the same, and return the bytes of a PNG file."""
    wrong = np.random.default_rng(DRAW).random((CELLS, CELLS)) < WRONG
    image = Image.new("RGB", (SIZE * SCALE, SIZE * SCALE), GROUND)
    draw = ImageDraw.Draw(image)
    step = SIZE * SCALE / CELLS
    for row in range(CELLS):
        for column in range(CELLS):
            belongs = int(column >= CELLS // 2)
            corner = (column * step + step * 0.18, row * step + step * 0.18)
            box = (*corner, corner[0] + step * 0.64, corner[1] + step * 0.64)
            if wrong[row, column]:
                draw.ellipse(box, outline=COLOURS[1 - belongs], width=int(step * 0.13))
            else:
                draw.ellipse(box, fill=COLOURS[belongs])
    stream = io.BytesIO()
    image.resize((SIZE, SIZE), Image.Resampling.LANCZOS).save(stream, "PNG", optimize=True)
    return stream.getvalue()
