"""The run folder: it keeps the record of one grading, and what the grading produced besides.

    runs/<time>-<solution>-<random>/
        record.json                      the record; its presence marks a finished run
        submission.ipynb                 as submitted
        executed.ipynb, output.txt       what the sandbox left behind: the participant's words, not to be trusted
        model_1.safetensors, model_2...  the two trained models
        selections.npz                   what was picked, step by step (see `grader.grading.artifacts`)
        losses.npz                       both models' losses of every step, in file order (see there)
        history.json                     training loss and validation BAC per epoch and model

A run folder is written beside its place and moved there in one step: it is whole, or it is not there.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from competition.scratch import scratch_folder
from grader.grading.artifacts import SUBMISSION_FILE, Artifacts, write_artifacts
from grader.grading.record import Record
from grader.verdicts import InfrastructureError

RECORD_FILE = "record.json"


def read_record(run: Path) -> Record:
    """Read a run's record.

    Raises:
        InfrastructureError: the folder is not a finished run.
    """
    try:
        return Record.from_json((run / RECORD_FILE).read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise InfrastructureError(
            f"{run} is not a run folder: it has no {RECORD_FILE}; name the folders that a grading wrote"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InfrastructureError(f"{run / RECORD_FILE} is damaged: {error}") from None


def place_run(runs: Path, record: Record, fill: Callable[[Path], None]) -> Path:
    """Write a run folder into `runs` and return it.

    Args:
        fill: writes everything but the record into the folder that it is given.

    Raises:
        InfrastructureError: it could not be written; nothing of it stays.
    """
    time = datetime.fromisoformat(record.started).strftime("%Y%m%d-%H%M%S")
    name = "-".join((time, (record.solution_sha256 or "nosolution")[:10], secrets.token_hex(3)))
    try:
        runs.mkdir(parents=True, exist_ok=True)
        with scratch_folder("run", runs) as scratch:
            fill(scratch)
            (scratch / RECORD_FILE).write_text(record.to_json())
            scratch.chmod(0o755)
            return scratch.rename(runs / name)
    except OSError as error:
        raise InfrastructureError(
            f"the run could not be written to {runs}: {error}; make room and grade again"
        ) from None


def write_run(runs: Path, record: Record, artifacts: Artifacts) -> Path:
    """Write a grading's run folder; see `place_run`."""
    return place_run(runs, record, lambda folder: write_artifacts(folder, artifacts))


def pack_run(artifacts: Artifacts) -> dict[str, bytes]:
    """Return the files of a run folder, the record apart, as they are sent from one machine to another."""
    with scratch_folder("packed-run") as folder:
        write_artifacts(folder, artifacts)
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def write_packed_run(runs: Path, record: Record, files: Mapping[str, bytes]) -> Path:
    """Write the run folder that another process packed; see `pack_run` and `place_run`."""

    def fill(folder: Path) -> None:
        for name, content in files.items():
            (folder / name).write_bytes(content)

    return place_run(runs, record, fill)


def write_derived_run(runs: Path, record: Record, source: Path, submission: bytes | None) -> Path:
    """Write the run folder of a record that was derived from a finished run, without training again.

    Args:
        source: the finished run; its files are linked, not copied, where the file system can.
        submission: the notebook as submitted, where it is another one with the same solution; None keeps that of
            the source.

    Raises:
        InfrastructureError: see `place_run`.
    """

    def fill(folder: Path) -> None:
        for path in source.iterdir():
            if path.is_file() and path.name != RECORD_FILE and not (submission and path.name == SUBMISSION_FILE):
                link_or_copy(path, folder / path.name)
        if submission is not None:
            (folder / SUBMISSION_FILE).write_bytes(submission)

    return place_run(runs, record, fill)


def link_or_copy(path: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system has no such names."""
    try:
        target.hardlink_to(path)
    except OSError:
        shutil.copyfile(path, target)
