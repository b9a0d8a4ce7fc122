"""What a value of a contest file must be: a reader for each kind, and the words for what it expects."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path


@dataclass(frozen=True)
class Kind:
    """A kind of value.

    Attributes:
        expected: what is expected, to stand behind "expected".
        read: (the value as TOML gives it, the file's folder) -> the value as the kit takes it; raises `ValueError`
            where it is none of this kind.
    """

    expected: str
    read: Callable[[object, Path], object]


def choice(values: type[StrEnum]) -> Kind:
    """Return the kind of one of several words."""

    def read(value: object, folder: Path) -> object:
        if not isinstance(value, str):
            raise ValueError
        return values(value)

    return Kind(f"one of {', '.join(values)}, in quotes", read)


def whole(low: int, high: int | None = None) -> Kind:
    """Return the kind of a whole number, bounds included."""

    def read(value: object, folder: Path) -> object:
        if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
            raise ValueError
        return value

    return Kind(f"a whole number, {low} or more" if high is None else f"a whole number from {low} to {high}", read)


def number(low: float) -> Kind:
    """Return the kind of a finite number, `low` included."""

    def read(value: object, folder: Path) -> object:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value < math.inf:
            raise ValueError
        return float(value)

    return Kind(f"a number, {low:g} or more", read)


def _read_text(value: object, folder: Path) -> object:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value


def _read_path(value: object, folder: Path) -> object:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError
    return folder / value


def _read_moment(value: object, folder: Path) -> object:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError
    return value


def _read_draw(value: object, folder: Path) -> object:
    if not isinstance(value, str) or not re.fullmatch(r"train|redraw-[1-9][0-9]*", value):
        raise ValueError
    return value


def _read_address(value: object, folder: Path) -> object:
    if not isinstance(value, str) or not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?", value):
        raise ValueError
    return value.lower()


TEXT = Kind("a text in quotes", _read_text)
PATH = Kind("a path in quotes", _read_path)
MOMENT = Kind("a day and a time with their zone, without quotes, such as 2026-03-01T18:00:00+01:00", _read_moment)
DRAW = Kind('"train", or "redraw-1" and so on', _read_draw)
ADDRESS = Kind('an address without a path, such as "https://contest.example.org"', _read_address)
