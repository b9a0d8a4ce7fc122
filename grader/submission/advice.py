"""What can be said about a solution cell without running it: its names, and where they come from. Pure, and bounded."""

from __future__ import annotations

import ast
import builtins
import re
import warnings

from competition.notebook import LOCKED_MARKER, build_notebook, first_line
from grader.submission.lifting import FUNCTION_NAME
from grader.submission.reading import Cell

EXAMINED_CHARACTERS = 1 << 18  # of the cells that are ignored: a hint is not worth more time and memory than that
NAMED_AT_MOST = 20
LONGEST_NAME = 80
_MAGIC_LINE = re.compile(r"^([ \t]*)(?:[%!?].*|.*\?)$", re.MULTILINE)
_MAGIC_VALUE = re.compile(r"(?<==)[ \t]*[%!].*$", re.MULTILINE)


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
