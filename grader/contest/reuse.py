"""Gradings that need no training: found in the store, or derived from a finished run.

A grading is derived when the store has one of the same solution under the same conditions:

- of another submission: the same result, in a run folder of its own with its own notebook and notices;
- on another split: the stored models are scored on the wanted one. A fault stays the fault that it was, as a notebook
  sees the same bytes whatever split is scored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from grader import grading
from grader.contest.entries import identify, notebook_bytes
from grader.contest.store import Grading, Key, Origin, Received, Store
from grader.grading import (
    SUBMISSION_FILE,
    Record,
    Settings,
    combined_sha256,
    draft_record,
    find_data,
    manifest_sha256,
    require_splits,
    write_derived_run,
)
from grader.submission import read_submission
from grader.verdicts import InfrastructureError, ParticipantFault, Verdict


def grading_key(settings: Settings, code: str) -> Key:
    """Return the key that a grading of `code` with these settings will have, before it is made.

    Raises:
        InfrastructureError: the data is missing or unfinished.
    """
    folder = find_data(settings.data)
    require_splits(settings, folder)
    draft = draft_record(settings)
    return Key(
        code=code,
        template_sha256=draft.template_sha256,
        data_sha256=combined_sha256([manifest_sha256(folder, split) for split in (settings.train, "val")]),
        split_sha256=manifest_sha256(folder, settings.split),
        split=settings.split,
        train=settings.train,
        seed=settings.seed,
        device=settings.device,
        threads=settings.threads,
        time_limit=settings.limits.seconds,
        sandbox=settings.backend.value,
        versions=versions_text(draft.versions),
    )


def versions_text(versions: dict[str, str]) -> str:
    """Write library versions as they stand in a `Key`."""
    return json.dumps(versions, sort_keys=True)


class Reuse:
    """Finds and derives gradings.

    Args:
        store: where they are found and kept.
        runs: the folder of the run folders.
        data: the data folder.

    Raises:
        InfrastructureError: there is no data folder.
    """

    def __init__(self, store: Store, runs: Path, data: Path) -> None:
        self._store, self._runs, self._folder = store, runs, find_data(data)
        self._opened: grading.Splits = {}

    def derive(self, submission: Received, key: Key) -> Grading | None:
        """Derive the grading of a submission under these conditions and keep it; None where a training is needed.

        Raises:
            InfrastructureError: the run cannot be written, or the split is missing or changed.
        """
        derived = (self._derive(submission, key, source) for source in self._store.sources(submission, key))
        return next((found for found in derived if found is not None), None)

    def notebook(self, submission: Received) -> bytes | ParticipantFault:
        """Return what was handed in, as it was when it was received.

        Of a store that kept no files yet it is the file itself, or its copy in a run folder.

        Raises:
            InfrastructureError: there is neither.
        """

        def places() -> Iterator[Path]:
            yield submission.path
            for kept in self._store.gradings(submission):
                yield self._runs / kept.run / SUBMISSION_FILE

        if (kept := self._store.kept.get(submission.file_sha256)) is not None:
            return kept
        for path in places():
            try:
                raw = notebook_bytes(path)
            except InfrastructureError:
                continue
            if identify(raw) == (submission.file_sha256, submission.code):
                return raw
        raise InfrastructureError(
            f"{submission.path} is gone, or was changed since it was received, and neither the store nor a run folder "
            f"in {self._runs} keeps it: put it back as it was; a changed one is a new submission, which 'grader batch' "
            "receives"
        )

    def _derive(self, submission: Received, key: Key, source: Grading) -> Grading | None:
        run = self._runs / source.run
        if not run.is_dir():
            return None
        record, raw = replace(source.record, file=submission.path.name), None
        if source.submission_id != submission.id:
            try:
                handed_in = self.notebook(submission)
            except InfrastructureError:
                return None
            raw = None if isinstance(handed_in, ParticipantFault) else handed_in
            record = replace(record, notices=notices_of(raw))
        if source.key.split != key.split:
            rescored = self._rescored(replace(record, split=key.split, split_sha256=None), run)
            if rescored is None:
                return None
            record = rescored
        folder = write_derived_run(self._runs, record, run, raw)
        origin = Origin.SAME_SOLUTION if source.key.split == key.split else Origin.RESCORED
        return self._store.add(submission, key, record, folder.name, origin=origin, source=source)

    def _rescored(self, record: Record, run: Path) -> Record | None:
        """Score a run's models on the record's split; None where the run has lost them."""
        if record.verdict is not Verdict.OK:
            return record
        return grading.rescored(record, run, self._folder, self._opened)


def notices_of(raw: bytes | None) -> tuple[str, ...]:
    """Return what a grading of this notebook would remark on; nothing where it cannot be read."""
    try:
        return () if raw is None else read_submission(raw).notices
    except ParticipantFault:
        return ()
