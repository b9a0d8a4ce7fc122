"""Folders for unfinished work: each goes with its work, and what a killed process left goes with the next one's.

A folder is locked as long as its process lives, and the kernel lets go of a lock however a process ends. So whoever can
lock a folder knows that nobody works in it, on whatever machine and in whatever namespace that would have been.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "label-noise-"  # nobody else's folder has it, as those without an owner are removed


@contextmanager
def scratch_folder(purpose: str, inside: Path | None = None) -> Iterator[Path]:
    """Make a folder that nobody else may enter, and remove it afterwards, unless it was moved away.

    Those for the same purpose in the same place whose process is gone are removed first.

    Args:
        purpose: a word for its name.
        inside: the folder to make it in, where it is hidden; None for the one of temporary files.

    Raises:
        OSError: it cannot be made.
    """
    place = Path(tempfile.gettempdir()) if inside is None else inside
    prefix = f"{'.' if inside else ''}{PREFIX}{purpose}-"
    sweep(prefix, place)
    folder, descriptor = make_locked(prefix, place)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def make_locked(prefix: str, place: Path) -> tuple[Path, int | None]:
    """Make a folder and lock it; return it with its lock, None where its file system knows no locks."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        try:
            descriptor = lock(folder)
        except (BlockingIOError, FileNotFoundError):
            continue  # somebody swept it before it was locked
        except OSError:
            return folder, None
        if folder.exists():
            return folder, descriptor
        os.close(descriptor)


def sweep(prefix: str, place: Path) -> None:
    """Remove the folders of a prefix in which no process works any more. What cannot be locked or removed stays."""
    for folder in place.glob(f"{prefix}*"):
        try:
            descriptor = lock(folder)
        except OSError:
            continue
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def lock(folder: Path) -> int:
    """Lock a folder, never through a link, and return the descriptor that holds the lock.

    Raises:
        BlockingIOError: another process holds it.
        OSError: it is gone or no folder, or its file system knows no locks.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
