"""Read a file that somebody hostile may have put there."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class NotAFile(Exception):
    """It is a link, a folder, a pipe, a device, or has a second name."""


class TooLarge(Exception):
    """It holds more than is allowed.

    Attributes:
        size: its size in bytes.
    """

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes")
        self.size = size


def read_untrusted_file(
    path: str | Path, limit: int, *, dir_fd: int | None = None, links: int | None = None, follow: bool = False
) -> bytes:
    """Read a regular file of at most `limit` bytes, without following a link and without blocking on a pipe.

    Args:
        follow: whether a link is followed all the same, where who named the path may read whatever it leads to.
        dir_fd: a folder to which `path` is relative.
        links: how many names the file must have; None for any number.

    Raises:
        NotAFile: it is no regular file.
        TooLarge: it is one, but too large; nothing was read.
        OSError: it is missing or unreadable.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW), dir_fd=dir_fd)
    except OSError:
        if stat.S_ISLNK(os.stat(path, dir_fd=dir_fd, follow_symlinks=False).st_mode):
            raise NotAFile from None
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or (links is not None and status.st_nlink != links):
            raise NotAFile
        if status.st_size > limit:
            raise TooLarge(status.st_size)
        with open(descriptor, "rb", closefd=False) as stream:
            return stream.read(limit)
    finally:
        os.close(descriptor)
