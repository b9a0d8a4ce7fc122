"""Hostile images come in; out go images of our own encoding, decoded by a child process that has bounds.

A decoder may take a minute, or all memory, for an image of a few kilobytes: a progressive JPEG may hold any number of
scans. So a process decodes them, one after the other, with a deadline and limits on its CPU time and memory; what it
has finished by then is kept. This file is that process's program too, which is why it imports nothing of the kit.
"""

from __future__ import annotations

import resource
import struct
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from PIL import Image

MAX_PIXELS = 1 << 22  # before decoding
MAX_SIDE = 1200  # pixels; larger images are shrunk
FORMATS = ("PNG", "JPEG")
CPU_SECONDS, WALL_SECONDS = 10, 30  # for all images of a call
MEMORY_BYTES = 1 << 30
SIZE = struct.Struct("<I")  # before each image that goes in
RESULT = struct.Struct("<BIII")  # kind, width, height, bytes of PNG that follow
DECODED, TOO_LARGE, UNREADABLE, TOO_SLOW = range(4)


@dataclass(frozen=True)
class Result:
    """What became of an image.

    Attributes:
        kind: `DECODED`, `TOO_LARGE`, `UNREADABLE` or `TOO_SLOW`.
        width, height: pixels; of the image as it came where it is too large.
        png: the bytes of a PNG file, empty unless it is decoded.
    """

    kind: int
    width: int = 0
    height: int = 0
    png: bytes = b""


def decode(raw: bytes) -> Result:
    """Decode one image and encode its pixels, and nothing else of it, as PNG."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(raw), formats=FORMATS) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    return Result(TOO_LARGE, opened.width, opened.height)
                pixels = opened.convert("RGBA")
    except Exception:  # a decoder may raise anything over hostile bytes, and each time it means the same
        return Result(UNREADABLE)
    pixels.thumbnail((MAX_SIDE, MAX_SIDE))
    stream = BytesIO()
    Image.frombytes("RGBA", pixels.size, pixels.tobytes()).save(stream, "PNG")  # no metadata, no colour profile
    return Result(DECODED, pixels.width, pixels.height, stream.getvalue())


def work(images: BinaryIO, results: BinaryIO) -> None:
    """Decode the images of a stream, within limits, and write out each result as soon as it is there."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    while header := images.read(SIZE.size):
        result = decode(images.read(SIZE.unpack(header)[0]))
        results.write(RESULT.pack(result.kind, result.width, result.height, len(result.png)) + result.png)
        results.flush()


def read_results(output: bytes) -> Iterator[Result]:
    """Read the results that are whole."""
    start = 0
    while start + RESULT.size <= len(output):
        kind, width, height, size = RESULT.unpack_from(output, start)
        start += RESULT.size
        if start + size > len(output):
            return
        yield Result(kind, width, height, output[start : start + size])
        start += size


def decode_all(images: Sequence[bytes]) -> list[Result]:
    """Decode hostile images in a process of their own; one result for each, in order."""
    if not images:
        return []
    try:
        output = subprocess.run(
            [sys.executable, "-I", __file__],
            input=b"".join(SIZE.pack(len(image)) + image for image in images),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=WALL_SECONDS,
            check=False,
        ).stdout
    except subprocess.TimeoutExpired as expired:
        output = expired.stdout or b""
    results = list(read_results(output))
    return results + [Result(TOO_SLOW)] * (len(images) - len(results))


if __name__ == "__main__":
    work(sys.stdin.buffer, sys.stdout.buffer)
