"""Compare a notebook's locked cells with the starter's. Pure."""

from __future__ import annotations

from competition.notebook import locked_cells
from competition.task.cells import locked_name
from grader.submission.reading import Cell

OWN_CELLS = {"source"}  # organizers write their own download ids into it


def comparable(source: str) -> str:
    """Return a cell's source without the differences that editors make by themselves."""
    return "\n".join(line.rstrip() for line in source.strip().splitlines())


def changed_locked_cells(cells: list[Cell]) -> list[str]:
    """Say, one sentence each, which locked cells of the starter are missing or differ."""
    submitted: dict[str, str] = {}
    for cell in cells:
        if (name := locked_name(cell.source)) is not None:
            submitted.setdefault(name, comparable(cell.source))
    sentences = []
    for name, text in locked_cells().items():
        if name in OWN_CELLS:
            continue
        if name not in submitted:
            sentences.append(f"the locked cell [{name}] is missing; the grader uses its own copy")
        elif submitted[name] != comparable(text):
            sentences.append(f"the locked cell [{name}] was changed; the change is ignored")
    return sentences
