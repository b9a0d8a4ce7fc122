"""Finds out whether a file or a folder could be written, before hours are spent on what is to stand in it."""

from __future__ import annotations

import tempfile
from pathlib import Path


def folder_problem(folder: Path) -> str | None:
    """Say why nothing can be written into a folder, made first where it is missing; None where it can.

    The nearest folder that is there gets a file without a name, which leaves nothing behind.
    """
    there = folder
    try:
        for there in (folder, *folder.absolute().parents):
            if there.exists() or there.is_symlink():
                break
        if not there.is_dir():
            return f"{there} is no folder: name another one"
        with tempfile.TemporaryFile(dir=there):
            return None
    except OSError as error:
        return f"{there} cannot be written ({error.strerror}): name another folder"


def file_problem(file: Path) -> str | None:
    """Say why a file cannot be written, over what may be there already; None where it can."""
    try:
        if not file.parent.is_dir():
            return f"there is no folder {file.parent} for {file.name}: make it, or name another file"
        if file.is_dir():
            return f"{file} is a folder: name a file"
    except OSError as error:  # as of a name that is too long
        return f"{file.name} cannot be written ({error.strerror}): name another file"
    return folder_problem(file.parent)
