"""Bundle mode, second step: trains again from the index lists, without the notebook, and scores.

What the first step left may have been forged, whoever wrote it: the lists are read within bounds and are a selection
like any other; of the record only a participant's verdict and its message are taken, which give 0 points.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch

from competition.scratch import scratch_folder
from competition.task.constants import NUM_EPOCHS
from competition.task.selection import PresentationError
from grader import pages
from grader.grading import (
    RECORD_FILE,
    Artifacts,
    Record,
    data_sha256,
    draft_record,
    find_data,
    grade_trusted,
    open_training_splits,
    write_run,
)
from grader.options import say
from grader.platforms.codabench.lists import LISTS_FILE, forged, read_lists
from grader.platforms.codabench.places import IN_CONTAINER, Places, settings_here
from grader.platforms.codabench.scores import CODES, scores_of
from grader.safe_io import NotAFile, TooLarge, parse_json, plain_message, read_untrusted_file
from grader.verdicts import InfrastructureError, ParticipantFault, Verdict

MAX_RECORD_BYTES = 1 << 20
SPLIT = "test_a"


def told_fault(results: Path) -> ParticipantFault | None:
    """Return the participant's fault that the first step found; None where it trained to the end.

    Raises:
        InfrastructureError: it left no record, or failed by our own fault.
    """
    try:
        told = parse_json(read_untrusted_file(results / RECORD_FILE, MAX_RECORD_BYTES))
        verdict, message = Verdict(told["verdict"]), str(told["message"])
    except FileNotFoundError:
        raise InfrastructureError("the ingestion left no record: it was stopped, or its machine failed") from None
    except (NotAFile, TooLarge, OSError, ValueError, TypeError, KeyError):
        raise forged() from None
    if verdict is Verdict.INFRASTRUCTURE_ERROR:
        raise InfrastructureError(f"the ingestion failed: {plain_message(message)}")
    return None if verdict is Verdict.OK else ParticipantFault(verdict, plain_message(message))


def score(places: Places) -> tuple[Record, Artifacts]:
    """Train from the lists and score; a participant's fault becomes a record with 0 points.

    Raises:
        InfrastructureError: the first step failed by our own fault, or the data is not whole.
    """
    settings = settings_here(places, places.reference, SPLIT)
    draft = draft_record(settings)
    try:
        if (fault := told_fault(places.results)) is not None:
            raise fault
        folder = find_data(settings.data)
        splits = open_training_splits(folder)
        draft = replace(draft, data_sha256=data_sha256(splits))
        steps = iter(read_lists(places.results / LISTS_FILE, len(splits["train"].dataset), NUM_EPOCHS))

        def listed(targets: torch.Tensor, losses: list[torch.Tensor]) -> list[torch.Tensor]:
            return [torch.from_numpy(indices) for indices in next(steps)]

        try:
            return grade_trusted(listed, draft, folder, splits, settings)
        except PresentationError:
            raise forged() from None
    except ParticipantFault as fault:
        return replace(draft, verdict=fault.verdict, message=fault.message), Artifacts()


def main(places: Places = IN_CONTAINER) -> int:
    """Run the step and return its exit status: 0 with scores, 1 where the fault is ours and nothing is counted."""
    try:
        record, artifacts = score(places)
        scores = scores_of(record)
        with scratch_folder("scored") as scratch:
            run = write_run(scratch, record, artifacts)
            page = pages.report_page(pages.make_report(run, places.reference, for_organizer=False))
    except InfrastructureError as error:
        say(f"not graded, and not counted: {error.message}", err=True)
        return 1
    (places.output / "detailed_results.html").write_text(page, encoding="utf-8")
    (places.output / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    say(f"{record.verdict.value}, code {CODES[record.verdict]}")
    return 0
