"""Write a file that is whole or not there, whoever is killed and however full the disk is."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from functools import partial
from pathlib import Path


def write_whole(path: Path, content: str | bytes, *, durable: bool = False, secret: bool = False) -> None:
    """Write a file beside its place and move it there in one step, over what may be there already.

    Args:
        path: its place.
        content: the text, or the bytes.
        durable: whether to return only when it outlives a loss of power.
        secret: whether nobody but its owner may ever read it.

    Raises:
        OSError: it could not be written; nothing of it stays, and what was there is as it was.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with open(unfinished, "xb", opener=partial(os.open, mode=0o600 if secret else 0o666)) as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        unfinished.replace(path)
        if durable:
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder outlive a loss of power.

    Raises:
        OSError: nobody knows whether they do.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
