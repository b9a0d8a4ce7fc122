"""What can be said about a solution cell without running it: its names, and where they come from. Pure, and bounded."""

from __future__ import annotations

import ast
import builtins
import re
from difflib import get_close_matches

from competition.names import is_magic, locked_names, parse, parse_quietly, undefined_names, without_magics
from competition.notebook import starter_solution
from competition.task.cells import FUNCTION_NAME, locked_name
from grader.safe_io import plain_name
from grader.submission.comparing import comparable
from grader.submission.reading import Cell

EXAMINED_CHARACTERS = 1 << 18  # of the cells that are ignored: a hint is not worth more time and memory than that
NAMED_AT_MOST = 20
CELLS_AT_MOST = 3
LONGEST_NAME = 80
COMPARED_AT_MOST = 200  # names of the cell itself, with each that nothing defines
LONGEST_COMPARED = 40  # comparing two names takes more than the square of their length
ALIKE = 0.85  # from where on one name may be another, misspelt
_INSTALL = re.compile(r"[ \t]*[%!][ \t]*(?:pip3?|conda|mamba|uv|apt|apt-get)\b")


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


def syntax_error(source: str) -> list[str]:
    """Say in a sentence where a cell is no Python, with the line as its author counts it."""
    lines = source.split("\n")
    said: list[str] = []
    for text in (source, without_magics(source)):
        try:
            parse_quietly(text)
            return []
        except SyntaxError as error:
            number = error.lineno or 1
            if not is_magic(lines[min(number, len(lines)) - 1]):
                said.append(f"solution cell, line {number}: SyntaxError: {error.msg}")
        except (ValueError, RecursionError, MemoryError) as error:
            said.append(f"the solution cell cannot be read as Python: {error}")
    return said[:1]


def misplaced_cell_magic(source: str) -> list[str]:
    """Say in a sentence that a cell magic does nothing, since the marker stands on the cell's first line."""
    for number, line in enumerate(source.splitlines(), 1):
        if line.startswith("%%"):
            return [
                f"solution cell, line {number}: {plain_name(line.split()[0])} works on the first line of a cell only, "
                "and there stands the marker: delete this line"
            ]
    return []


def missing_function(tree: ast.Module) -> list[str]:
    """Say so, in a sentence, where nothing in the solution has the name of the function that is called."""
    if FUNCTION_NAME in bound_names(tree):
        return []
    functions = {node.name: node.lineno for node in tree.body if isinstance(node, ast.FunctionDef)}
    close = get_close_matches(FUNCTION_NAME, list(functions)[:NAMED_AT_MOST], 1)
    hint = f"; is {close[0]}, in line {functions[close[0]]}, the one?" if close else ""
    return [f"the solution cell defines no {FUNCTION_NAME}, the function that is called for every batch{hint}"]


def wrong_parameters(tree: ast.Module) -> list[str]:
    """Say so, in a sentence, where the function cannot be called with two arguments."""
    definitions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == FUNCTION_NAME]
    if not definitions:
        return []
    given = definitions[-1].args
    most = len(given.posonlyargs) + len(given.args)
    least = most - len(given.defaults)
    required = [name for name, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default is None]
    if least <= 2 and (most >= 2 or given.vararg) and not required:
        return []
    return [
        f"solution cell, line {definitions[-1].lineno}: {FUNCTION_NAME} is called with two arguments, targets and "
        f"losses, but {'needs' if least > 2 or required else 'takes'} {(least if least > 2 else most) + len(required)}"
    ]


def still_the_starter(source: str) -> list[str]:
    """Say so, in a sentence, where nobody has edited the solution cell."""
    if comparable(source) != comparable(starter_solution()):
        return []
    return ["the solution cell is still the starter's: it selects every sample, and earns what the default earns"]


def functions_in_ignored_cells(others: list[Cell]) -> list[str]:
    """Say, one sentence each, which other cells define the function: by def, by assignment or by import.

    A hint, so it has bounds: of long notebooks the beginning is examined.
    """
    room = EXAMINED_CHARACTERS
    found: list[str] = []
    for cell in others:
        if cell.kind != "code" or locked_name(cell.source):
            continue
        room -= len(cell.source)
        if room < 0 or len(found) == CELLS_AT_MOST:
            break
        ignored = parse(cell.source) if FUNCTION_NAME in cell.source else None
        if ignored is not None and FUNCTION_NAME in top_level_names(ignored):
            found.append(
                f"cell {cell.number} defines {FUNCTION_NAME} too; it is ignored, as only the solution cell counts"
            )
    return found


def names_from_elsewhere(tree: ast.Module, others: list[Cell]) -> list[str]:
    """Say, one sentence each, which names the solution takes from a cell that the grader does not run, or from nowhere.

    A hint, so it has bounds: of long notebooks the beginning is examined, of many names the first are told.
    """
    missing = [found for found in undefined_names(tree) if len(found.name) <= LONGEST_NAME]
    elsewhere: dict[str, int] = {}
    room = EXAMINED_CHARACTERS
    for cell in others if missing else []:
        if cell.kind != "code":
            continue
        room -= len(cell.source)
        if room < 0:
            break
        ignored = parse(cell.source)
        for name in top_level_names(ignored) if ignored else ():
            elsewhere.setdefault(name, cell.number)
    own = sorted(name for name in bound_names(tree) if len(name) <= LONGEST_COMPARED)[:COMPARED_AT_MOST]
    known = sorted({*own, *locked_names(), *dir(builtins)})
    sentences = []
    for found in missing[:NAMED_AT_MOST]:
        where = f"solution cell, line {found.line}: "
        if found.name in elsewhere:
            sentences.append(
                f"{where}'{found.name}' is defined in cell {elsewhere[found.name]}; that cell is ignored, so move it "
                "into the solution cell"
            )
        else:
            close = get_close_matches(found.name, known, 1, ALIKE) if len(found.name) <= LONGEST_COMPARED else []
            meant = f"; is '{close[0]}' meant?" if close else ""
            sentences.append(f"{where}nothing that counts defines '{found.name}'{meant}")
    return [*sentences, *(["there are more such names"] if len(missing) > NAMED_AT_MOST else [])]


def installs(source: str) -> list[str]:
    """Say so, in a sentence, where the solution would install something."""
    for number, line in enumerate(source.splitlines(), 1):
        if _INSTALL.match(line):
            return [
                f"solution cell, line {number}: nothing can be installed at the grader, there is no internet; it has "
                "the libraries that the notebook's first cell lists"
            ]
    return []
