"""What an executed notebook shows: hostile JSON in, plain text and images of our own encoding out.

Nothing of a participant's reaches a page but characters and pixels: text is stripped of what could act (see
`grader.safe_io`), PNG and JPEG images are decoded and encoded again, and everything else (HTML, SVG, JavaScript,
LaTeX) is left out. What is cut or left out is said in a note.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from competition.notebook import SERVE_MAGIC
from competition.task.cells import has_marker
from grader.pages.decoding import DECODED, TOO_LARGE, TOO_SLOW, decode_all
from grader.safe_io import parse_json, plain_text

MAX_TEXT = 64 * 1024  # characters, of all of a cell's output
MAX_IMAGES = 12
MAX_IMAGE_BYTES = 4 << 20  # of one image as it comes, and of all as they go
IMAGE_TYPES = ("image/png", "image/jpeg")


@dataclass(frozen=True)
class Text:
    """A plain text, still to be escaped where it is put into a page."""

    text: str


@dataclass(frozen=True)
class Picture:
    """An image: the bytes of a PNG file that we encoded, its width and height in pixels."""

    png: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Note:
    """What we have to say about something that is not shown."""

    text: str


@dataclass(frozen=True)
class EncodedImage:
    """An image as the notebook holds it: base64, not yet decoded."""

    base64: str

    @property
    def is_too_long(self) -> bool:
        """Whether it is more than `MAX_IMAGE_BYTES`."""
        return len(self.base64) > MAX_IMAGE_BYTES * 4 / 3


Shown = Text | Picture | Note


@dataclass(frozen=True)
class NotebookOutput:
    """What the executed notebook shows, in order.

    Attributes:
        solution: the output of the solution cell itself.
        calls: that of the cells after it: what the function printed while it was called.
    """

    solution: tuple[Shown, ...]
    calls: tuple[Shown, ...]


def joined(text: Any) -> str:
    """Return a notebook's text, which is a string or a list of lines; anything else is no text."""
    if isinstance(text, list):
        return "".join(line for line in text if isinstance(line, str))
    return text if isinstance(text, str) else ""


def pieces(output: Any) -> Iterator[str | EncodedImage | Note]:
    """Take what may be shown from one output of a cell, whatever JSON it is."""
    match output:
        case {"output_type": "stream", "text": text}:
            yield joined(text)
        case {"output_type": "error", "traceback": [*lines]}:
            yield "\n".join(line for line in lines if isinstance(line, str)) + "\n"
        case {"output_type": "display_data" | "execute_result", "data": {**bundle}}:
            image = next((name for name in IMAGE_TYPES if joined(bundle.get(name))), None)
            if image is not None:
                yield EncodedImage(joined(bundle[image]))
            elif "text/plain" in bundle:
                yield joined(bundle["text/plain"]) + "\n"
            else:
                yield Note("An output that is neither text nor a PNG or JPEG image was left out.")


def raw_bytes(image: EncodedImage) -> bytes:
    """Return an image's bytes, none where they are too many or no base64."""
    if image.is_too_long:
        return b""
    try:
        return base64.b64decode(image.base64)
    except (binascii.Error, ValueError):
        return b""


def encode_again(images: Sequence[EncodedImage]) -> list[Picture | Note]:
    """Decode hostile images within bounds, and encode their pixels, and nothing else of them, as PNG."""
    pictures: list[Picture | Note] = []
    for image, result in zip(images, decode_all([raw_bytes(image) for image in images]), strict=True):
        if result.kind == DECODED:
            pictures.append(Picture(result.png, result.width, result.height))
        elif image.is_too_long:
            pictures.append(Note(f"An image of more than {MAX_IMAGE_BYTES >> 20} MiB was left out."))
        elif result.kind == TOO_LARGE:
            size = f"{result.width:,} by {result.height:,} pixels"
            pictures.append(Note(f"An image of {size} was left out: too large."))
        elif result.kind == TOO_SLOW:
            pictures.append(Note("An image was left out, as decoding it takes too much time or memory."))
        else:
            pictures.append(Note("An image that cannot be read was left out."))
    return pictures


def merged(items: Iterable[str | EncodedImage | Note]) -> Iterator[str | EncodedImage | Note]:
    """Join texts that follow each other: a notebook breaks a stream at any place, also within an escape sequence."""
    run: list[str] = []
    for item in items:
        if isinstance(item, str):
            run.append(item)
            continue
        if run:
            yield "".join(run)
            run = []
        yield item
    if run:
        yield "".join(run)


def bounded(items: Iterable[str | EncodedImage | Note]) -> Iterator[Shown]:
    """Make text plain and images ours, up to the bounds of this module, and say what lies beyond them."""
    room, bytes_left, images = MAX_TEXT, MAX_IMAGE_BYTES, 0
    cut, skipped = 0, 0
    items = list(items)
    encoded = (item for item in items if isinstance(item, EncodedImage))
    pictures = iter(encode_again(list(islice(encoded, MAX_IMAGES))))
    for item in items:
        match item:
            case str():
                text = plain_text(item).rstrip()
                if room and text:
                    yield Text(text[:room])
                cut += max(len(text) - room, 0)
                room = max(room - len(text), 0)
            case EncodedImage():
                images += 1
                picture = next(pictures, None) if images <= MAX_IMAGES and bytes_left else None
                if isinstance(picture, Picture) and len(picture.png) > bytes_left:
                    picture, bytes_left = None, 0
                if picture is None:
                    skipped += 1
                    continue
                if isinstance(picture, Picture):
                    bytes_left -= len(picture.png)
                yield picture
            case Note():
                images += 1
                if images <= MAX_IMAGES:
                    yield item
                else:
                    skipped += 1
    if cut:
        yield Note(f"{cut:,} more characters of output are not shown.")
    if skipped:
        yield Note(f"{skipped:,} more images or other outputs are not shown.")


def shown(cells: Iterable[Any]) -> tuple[Shown, ...]:
    """Return what the outputs of some cells show."""
    outputs = (output for cell in cells if isinstance(listed := cell.get("outputs"), list) for output in listed)
    return tuple(bounded(merged(piece for output in outputs for piece in pieces(output))))


def notebook_output(executed: bytes) -> NotebookOutput | None:
    """Return what an executed notebook shows from its solution cell on; None where it is no such notebook.

    Args:
        executed: the file that the sandbox left behind, not to be trusted.
    """
    try:
        notebook = parse_json(executed)
    except ValueError:
        return None
    match notebook:
        case {"cells": [*listed]}:
            cells = [cell for cell in listed if isinstance(cell, dict)]
        case _:
            return None
    for place, cell in enumerate(cells):
        if has_marker(joined(cell.get("source")).removeprefix(SERVE_MAGIC)):
            return NotebookOutput(shown([cell]), shown(cells[place + 1 :]))
    return None
