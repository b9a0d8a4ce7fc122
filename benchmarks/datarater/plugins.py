"""Data sets, corruptions and models by name: ours, or ``module:name`` of one's own."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TypeVar

Thing = TypeVar("Thing")


class UnknownName(ValueError):
    """Nothing has this name; the message says what there is."""


def named(name: str, ours: Mapping[str, Thing], what: str) -> Thing:
    """Find something by its name.

    Args:
        name: a key of `ours`, or ``module:name``, which Python can import from where the command runs.
        ours: what the benchmark has.
        what: it is, for the message.

    Raises:
        UnknownName: there is no such thing.
    """
    if name in ours:
        return ours[name]
    module, colon, attribute = name.partition(":")
    if not colon:
        raise UnknownName(f"there is no {what} {name!r}: give {', '.join(ours)}, or your own as module:name")
    try:
        found: Thing = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise UnknownName(f"{what} {name!r}: Python finds no module {error.name!r} from here") from None
    except AttributeError:
        raise UnknownName(f"{what} {name!r}: the module {module!r} has no {attribute!r}") from None
    return found
