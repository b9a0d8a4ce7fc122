"""What the reference solutions of a contest reached where a run was graded: read from the store, never trained."""

from __future__ import annotations

from pathlib import Path

from grader.contest.boards import COMPARABLE
from grader.contest.store import Grading, Kind, Received, Store, open_existing
from grader.grading import Record
from grader.verdicts import Verdict


def reference_scores(path: Path, run: Record) -> dict[str, list[float]]:
    """Return the mean BAC of every reference that was graded as `run` was, in a list of one, by its name.

    As on a leaderboard, template, training data, draw, seed and split are the run's, the last submission of a reference
    and its latest grading count; device, threads and versions may differ.

    Raises:
        InfrastructureError: there is no such store, or it cannot be used.
    """
    with open_existing(path) as store:
        last = {
            received.participant: received
            for received in store.submissions()
            if received.kind is Kind.REFERENCE and received.counts
        }
        scores = {name: latest_score(store, received, run) for name, received in last.items()}
    return {name: [score] for name, score in scores.items() if score is not None}


def latest_score(store: Store, reference: Received, run: Record) -> float | None:
    """Return the mean BAC of a reference's latest grading that compares with `run`; None without one that is valid."""
    comparable = [grading for grading in store.gradings(reference) if compares(grading, run)]
    return comparable[-1].record.bac_mean if comparable else None


def compares(grading: Grading, run: Record) -> bool:
    """Say whether a finished grading was made of the same data, with the same seed, for the same split as `run`."""
    record = grading.record
    return record.verdict is not Verdict.INFRASTRUCTURE_ERROR and all(
        getattr(grading.key, name) == getattr(run, name) for name in (*COMPARABLE, "seed", "split")
    )
