"""Read a file that somebody hostile may have put there."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path, PurePath

LINKED = "the folder is a link: put the folder itself in its place"


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
    if not stat.S_ISREG(os.stat(path, dir_fd=dir_fd, follow_symlinks=follow).st_mode):
        raise NotAFile  # a socket cannot be opened, and opening a device may do something
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW), dir_fd=dir_fd)
    except OSError as error:
        if error.errno == errno.ELOOP:  # it became a link meanwhile
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


def is_link(name: str, dir_fd: int) -> bool:
    """Say whether a name in an open folder is a link."""
    with suppress(OSError):
        return stat.S_ISLNK(os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode)
    return False


def open_folder(folder: Path, *parts: str) -> int:
    """Open a folder below a trusted one, part by part and following no link, and return its descriptor.

    Args:
        folder: is trusted: links in its own path are followed.
        parts: names of folders below it.

    Raises:
        OSError: one is a link, missing, unreadable or no folder.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for part in parts:
        try:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
        except OSError:
            if is_link(part, descriptor):
                raise OSError(errno.ELOOP, LINKED, part) from None
            raise
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


def read_below(folder: Path, path: PurePath, limit: int) -> bytes:
    """Read a file as `read_untrusted_file` does, and follow no link on the way to it from a trusted folder.

    Args:
        folder: the trusted folder.
        path: of the file, relative to it.

    Raises:
        NotAFile, TooLarge: see `read_untrusted_file`.
        OSError: it is missing or unreadable, or a folder on the way is a link.
    """
    if not path.name:
        raise NotAFile
    descriptor = open_folder(folder, *path.parts[:-1])
    try:
        return read_untrusted_file(path.name, limit, dir_fd=descriptor)
    finally:
        os.close(descriptor)
