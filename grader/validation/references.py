"""Reference solutions against their expected bands: does the kit still score them where it should?

Every reference is graded like a submission, in the sandbox, on the practice data or an organizer's own; the oracle is
trained in this process. A run that is stored already, of the same solution, template, data, seed, device and versions,
is used again, and so is a measurement.
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from competition.build import build_data
from competition.errors import DataError
from competition.manifest import MANIFEST_FILE, read_manifest
from competition.notebook import graft, notebook_text
from competition.pool import fashion_pool
from competition.profiles import NOISE, PRACTICE_SEED, PROFILES
from grader.analysis import oracle_select_indices, oracle_sha256, read_truth, selection_quality
from grader.grading import (
    DataFolder,
    Record,
    Settings,
    Splits,
    combined_sha256,
    data_sha256,
    draft_record,
    evaluate,
    find_data,
    grade,
    grade_trusted,
    load_models,
    manifest_sha256,
    open_training_splits,
    open_verified,
    read_record,
    unpack_selections,
    write_run,
)
from grader.sandbox import Backend
from grader.validation.bands import ORACLE, REFERENCES_FOLDER
from grader.validation.results import Band, Conditions, Measurement, Result, ResultsFile
from grader.verdicts import InfrastructureError, Verdict

PRACTICE_FOLDER = Path("practice")


def practice_data(profile: str) -> Path:
    """Return the practice data of a profile, built with the practice seed at its first use.

    Raises:
        InfrastructureError: there is practice data with other noise, as an earlier version of the kit made it, or it
            is damaged.
    """
    folder = PRACTICE_FOLDER / profile
    finished = folder / "public" / MANIFEST_FILE
    try:
        if not finished.is_file():
            build_data(fashion_pool(), PROFILES[profile], NOISE, PRACTICE_SEED, folder)
    except DataError as error:
        if not finished.is_file():  # else another command has built it meanwhile
            raise InfrastructureError(str(error)) from None
    try:
        manifest = read_manifest(folder / "private")
    except DataError as error:
        raise InfrastructureError(str(error)) from None
    made_with = manifest.get("transition_matrix"), manifest.get("difficulty_spread")
    if made_with != (NOISE.transition_matrix(), NOISE.difficulty_spread()):
        raise InfrastructureError(f"{folder} was built with other noise than today's: delete it, it is built again")
    return folder


def stored_run(runs: Path, wanted: Record) -> Path | None:
    """Find a finished run that a grading would only repeat."""
    keys = (
        *(
            "solution_sha256",
            "template_sha256",
            "data_sha256",
            "split",
            "split_sha256",
            "seed",
            "device",
            "threads",
            "versions",
            "sandbox",
        ),
    )
    for folder in sorted(runs.glob("[!.]*")):
        record = read_record(folder)
        if record.verdict is Verdict.OK and all(getattr(record, key) == getattr(wanted, key) for key in keys):
            return folder
    return None


@dataclass(frozen=True)
class Trial:
    """One reference, to be graded with one seed.

    Attributes:
        name: the reference, or "oracle".
        raw: its notebook; empty for the oracle.
        settings: how to grade.
        draft: the record of the grading that has not begun; it tells a stored run that can be used instead.
    """

    name: str
    raw: bytes
    settings: Settings
    draft: Record

    def conditions(self, profile: str, tests_sha256: str) -> Conditions:
        """Return what the measurement depends on."""
        draft = self.draft
        return Conditions(
            reference=self.name,
            profile=profile,
            seed=draft.seed,
            device=draft.device,
            threads=draft.threads,
            sandbox=draft.sandbox,
            solution_sha256=draft.solution_sha256,
            template_sha256=draft.template_sha256,
            data_sha256=draft.data_sha256,
            tests_sha256=tests_sha256,
            versions=draft.versions,
        )


def prepare(name: str, settings: Settings, public: Splits) -> Trial:
    """Read one reference, or the oracle, for one grading.

    Raises:
        InfrastructureError: the split that is to be scored, or its manifest, is missing.
    """
    scored = manifest_sha256(find_data(settings.data), settings.split)
    draft = replace(draft_record(settings), data_sha256=data_sha256(public), split_sha256=scored)
    if name == ORACLE:
        raw, sha256 = b"", oracle_sha256()
        draft = replace(draft, sandbox=Backend.NONE.value)
    else:
        notebook = graft((REFERENCES_FOLDER / f"{name}.py").read_text(encoding="utf-8"))
        source = next(cell.source for cell in notebook.cells if cell.id == "solution")
        raw, sha256 = notebook_text(notebook).encode(), hashlib.sha256(source.encode()).hexdigest()
    return Trial(name, raw, settings, replace(draft, solution_sha256=sha256))


def run_trial(trial: Trial, folder: DataFolder, public: Splits, clean: torch.Tensor, runs: Path) -> Path:
    """Grade one reference with one seed, or find the stored run that did; return its run folder.

    Raises:
        InfrastructureError: it did not get the verdict `OK`; the message says why.
    """
    run = stored_run(runs, trial.draft)
    if run is not None:
        return run
    if trial.name == ORACLE:
        select_indices = oracle_select_indices(clean)
        record, artifacts = grade_trusted(select_indices, trial.draft, folder, public, trial.settings)
    else:
        record, artifacts = grade(trial.raw, trial.settings)
    run = write_run(runs, record, artifacts)
    if record.verdict is not Verdict.OK:
        raise InfrastructureError(f"reference {trial.name} got {record.verdict.value}: {record.message}")
    return run


def validate(
    names: list[str],
    *,
    data: Path,
    profile: str,
    bands: Mapping[str, Band],
    seeds: list[int],
    device: str,
    threads: int,
    backend: Backend,
    image: str,
    runs: Path,
    known: ResultsFile,
    announce: Callable[[str], None],
    progress: bool,
) -> Iterator[Result]:
    """Grade each reference with each training seed on ``test_a``, score its models on ``test_b`` too, and compare.

    Args:
        data: the data folder, its private part included.
        profile: what measurements call it.
        bands: where references are expected on this data; others are not compared.
        runs: where run folders are kept, and found again.
        seeds: the training seeds, at least one.
        known: earlier measurements, used again where their conditions are the same, those with further seeds too; new
            ones are added.
        announce: is told, in a line, what was done.

    Raises:
        InfrastructureError: see `run_trial`.
    """
    folder = find_data(data)
    tests_sha256 = combined_sha256([manifest_sha256(folder, split) for split in ("test_a", "test_b")])
    public = open_training_splits(folder)
    test_b = open_verified(folder, "test_b").dataset
    train = public["train"].dataset
    clean = read_truth(folder.folder_of("test_b"), train)
    for number, name in enumerate(names):
        for seed in seeds:
            settings = Settings(
                data,
                "test_a",
                seed=seed,
                device=device,
                threads=threads,
                backend=backend,
                image=image,
                progress=progress,
            )
            trial = prepare(name, settings, public)
            conditions = trial.conditions(profile, tests_sha256)
            measurement = known.find(conditions)
            if measurement is None:
                announce(f"{name}, seed {seed} ...")
                run = run_trial(trial, folder, public, clean, runs)
                record = read_record(run)
                models = [model.to(device) for model in load_models(run)]
                quality = selection_quality(unpack_selections(run), train.targets.numpy(), clean.numpy())
                measurement = Measurement(
                    conditions=conditions,
                    test_a=record.bac_mean or 0.0,
                    test_b=statistics.fmean(evaluate(models, test_b)),
                    seconds=record.seconds,
                    answer_seconds=record.answer_seconds,
                    purity=quality.purity,
                    clean_recall=quality.clean_recall,
                )
                known.add(measurement)
            announce(
                f"{name}, seed {seed}: BAC {measurement.test_a:.4f}, {measurement.seconds:.0f} s "
                f"(reference {number + 1} of {len(names)})"
            )
        yield Result(name, tuple(known.find_all(conditions)), bands.get(name))
