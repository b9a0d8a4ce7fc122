"""Which solution cells are alike, once names, comments and layout are put aside?

The token n-grams of two cells are compared, as plagiarism look-ups do (Schleimer, Wilkerson and Aiken, Winnowing: local
algorithms for document fingerprinting, 2003; a cell is at most 64 KiB, so all n-grams are kept and none is sampled).
N-grams do not mind in which order functions stand. A high figure is a reason to read both cells, not a verdict.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import io
import keyword
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from competition.names import parse
from grader.grading import RECORD_FILE, SUBMISSION_FILE
from grader.submission import lift, read_cells, read_file
from grader.verdicts import ParticipantFault

NGRAM = 10  # tokens, about a line and a half: shorter ones are shared by everybody who sorts losses
FEWEST = 20  # a cell with fewer n-grams of its own is too short to be told from others
MOST_BITS = 2048  # of an integer that is compared by its digits
LAYOUT = {tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT, tokenize.ENDMARKER}

Fingerprint = frozenset[tuple[str, ...]]


@dataclass(frozen=True)
class Pair:
    """Two solution cells that are alike.

    Attributes:
        first, second: their names.
        similarity: the share of the shorter one's n-grams that stand in the longer one too, 0 to 1.
        shared: how many n-grams that is.
    """

    first: str
    second: str
    similarity: float
    shared: int


class _Plainer(ast.NodeTransformer):
    """Drops every expression that is a bare constant: docstrings, and texts that do nothing; names huge integers."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Put `pass` in the place of a bare constant."""
        if isinstance(node.value, ast.Constant):
            return ast.Pass()
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """Put a name in the place of an integer with more digits than Python prints."""
        huge = isinstance(node.value, int) and node.value.bit_length() > MOST_BITS
        return ast.Name("huge", ast.Load()) if huge else node


def normalised_tokens(source: str) -> list[str] | None:
    """Return a cell's tokens without names of its own, comments, docstrings and layout; None where there is no reading.

    That is a syntax error, nesting that is too deep, or whatever else Python's own parser and printer stumble over,
    which are made for code that nobody wrote against them.

    Keywords, builtins and attributes keep theirs, so that calls of other functions are a difference.
    """
    try:
        tree = parse(source)
        return None if tree is None else tokens_of(ast.unparse(_Plainer().visit(tree)))
    except Exception:  # of a hostile cell, and of this cell only
        return None


def tokens_of(text: str) -> list[str]:
    """Return the tokens of Python text without layout, each name of its own as ``name``."""
    kept = {*keyword.kwlist, *dir(builtins)}
    tokens: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in LAYOUT:
            continue
        own = token.type == tokenize.NAME and token.string not in kept and tokens[-1:] != ["."]
        tokens.append("name" if own else token.string)
    return tokens


def fingerprint(tokens: list[str]) -> Fingerprint:
    """Return all n-grams of `NGRAM` tokens."""
    return frozenset(tuple(tokens[start : start + NGRAM]) for start in range(len(tokens) - NGRAM + 1))


def similar_pairs(sources: Mapping[str, str], common: Iterable[str], threshold: float) -> tuple[list[Pair], list[str]]:
    """Compare all cells with each other.

    Args:
        sources: the cells' sources by name.
        common: sources that everybody has, such as the starter's cell: what stands there does not count.
        threshold: the smallest similarity to list, 0 to 1.

    Returns:
        The pairs, the most similar first; and the names of cells that are not comparable, as Python cannot read them
        or they have too little of their own.
    """
    everybodys: Fingerprint = frozenset().union(*(fingerprint(normalised_tokens(text) or []) for text in common))
    own = {name: fingerprint(normalised_tokens(text) or []) - everybodys for name, text in sources.items()}
    comparable = {name: grams for name, grams in own.items() if len(grams) >= FEWEST}
    pairs = []
    for (first, grams), (second, others) in combinations(comparable.items(), 2):
        shared = len(grams & others)
        similarity = shared / min(len(grams), len(others))
        if similarity >= threshold:
            pairs.append(Pair(first, second, similarity, shared))
    return sorted(pairs, key=lambda pair: -pair.similarity), sorted(own.keys() - comparable.keys())


@dataclass(frozen=True, order=True)
class Solution:
    """A solution cell that was graded, once or more often.

    Attributes:
        owner: whose it is: the participant's name where it is known, else the first run's.
        run: the first run that graded it.
        source: the cell's source.
    """

    owner: str
    run: str
    source: str


def read_solutions(runs: Path, owners: Mapping[str, str]) -> list[Solution]:
    """Read the solution cells of all runs, each owner's equal ones once.

    Args:
        runs: the folder of run folders.
        owners: participants' names by the names of their runs, as far as they are known.
    """
    found: dict[tuple[str, str], Solution] = {}
    for folder in sorted(path.parent for path in runs.glob(f"[!.]*/{RECORD_FILE}")):
        try:
            source = lift(read_cells(read_file(folder / SUBMISSION_FILE))).source
        except (ParticipantFault, OSError):
            continue  # no cell could be lifted, or the organizer's oracle ran
        checksum = hashlib.sha256(source.encode()).hexdigest()
        owner = owners.get(folder.name, "")
        found.setdefault((owner, checksum), Solution(owner or folder.name, folder.name, source))
    known = {checksum for owner, checksum in found if owner}
    return sorted(solution for (owner, checksum), solution in found.items() if owner or checksum not in known)


def similar_solutions(
    solutions: Iterable[Solution], common: Iterable[str], threshold: float
) -> tuple[list[tuple[Solution, Solution, Pair]], list[Solution]]:
    """Find the solutions of different owners that are alike; see `similar_pairs`."""
    by_run = {solution.run: solution for solution in solutions}
    pairs, incomparable = similar_pairs({run: solution.source for run, solution in by_run.items()}, common, threshold)
    both = [(by_run[pair.first], by_run[pair.second], pair) for pair in pairs]
    different = [(first, second, pair) for first, second, pair in both if first.owner != second.owner]
    return different, [by_run[run] for run in incomparable]
