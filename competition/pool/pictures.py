"""Read an organizer's image file as a grey picture, whatever the bytes are. What is wrong with one is a `SourceError`.

A file is read only where it is a regular one inside the folder of images, of a format on a fixed list. EPS is not on
it: Pillow would start Ghostscript for it.
"""

from __future__ import annotations

import io
import stat
import warnings
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from competition.errors import SourceError
from competition.foreign_text import plain_line
from competition.untrusted_file import NotAFile, TooLarge, read_untrusted_file

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
MAX_FILE_BYTES = 128 << 20
MAX_PIXELS = 100_000_000
MAX_SCANS = 100  # of a JPEG, each of which is decoded over the whole picture; cameras write up to about ten
SCAN = b"\xff\xda"  # which stands for nothing else in a JPEG's data
MIN_SIDE = 8  # pixels: the networks halve an image twice
MAX_SIDE = 512
MAX_REASON = 200  # characters


def read_picture(folder: Path, name: str) -> Image.Image:
    """Read one image of any mode: upright, transparent parts black.

    Args:
        folder: the folder of images.
        name: the file's path from there, without ``..``.

    Returns:
        Mode L, 8-bit grey, or mode I where the file has deeper grey values, which are as they are.

    Raises:
        SourceError: it is no regular file of the folder, no image of the formats, too large, or below 8 x 8 pixels.
    """
    said = plain_line(str(folder / name))
    content = read_bytes(folder, name, said)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the size is checked here, and odd metadata do no harm
            picture = decode(content)
    except SourceError as error:
        raise SourceError(f"{said}: {error}") from None
    except UnidentifiedImageError:
        raise SourceError(
            f"{said}: cannot be read (it is no {', '.join(FORMATS[:-1])} or {FORMATS[-1]} image)"
        ) from None
    except Exception as error:  # Pillow's decoders raise whatever the bytes lead them to
        reason = plain_line(f"{type(error).__name__}: {error}".removesuffix(": "))
        raise SourceError(f"{said}: cannot be read ({reason[:MAX_REASON]})") from None
    return picture


def read_bytes(folder: Path, name: str, said: str) -> bytes:
    """Read a regular file inside a folder, reached through no link, or raise `SourceError`."""
    path = folder / name
    for step in PurePosixPath(name).parents:
        if (folder / step) != folder and (folder / step).is_symlink():
            raise SourceError(f"{said}: lies behind a symbolic link; copy the images themselves into the folder")
    try:
        return read_untrusted_file(path, MAX_FILE_BYTES)
    except FileNotFoundError:
        raise SourceError(f"{said}: no such file, but the labels file names it") from None
    except NotAFile:
        raise SourceError(f"{said}: is {kind(path)}, no regular file; put the image itself there") from None
    except TooLarge as error:
        raise SourceError(f"{said}: {error.size:,} bytes, at most {MAX_FILE_BYTES:,} are read") from None
    except OSError as error:
        raise SourceError(f"{said}: cannot be read ({error.strerror})") from None


def kind(path: Path) -> str:
    """Say what stands in place of a regular file."""
    mode = path.lstat().st_mode
    names = {
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
    }
    return names.get(stat.S_IFMT(mode), "a device")


def decode(content: bytes) -> Image.Image:
    """Decode a file's bytes into a picture of mode L or I; see `read_picture`.

    Raises:
        SourceError: it has too many or too few pixels, too many scans, or values of a kind that no grey is made of.
        Exception: whatever Pillow raises.
    """
    with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
        width, height = opened.size
        if width * height > MAX_PIXELS:
            raise SourceError(f"{width:,} x {height:,} pixels, at most {MAX_PIXELS:,} in all are read")
        if min(width, height) < MIN_SIDE:
            raise SourceError(f"{width} x {height} pixels; at least {MIN_SIDE} x {MIN_SIDE} are needed")
        if opened.format in ("JPEG", "MPO") and content.count(SCAN) > MAX_SCANS:
            raise SourceError(f"{content.count(SCAN):,} scans, at most {MAX_SCANS} are read; save it again")
        image = ImageOps.exif_transpose(opened)
        if image.mode.startswith("I"):
            deep = np.asarray(image).astype(np.int64)
            if deep.min() < 0:
                raise SourceError("negative values; save it as 8-bit or 16-bit grey, or as RGB")
            return Image.fromarray(deep.astype(np.int32))
        if image.mode == "F":
            raise SourceError("floating-point pixels; save it as 8-bit or 16-bit grey, or as RGB")
        if image.has_transparency_data:
            over_black = Image.new("RGBA", image.size, "black")
            over_black.alpha_composite(image.convert("RGBA"))
            return over_black.convert("L")
        return image.convert("L")


def bits_used(picture: Image.Image) -> int:
    """Return how many bits the largest value of a picture of mode I takes, at least 8."""
    return max(8, int(np.asarray(picture).max()).bit_length())


def grey_values(picture: Image.Image, size: int | None, bits: int) -> npt.NDArray[np.uint8]:
    """Return a picture's grey values, uint8 [H, W].

    Args:
        picture: mode L or I.
        size: side in pixels to which it is resized, without keeping its proportions; None leaves it as it is.
        bits: how many bits the values of mode I take in the whole folder; the upper eight of them stay.
    """
    if picture.mode == "I":
        picture = Image.fromarray((np.asarray(picture) >> (bits - 8)).astype(np.uint8))
    if size is not None:
        picture = picture.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(picture)
