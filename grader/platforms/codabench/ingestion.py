"""Bundle mode, first step: trains against the notebook, and leaves the index lists and the record, nothing else.

No test set is in this container. The output folder may hold whatever a submission's own command wrote, so it is
emptied first. The step always ends with status 0, as Codabench goes on to the scoring anyway; that tells from the
record whose fault it was.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from grader.grading import RECORD_FILE, Artifacts, Record, draft_record, grade, pack_selections
from grader.options import say
from grader.platforms.codabench.hand_over import Fault, read_notebook
from grader.platforms.codabench.lists import LISTS_FILE
from grader.platforms.codabench.places import IN_CONTAINER, Places, settings_here
from grader.safe_io import write_whole
from grader.sandbox import Backend, bwrap_problem, confined_problem
from grader.verdicts import InfrastructureError, ParticipantFault, Verdict


def empty(folder: Path) -> None:
    """Remove all that is in a folder, following no link."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def chosen_backend() -> Backend:
    """Return the strongest sandbox that works here.

    Raises:
        InfrastructureError: none does, so that no notebook is run.
    """
    if (without_bwrap := bwrap_problem()) is None:
        return Backend.BWRAP
    if (without_landlock := confined_problem()) is None:
        return Backend.CONFINED
    raise InfrastructureError(f"no notebook is run here without a sandbox: {without_bwrap}; and {without_landlock}")


def notebook_of(folder: Path) -> bytes | ParticipantFault:
    """Return the bytes of the one notebook of a submission, or the fault of one that has none, or several."""
    try:
        return read_notebook(str(folder))
    except Fault as fault:
        return ParticipantFault(Verdict.PRESENTATION_ERROR, str(fault))


def ingest(places: Places) -> tuple[Record, Artifacts]:
    """Train against the submission's notebook; scored on ``val``, as nothing else is here."""
    settings = settings_here(places, places.data, "val")
    try:
        settings = replace(settings, backend=chosen_backend())
    except InfrastructureError as error:
        draft = draft_record(settings)
        return replace(draft, verdict=Verdict.INFRASTRUCTURE_ERROR, message=error.message, points=None), Artifacts()
    return grade(notebook_of(places.submission), settings)


def main(places: Places = IN_CONTAINER) -> int:
    """Run the step and return its exit status: 0."""
    empty(places.output)
    record, artifacts = ingest(places)
    if artifacts.selections:
        np.savez_compressed(places.output / LISTS_FILE, allow_pickle=False, **pack_selections(artifacts.selections))
    write_whole(places.output / RECORD_FILE, record.to_json())
    say(f"{record.verdict.value}: {record.message}")
    return 0
