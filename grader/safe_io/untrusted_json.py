"""Parse JSON that somebody hostile may have written: within bounds of depth, and of how many values it holds.

A file of 16 MiB may hold six million empty lists, which take a gigabyte once they are Python objects. An honest
notebook of that size is mostly text and images.
"""

from __future__ import annotations

import json
import re
from typing import Any

MAX_VALUES = 1_000_000
STRUCTURE = (b",", b"[", b"{")  # each begins a value
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)  # possessive: linear, whatever it is tried on


class TooManyValues(ValueError):
    """The JSON holds more values than anybody needs."""


def count_values(raw: bytes) -> int:
    """Return an upper bound of how many values JSON text holds; exact enough where it is over the limit."""
    count = sum(raw.count(mark) for mark in STRUCTURE)
    if count > MAX_VALUES:  # most of them may stand in texts
        bare = _STRING.sub(b"", raw)
        count = sum(bare.count(mark) for mark in STRUCTURE)
    return count


def parse_json(raw: bytes) -> Any:
    """Parse JSON in UTF-8, with or without a byte-order mark.

    Raises:
        TooManyValues: it holds more than `MAX_VALUES` values.
        ValueError: it is no JSON, no UTF-8, or nested too deeply.
    """
    if count_values(raw) > MAX_VALUES:
        raise TooManyValues(f"more than {MAX_VALUES:,} values")
    try:
        return json.loads(raw.decode("utf-8-sig"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
