"""Read a submitted notebook: lift the solution cell, compare the rest with the starter. Pure but for one file read.

Everything but the solution cell's source is ignored: metadata, tags, kernelspec, outputs, other cells.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from competition.notebook import LOCKED_MARKER, MAX_CELL_BYTES, SOLUTION_MARKER, build_notebook, first_line
from grader.untrusted_file import NotAFile, TooLarge, read_untrusted_file
from grader.verdicts import ParticipantFault, Verdict

MAX_NOTEBOOK_BYTES = 16 << 20
MAX_CELLS = 10_000
EXAMINED_CHARACTERS = 1 << 18  # of the cells that are ignored: a hint is not worth more time and memory than that
NAMED_AT_MOST = 20
LONGEST_NAME = 80
_MAGIC_LINE = re.compile(r"^([ \t]*)(?:[%!?].*|.*\?)$", re.MULTILINE)
_MAGIC_VALUE = re.compile(r"(?<==)[ \t]*[%!].*$", re.MULTILINE)
FUNCTION_NAME = "your_select_indices"
OWN_CELLS = {"source"}  # organizers write their own download ids into it


@dataclass(frozen=True)
class Submission:
    """A notebook from which a solution cell could be lifted.

    Attributes:
        raw: the file as submitted.
        solution: the solution cell's source.
        notices: what a participant should know about the cells that are ignored, one sentence each.
    """

    raw: bytes
    solution: str
    notices: tuple[str, ...]

    @property
    def solution_sha256(self) -> str:
        """The checksum of the solution cell's source."""
        return hashlib.sha256(self.solution.encode()).hexdigest()


@dataclass(frozen=True)
class Cell:
    """One cell of a submitted notebook: its number from 1, its type ("code", "markdown", ...), its source."""

    number: int
    kind: str
    source: str


def fault(message: str) -> ParticipantFault:
    """Make the fault of a file that is not a submission."""
    return ParticipantFault(Verdict.PRESENTATION_ERROR, message)


def read_file(path: Path) -> bytes:
    """Read a submitted file: a regular one of at most 16 MiB, never through a symbolic link.

    Raises:
        ParticipantFault: it is something else.
        OSError: it is missing or unreadable.
    """
    try:
        return read_untrusted_file(path, MAX_NOTEBOOK_BYTES)
    except NotAFile:
        raise fault("the submission is a link, a folder or a pipe; submit the .ipynb file itself") from None
    except TooLarge as error:
        raise fault(
            f"the notebook holds {error.size / (1 << 20):.1f} MiB, {MAX_NOTEBOOK_BYTES >> 20} are allowed; "
            "clear the outputs (Edit, Clear Outputs of All Cells) and save it again"
        ) from None


