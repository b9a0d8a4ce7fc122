"""Hostile files that are built, since no text can hold them or nobody would want to keep them."""

from __future__ import annotations

import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable
from typing import Any, Protocol, cast

from competition.notebook import MAX_CELL_BYTES, SOLUTION_MARKER, graft, notebook_text

FUNCTION = "def your_select_indices(targets, losses):\n    return [list(range(len(targets)))] * 2\n"
PRESENTATION_ERROR = "PresentationError"


class Built(Protocol):
    """A function that builds a hostile file.

    Attributes:
        verdict_and_header: the verdict that it must get, and the lines of its header.
    """

    __name__: str
    verdict_and_header: tuple[str, list[str]]

    def __call__(self) -> bytes:
        """Build the file."""


BUILT: list[Built] = []


def attack(verdict: str, tries: str, stopped_by: str) -> Callable[[Callable[[], bytes]], Built]:
    """Declare that a function builds a hostile file of the group "notebook"."""

    def declare(build: Callable[[], bytes]) -> Built:
        built = cast(Built, build)
        built.verdict_and_header = verdict, [f"ATTACK [notebook]: {tries}", f"STOPPED BY: {stopped_by}"]
        BUILT.append(built)
        return built

    return declare


def harmless() -> bytes:
    """Return a notebook that does nothing wrong."""
    return notebook_text(graft(FUNCTION)).encode()


def with_cells(*sources: str, **metadata: Any) -> bytes:
    """Return a notebook of code cells alone."""
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": source} for source in sources]
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 4}).encode()


@attack(PRESENTATION_ERROR, "is a zip archive with a notebook in it, named .ipynb", "only JSON is read")
def notebook_zip() -> bytes:
    """Build a zip archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../submission.ipynb", harmless())
    return packed.getvalue()


@attack(PRESENTATION_ERROR, "is a gzip bomb: 15 KB that unpack to 16 MB of notebook", "only JSON is read")
def notebook_gzip() -> bytes:
    """Build a gzip file."""
    return gzip.compress(harmless() + b" " * (16 << 20))


@attack(PRESENTATION_ERROR, "holds 50 MB of blanks", "a file over 16 MiB is not read at all")
def notebook_huge() -> bytes:
    """Build a large file."""
    return b" " * (50 << 20)


@attack(PRESENTATION_ERROR, "holds bytes that are no UTF-8 in its solution cell", "only UTF-8 is read")
def notebook_invalid_utf8() -> bytes:
    """Build a file that cannot be decoded."""
    return harmless().replace(b"return", b"return \xff\xc0\xaf")


@attack(PRESENTATION_ERROR, "is a notebook in UTF-16, with its byte-order mark", "only UTF-8 is read")
def notebook_utf16() -> bytes:
    """Build a file in another encoding."""
    return harmless().decode().encode("utf-16")


@attack(
    PRESENTATION_ERROR, "is a megabyte of NUL bytes behind a valid notebook", "what follows the JSON is not allowed"
)
def notebook_nul_bytes_behind() -> bytes:
    """Build a file with NUL bytes."""
    return harmless() + bytes(1 << 20)


@attack(PRESENTATION_ERROR, "nests a hundred thousand lists", "JSON that is too deep is no notebook")
def notebook_deep() -> bytes:
    """Build deep JSON."""
    return b'{"cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@attack(PRESENTATION_ERROR, "has five million empty cells", "10,000 cells are allowed, and are counted before all else")
def notebook_million_cells() -> bytes:
    """Build many cells."""
    return b'{"cells": [' + b"{}," * 5_000_000 + b"{}]}"


@attack(PRESENTATION_ERROR, "has a solution cell one byte too long", "the solution cell may hold 64 KiB")
def notebook_cell_too_long() -> bytes:
    """Build a long cell."""
    solution = f"{SOLUTION_MARKER}\n{FUNCTION}#"
    return with_cells(solution + "x" * (MAX_CELL_BYTES + 1 - len(solution)))


@attack(PRESENTATION_ERROR, "has half of a surrogate pair in its solution cell", "the cell must be valid Unicode")
def notebook_half_character() -> bytes:
    """Build a cell that cannot be encoded."""
    return with_cells(f"{SOLUTION_MARKER}\n{FUNCTION}\nx = '\ud800'")


@attack("RuntimeError", "has a NUL character in its solution cell", "Python refuses the cell; the notebook ends there")
def notebook_nul_character() -> bytes:
    """Build a cell with a NUL character."""
    return with_cells(f"{SOLUTION_MARKER}\n{FUNCTION}\nx = '\0'")


@attack(
    "RuntimeError",
    "has 2,000 magics in its solution cell, which IPython transforms one by one until it gives up",
    "the grader reads cells in one go; IPython gives up within the sandbox",
)
def notebook_magic_flood() -> bytes:
    """Build a cell full of magics."""
    return with_cells(f"{SOLUTION_MARKER}\n" + "%x\n" * 2000 + FUNCTION)


@attack(
    "OK",
    "holds 15 MB of statements in cells beside its solution, whose syntax tree would take ten gigabytes",
    "of cells that are ignored, the first 256 KiB are examined",
)
def notebook_statement_flood() -> bytes:
    """Build large cells."""
    return with_cells("a;" * (15 << 19), f"{SOLUTION_MARKER}\n{FUNCTION}\nprint('a')")


@attack(
    "OK",
    "uses 5,000 names of a cell that will be ignored, each of which a hint would be due for",
    "hints are few and short",
)
def notebook_name_flood() -> bytes:
    """Build a cell that uses many names of another."""
    names = [f"n{number}" for number in range(5000)]
    unused = "\n".join(f"    {name}" for name in names)
    solution = f"{SOLUTION_MARKER}\n{FUNCTION}\n\ndef never_called():\n{unused}"
    return with_cells("\n".join(f"{name} = 1" for name in names), solution)


@attack(
    "OK",
    "imports one name 5,000 times in one try, each of which a look for repeated definitions compares with all others",
    "hints look for names alone",
)
def notebook_import_flood() -> bytes:
    """Build a cell that binds one name again and again."""
    imports = "    import sys\n" * 4_000
    return with_cells(f"{SOLUTION_MARKER}\n{FUNCTION}\ntry:\n{imports}except ImportError:\n    pass")


@attack(
    "OK",
    "uses twenty names that nothing defines, each of the letters of 700 others, so that each pair is compared in full",
    "hints compare few names, and short ones",
)
def notebook_anagram_flood() -> bytes:
    """Build a cell of names that are alike."""
    chance = random.Random(0)
    names = ["".join(chance.sample("ab" * 38, 76)) for _ in range(750)]
    unused = "\n".join(f"    {name}" for name in names[:20])
    defined = "\n".join(f"    {name} = 1" for name in names[20:])
    return with_cells(f"{SOLUTION_MARKER}\n{FUNCTION}\n\ndef used():\n{unused}\n\ndef bound():\n{defined}")


@attack("OK", "carries 13 MB of metadata with 700,000 keys", "all but the solution cell's text is ignored")
def notebook_huge_metadata() -> bytes:
    """Build large metadata."""
    return with_cells(f"{SOLUTION_MARKER}\n{FUNCTION}", **{f"k{number}": number for number in range(700_000)})
