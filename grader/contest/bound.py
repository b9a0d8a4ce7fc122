"""The oracle's bound: what training on the truly clean samples reaches, once per training seed, kept in the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from grader import analysis, grading
from grader.contest.reuse import Reuse, grading_key
from grader.contest.store import Entry, Kind, Received, Store
from grader.grading import Record, Settings, draft_record, find_data, write_run
from grader.sandbox import Backend

ORACLE = "oracle"


def receive_oracle(store: Store) -> Received:
    """Return the oracle's submission, its own source text being what is graded; the store makes it once."""
    sha256 = analysis.oracle_sha256()
    for submission in store.submissions():
        if submission.kind is Kind.ORACLE and submission.file_sha256 == sha256:
            return submission
    now = datetime.now(UTC)
    [submission] = store.receive([Entry(ORACLE, Kind.ORACLE, Path(ORACLE), now, sha256, f"oracle:{sha256}")])
    return submission


def grade_oracle(
    store: Store, reuse: Reuse, runs: Path, settings: Settings, seeds: list[int], tell: Callable[[int, Record], None]
) -> None:
    """Train the oracle with each seed in this process, unless the store has it, and tell of each record.

    Raises:
        InfrastructureError: data or truth are missing or changed, or the run cannot be written.
    """
    submission = receive_oracle(store)
    trusted = replace(settings, backend=Backend.NONE)
    for seed in seeds:
        seeded = replace(trusted, seed=seed)
        key = grading_key(seeded, submission.code)
        kept = store.finished(submission, key) or reuse.derive(submission, key)
        if kept is None:
            folder = find_data(seeded.data)
            splits = grading.open_training_splits(folder, seeded.train)
            clean = analysis.read_truth(folder.folder_of("test_a"), splits["train"].dataset, seeded.train)
            draft = replace(
                draft_record(seeded), solution_sha256=submission.file_sha256, data_sha256=grading.data_sha256(splits)
            )
            select_indices = analysis.oracle_select_indices(clean)
            record, artifacts = grading.grade_trusted(select_indices, draft, folder, splits, seeded)
            run = write_run(runs, record, artifacts)
            kept = store.add(submission, key, record, run.name)
        tell(seed, kept.record)