def read_cells(raw: bytes) -> list[Cell]:
    """Read the cells of a notebook file.

    Raises:
        ParticipantFault: it is not a Jupyter notebook of format 4.
    """
    try:
        notebook = json.loads(raw.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise fault(f"this is not a Jupyter notebook: not JSON ({error}); submit the .ipynb file itself") from None
    if isinstance(notebook, dict) and "worksheets" in notebook:
        raise fault("this notebook has the old format 3; open it in Jupyter and save it again")
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise fault("this is JSON, but not a Jupyter notebook: it has no list of cells")
    if len(cells) > MAX_CELLS:
        raise fault(f"this notebook has {len(cells):,} cells, {MAX_CELLS:,} are allowed: delete those you do not need")
    return [Cell(number, *cell_parts(number, cell)) for number, cell in enumerate(cells, 1)]


def cell_parts(number: int, cell: Any) -> tuple[str, str]:
    """Return the type and the source of one JSON cell, or raise `ParticipantFault`."""
    source = cell.get("source", "") if isinstance(cell, dict) else None
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise fault(f"cell {number} has no source text: this is not a valid Jupyter notebook")
    return str(cell.get("cell_type")), source


def lift(cells: list[Cell]) -> Cell:
    """Find the one solution cell.

    Raises:
        ParticipantFault: there is none, there are two, it is no code cell, or it is too long.
    """
    marked = [cell for cell in cells if first_line(cell.source) == SOLUTION_MARKER]
    if not marked:
        candidates = [cell.number for cell in cells if cell.kind == "code" and f"def {FUNCTION_NAME}" in cell.source]
        hint = f"; cell {candidates[0]} defines {FUNCTION_NAME}, is it the one?" if candidates else ""
        raise fault(f"no solution cell: its first line must be '{SOLUTION_MARKER}', put it back{hint}")
    if len(marked) > 1:
        numbers = " and ".join(str(cell.number) for cell in marked)
        raise fault(f"more than one solution cell (cells {numbers}): keep one, delete the marker line of the others")
    [cell] = marked
    if cell.kind != "code":
        raise fault(f"the solution cell (cell {cell.number}) is a {cell.kind} cell: change its type to Code")
    try:
        size = len(cell.source.encode())
    except UnicodeEncodeError:
        raise fault("the solution cell holds characters that are not valid Unicode; delete them") from None
    if size > MAX_CELL_BYTES:
        raise fault(f"the solution cell holds {size:,} bytes, at most {MAX_CELL_BYTES:,} are allowed; shorten it")
    return cell


def comparable(source: str) -> str:
    """Return a cell's source without the differences that editors make by themselves."""
    return "\n".join(line.rstrip() for line in source.strip().splitlines())


def changed_locked_cells(cells: list[Cell]) -> list[str]:
    """Say, one sentence each, which locked cells of the starter are missing or differ."""
    submitted: dict[str, str] = {}
    for cell in cells:
        if match := LOCKED_MARKER.fullmatch(first_line(cell.source)):
            submitted.setdefault(match[1], comparable(cell.source))
    sentences = []
    for starter in build_notebook().cells:
        match = LOCKED_MARKER.fullmatch(first_line(starter.source))
        if not match or match[1] in OWN_CELLS:
            continue
        if match[1] not in submitted:
            sentences.append(f"the locked cell [{match[1]}] is missing; the grader uses its own copy")
        elif submitted[match[1]] != comparable(starter.source):
            sentences.append(f"the locked cell [{match[1]}] was changed; the change is ignored")
    return sentences


def parse(source: str) -> ast.Module | None:
    """Parse a cell's source, lines of IPython's magics left out; None where it has a syntax error.

    IPython's own transformer is not for text that somebody hostile wrote: it reads the whole cell again for every magic
    in it, so that a cell of 8 KB takes half a minute, and gives up with an error of its own.
    """
    without_magics = _MAGIC_VALUE.sub(" None", _MAGIC_LINE.sub(r"\1pass", source))
    for text in (source, without_magics):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # of doubtful escapes: nothing for the organizer's terminal
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                return ast.parse(text)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
    return None


def bound_names(tree: ast.AST) -> set[str]:
    """Return every name that `tree` binds anywhere: functions, classes, imports, assignments, arguments."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                names.add(name)
            case ast.arg(arg=name):
                names.add(name)
            case ast.alias(name=name, asname=alias):
                names.add(alias or name.split(".")[0])
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                names.add(name)
    return names


def top_level_names(tree: ast.Module) -> set[str]:
    """Return the names that `tree` binds outside functions and classes."""
    names: set[str] = set()
    for statement in tree.body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case _:
                names |= bound_names(statement)
    return names


def missing_function(tree: ast.Module) -> list[str]:
    """Say so, in a sentence, where nothing in the solution has the name of the function that is called."""
    if FUNCTION_NAME in bound_names(tree):
        return []
    return [f"the solution cell defines no {FUNCTION_NAME}, the function that is called for every batch"]


def names_from_ignored_cells(tree: ast.Module, others: list[Cell]) -> list[str]:
    """Say, one sentence each, which names the solution takes from a cell that the grader does not run.

    A hint, so it has bounds: of long notebooks the beginning is examined, of many names the first are told.
    """
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    used = {name for name in used if len(name) <= LONGEST_NAME}
    used -= bound_names(tree) | set(dir(builtins))
    for starter in build_notebook().cells:
        if LOCKED_MARKER.fullmatch(first_line(starter.source)):
            used -= top_level_names(ast.parse(starter.source))
    sentences: list[str] = []
    room = EXAMINED_CHARACTERS
    for cell in others:
        if cell.kind != "code":
            continue
        room -= len(cell.source)
        if room < 0 or not used:
            break
        ignored = parse(cell.source)
        for name in sorted(used & top_level_names(ignored)) if ignored else []:
            used.remove(name)
            if len(sentences) == NAMED_AT_MOST:
                return [*sentences, "there are more such names"]
            sentences.append(
                f"your solution uses '{name}', which is defined in cell {cell.number}; that cell is ignored, so move "
                f"'{name}' into the solution cell"
            )
    return sentences


def read_submission(raw: bytes) -> Submission:
    """Lift the solution out of a submitted notebook's bytes.

    Raises:
        ParticipantFault: it is not a notebook, or has not exactly one usable solution cell.
    """
    cells = read_cells(raw)
    solution = lift(cells)
    notices = changed_locked_cells(cells)
    tree = parse(solution.source)
    if tree is not None:
        others = [cell for cell in cells if cell is not solution]
        notices += [*missing_function(tree), *names_from_ignored_cells(tree, others)]
    return Submission(raw, solution.source, tuple(notices))
