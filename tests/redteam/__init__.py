"""The red-team corpus: hostile submissions, each with the verdict that it must get.

``<verdict>/<attack>.py`` is a solution cell, ``<verdict>/<attack>.ipynb`` a whole notebook, and `built_files` has those
that text cannot hold. Each says in a few lines what it tries, what stops it, which careless grader falls for it, and
whether it takes a GPU to try it::

    # ATTACK [group]: what it tries
    # STOPPED BY: what stops it
    # WORKS AGAINST: one process
    # NEEDS: cuda

``python -m tests.redteam`` writes the table of `docs/redteam.md` from these lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from competition.notebook import graft, notebook_text
from tests.redteam.built_files import BUILT

FOLDER = Path(__file__).parent
PAGE_FILE = FOLDER.parents[1] / "docs" / "redteam.md"
GROUPS = ("metric", "state", "files", "process", "channel", "notebook")
ONE_PROCESS, NO_SANDBOX = "one process", "no sandbox"
TABLE_START, TABLE_END = "<!-- table: python -m tests.redteam -->\n", "<!-- end of table -->\n"
_ATTACK = re.compile(r"ATTACK \[(\w+)\]: (.+)")


@dataclass(frozen=True)
class Attack:
    """One hostile submission.

    Attributes:
        name: its file's name, which begins with its group.
        verdict: what the grader must say.
        group: one of `GROUPS`.
        tries, stopped_by: one line each.
        needs_cuda: whether it attacks a GPU.
        works_against: `ONE_PROCESS` for a grader that trains in the process that runs the submission, `NO_SANDBOX` for
            ours with ``--sandbox none``; None where nobody should try.
        submission: makes the file to submit.
    """

    name: str
    verdict: str
    group: str
    tries: str
    stopped_by: str
    works_against: str | None
    needs_cuda: bool
    submission: Callable[[], bytes]

    @property
    def cell(self) -> str:
        """The solution cell of an attack that is one."""
        return (FOLDER / self.verdict / f"{self.name}.py").read_text(encoding="utf-8")


def header_of(lines: list[str]) -> list[str]:
    """Return the leading lines of a header, each continued line joined to the one before it."""
    header: list[str] = []
    for line in lines:
        if line.startswith("  ") and header:
            header[-1] += " " + line.strip()
        elif line.strip().startswith(("ATTACK [", "STOPPED BY: ", "WORKS AGAINST: ", "NEEDS: ")):
            header.append(line.strip())
        else:
            break
    return header


def make_attack(name: str, verdict: str, header: list[str], submission: Callable[[], bytes]) -> Attack:
    """Make an attack from the lines of its header.

    Raises:
        ValueError: the header is incomplete.
    """
    said = dict(line.split(": ", 1) for line in header[1:])
    match = _ATTACK.fullmatch(header[0]) if header else None
    if match is None or match[1] not in GROUPS or "STOPPED BY" not in said or not name.startswith(match[1]):
        raise ValueError(f"{verdict}/{name}: its header must say ATTACK [group] and STOPPED BY, and its name the group")
    return Attack(
        name,
        verdict,
        match[1],
        match[2],
        said["STOPPED BY"],
        said.get("WORKS AGAINST"),
        said.get("NEEDS") == "cuda",
        submission,
    )


def read_corpus() -> Iterator[Attack]:
    """Read all attacks, verdict by verdict."""
    for path in sorted(FOLDER.glob("*/*.py")):
        text = path.read_text(encoding="utf-8")
        comments = [line.removeprefix("# ").removeprefix("#") for line in text.splitlines() if line.startswith("#")]
        yield make_attack(
            path.stem, path.parent.name, header_of(comments), lambda text=text: notebook_text(graft(text)).encode()
        )
    for path in sorted(FOLDER.glob("*/*.ipynb")):
        raw = path.read_bytes()
        header = json.loads(raw)["metadata"]["attack"]
        yield make_attack(path.stem, path.parent.name, header, lambda raw=raw: raw)
    for built in BUILT:
        yield make_attack(built.__name__, *built.verdict_and_header, built)


def table() -> str:
    """Return the corpus as a Markdown table, group by group."""
    rows = ["| group | attack | what it tries | verdict | what stops it |", "|---|---|---|---|---|"]
    for attack in sorted(read_corpus(), key=lambda each: (GROUPS.index(each.group), each.name)):
        tries, stopped_by = (re.sub(r"[|_]", r"\\\g<0>", text) for text in (attack.tries, attack.stopped_by))
        name = attack.name.removeprefix(f"{attack.group}_").replace("_", " ")
        rows.append(f"| {attack.group} | {name} | {tries} | `{attack.verdict}` | {stopped_by} |")
    return "\n".join(rows) + "\n"


def with_table(page: str) -> str:
    """Return the text of the page with the table that belongs into it."""
    before, _, rest = page.partition(TABLE_START)
    _, _, after = rest.partition(TABLE_END)
    return before + TABLE_START + table() + TABLE_END + after
