"""Files that are made byte by byte: PNGs that claim what they do not hold, JPEGs of many scans, images, zips."""

import io
import struct
import zipfile
import zlib

from PIL import Image


def chunk(kind, content):
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


TEXT_BOMB = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2 << 20)))


def png(width, height, data=b"", extra=b""):
    """Return the bytes of a grey PNG that claims a size, whatever its data are, with another chunk."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def saved(image, **options):
    """Return the bytes of an image file."""
    image.save(stream := io.BytesIO(), **options)
    return stream.getvalue()


def progressive(scans, side=64):
    """Make a progressive JPEG whose last scan stands in it so many times more."""
    raw = saved(Image.new("L", (side, side), 128), format="JPEG", progressive=True)
    last = raw[raw.rindex(b"\xff\xda") : -2]
    return raw[:-2] + last * scans + raw[-2:]


def packed(files, compression=zipfile.ZIP_DEFLATED):
    """Return the bytes of a zip file."""
    with zipfile.ZipFile(stream := io.BytesIO(), "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()
