"""Grade one submission: the whole way from a notebook's bytes to a record.

    bytes -> solution cell -> pristine notebook -> sandbox <-> gateway <-> training -> (sandbox dead)
          -> test split -> record

What trains, and torch with it, is imported once there is something to train, so that a file which is no notebook gets
its verdict at once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from grader.grading.artifacts import Artifacts
from grader.grading.data_folder import find_data, require_splits
from grader.grading.record import Record, draft_record
from grader.grading.settings import Settings
from grader.grading.training import train_with_retries
from grader.safe_io import plain_message
from grader.submission import read_submission
from grader.verdicts import InfrastructureError, ParticipantFault, Verdict

if TYPE_CHECKING:
    from grader.grading.trainer import Splits


def grade(raw: bytes | ParticipantFault, settings: Settings) -> tuple[Record, Artifacts]:
    """Grade a submitted notebook.

    Args:
        raw: the submitted file's bytes, or the fault found while reading it.

    Returns:
        The record, whatever the verdict, and what to keep beside it. Our own bugs propagate.
    """
    draft = draft_record(settings)
    artifacts = Artifacts(submission=raw if isinstance(raw, bytes) else None)
    try:
        if isinstance(raw, ParticipantFault):
            raise raw
        submission = read_submission(raw)
        draft = replace(draft, solution_sha256=submission.solution_sha256, notices=submission.notices)
        folder = find_data(settings.data)
        require_splits(settings, folder)
        splits: Splits = {}
        training = train_with_retries(submission, folder, splits, settings)
        from grader.grading.trainer import data_sha256, open_training_splits, scored  # torch is loaded by now

        draft = replace(draft, data_sha256=data_sha256(splits))
        artifacts = training.artifacts
        draft = replace(
            draft,
            seconds=round(training.seconds, 3),
            clock_seconds=round(training.clock_seconds, 3),
            answer_seconds=round(training.answer_seconds, 3),
        )
        if training.fault is not None:
            if isinstance(training.fault, ParticipantFault) and training.fault.verdict is Verdict.RUNTIME_ERROR:
                open_training_splits(folder, settings.train)  # data that vanished meanwhile is nobody's fault but ours
            raise training.fault
        settings.note("scoring")
        return scored(draft, artifacts.models, folder, splits), artifacts
    except ParticipantFault as fault:
        return replace(draft, verdict=fault.verdict, message=plain_message(fault.message)), artifacts
    except (InfrastructureError, OSError) as error:
        return replace(draft, verdict=Verdict.INFRASTRUCTURE_ERROR, message=str(error), points=None), artifacts
