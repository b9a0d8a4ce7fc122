"""What the reference solutions reached where a run was graded, to be shown beside it."""

from __future__ import annotations

import statistics
from pathlib import Path

from competition.manifest import PRIVATE_SPLITS, PUBLIC_SPLITS
from grader.contest import reference_scores
from grader.grading import Record
from grader.pages.report import Reached
from grader.safe_io import plain_name
from grader.validation import measured_scores

PUBLIC_TEST = PRIVATE_SPLITS[0]
PUBLIC_DRAW = PUBLIC_SPLITS[0]


def on_public_board(record: Record) -> bool:
    """Say whether a run's score is one that its participant may know: on a public board, of the public draw."""
    return record.split in (*PUBLIC_SPLITS, PUBLIC_TEST) and record.train == PUBLIC_DRAW


def reached_by_references(record: Record, store: Path | None) -> tuple[Reached, ...]:
    """Return what the references reached on the run's board, best first; nothing where nobody graded them so.

    Args:
        record: the run's, with its checksums.
        store: of the contest; None where there is none. Without references in it the measurements count that are kept
            beside the references, which are of the public test set.

    Raises:
        InfrastructureError: the store cannot be used, or the measurements are damaged.
    """
    if record.data_sha256 is None:
        return ()
    scores = {} if store is None else reference_scores(store, record)
    if not scores and (record.split, record.train) == (PUBLIC_TEST, PUBLIC_DRAW):
        scores = measured_scores(record.data_sha256, record.template_sha256)
    reached = [Reached(plain_name(name), statistics.fmean(each), len(each)) for name, each in scores.items()]
    return tuple(sorted(reached, key=lambda reference: -reference.bac_mean))
