"""Which names a solution uses that nothing defines, found without running it. Pure, and bounded."""

from __future__ import annotations

import ast
import re
import warnings
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import islice

from pyflakes.checker import Checker
from pyflakes.messages import UndefinedName

from competition.notebook import locked_cells
from competition.task.cells import names_bound

MOST_NODES = 40_000  # of a syntax tree: a cell of 64 KiB that a person wrote has a third of it
KERNEL_NAMES = {"get_ipython", "display", "In", "Out", "__file__"}
AFTERWARDS = "final"  # the one locked cell that stands below the solution
_MAGIC_LINE = re.compile(r"^([ \t]*+)(?:[%!?].*|[^#\n]*\?)$", re.MULTILINE)  # possessive: linear in a line of blanks
_MAGIC_VALUE = re.compile(r"(?<==)[ \t]*[%!].*$", re.MULTILINE)


@dataclass(frozen=True)
class Undefined:
    """A name that nothing defines, and the first line of the cell that uses it, from 1."""

    name: str
    line: int


class _NamesAlone(Checker):
    """Looks for names, and not for what takes the square of a cell's length: repeated definitions and keys."""

    def differentForks(self, lnode: ast.AST, rnode: ast.AST) -> bool:
        """Take any two definitions of a name for alternatives, so that none is looked at twice."""
        return True

    def DICT(self, node: ast.Dict) -> None:
        """Look into keys and values without comparing the keys."""
        self.handleChildren(node)


def is_magic(line: str) -> bool:
    """Say whether a line is one of IPython's magics, or asks for help."""
    return _MAGIC_LINE.match(line) is not None


def without_magics(source: str) -> str:
    """Replace lines of IPython's magics, one by one, by Python that does nothing.

    IPython's own transformer is not for text that somebody hostile wrote: it reads the whole cell again for every magic
    in it, so that a cell of 8 KB takes half a minute, and gives up with an error of its own.
    """
    return _MAGIC_VALUE.sub(" None", _MAGIC_LINE.sub(r"\1pass", source))


def parse(source: str) -> ast.Module | None:
    """Parse a cell's source, lines of magics left out where it does not parse with them; None where it is no Python."""
    for text in (source, without_magics(source)):
        with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            return parse_quietly(text)
    return None


def parse_quietly(text: str) -> ast.Module:
    """Parse text without a word on the organizer's terminal about doubtful escapes in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        return ast.parse(text)


@cache
def locked_names() -> frozenset[str]:
    """Return the names that the starter's locked cells above the solution define."""
    texts = (text for name, text in locked_cells().items() if name != AFTERWARDS)
    return frozenset(name for text in texts for name in names_bound(text))


def undefined_names(tree: ast.Module) -> list[Undefined]:
    """Find the names that neither a solution itself nor a locked cell nor Python defines, each once, in order.

    None are found in code that is nested too deeply to look into or far too long, or takes names with
    ``from x import *``.
    """
    if sum(1 for _ in islice(ast.walk(tree), MOST_NODES + 1)) > MOST_NODES:
        return []
    try:
        messages = _NamesAlone(tree, builtins=locked_names() | KERNEL_NAMES).messages
    except RecursionError:
        return []
    first: dict[str, int] = {}
    for message in messages:
        if isinstance(message, UndefinedName):
            name = message.message_args[0]
            first[name] = min(message.lineno, first.get(name, message.lineno))
    return [Undefined(name, line) for name, line in sorted(first.items(), key=lambda pair: pair[1])]
