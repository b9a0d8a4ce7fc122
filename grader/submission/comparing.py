"""Compare a notebook's locked cells with the starter's. Pure."""

from __future__ import annotations

from competition.notebook import LOCKED_MARKER, build_notebook, first_line
from grader.submission.reading import Cell

OWN_CELLS = {"source"}  # organizers write their own download ids into it


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
