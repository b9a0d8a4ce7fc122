"""Everything that the organizer uploads or installs: the bundle of a mode, and what lies beside it."""

from __future__ import annotations

import json
import platform
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from competition.handout import REQUIREMENTS
from competition.manifest import MANIFEST_FILE, read_manifest
from competition.notebook import graft, notebook_text, starter_solution
from competition.story import opening_of
from grader.contest_file import Contest
from grader.platforms.codabench.checklist import checklist
from grader.platforms.codabench.document import SPARE_SECONDS, Mode, document_of, step_seconds
from grader.platforms.codabench.logo import draw_logo
from grader.platforms.codabench.packing import Files, files_below, kit_files, pinned_requirements, write_zip
from grader.platforms.codabench.schema import faults
from grader.platforms.codabench.texts import TERMS, all_pages
from grader.verdicts import InfrastructureError

HERE = Path(__file__).parent
RUN = """# Starts the part of the kit that lies beside it.
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, "kit")

from grader.platforms.codabench.{part} import main

sys.exit(main())
"""
WORKER_FILES = {
    "docker-compose.yml": "docker-compose.yml",
    ".env": "worker.env",
    "grader-daemon.service": "grader-daemon.service",
    "README.md": "worker.md",
}


def template(name: str) -> str:
    """Return the text of a file in ``templates/``."""
    return (HERE / "templates" / name).read_text(encoding="utf-8")


def command(line: str) -> bytes:
    """Return the ``metadata.yaml`` of a program."""
    return f"command: {line}\n".encode()


def one_split_manifest(private: Path, split: str) -> bytes:
    """Return a private manifest that knows of one split alone, and of it what the scoring compares."""
    manifest = read_manifest(private)
    kept = {key: manifest[key] for key in ("profile", "image_size") if key in manifest}
    return json.dumps(kept | {"splits": {split: manifest["splits"][split]}}, indent=2).encode()


def public_files(public: Path, prefix: str) -> Files:
    """Return what a training reads of the public data, as a data folder has it."""
    files = {f"{prefix}/{MANIFEST_FILE}": (public / MANIFEST_FILE).read_bytes()}
    return files | files_below(public / "train", f"{prefix}/train") | files_below(public / "val", f"{prefix}/val")


def program_files(name: str, part: str) -> Files:
    """Return a program that starts a part of the kit, with the kit beside it."""
    return {
        f"{name}/metadata.yaml": command("python3 run.py"),
        f"{name}/run.py": RUN.format(part=part).encode(),
        **kit_files(f"{name}/kit"),
    }


def mode_files(contest: Contest, data: Path, mode: Mode) -> Files:
    """Return what grades: of worker mode a program that hands the notebook over, of bundle mode all that trains."""
    if mode is Mode.WORKER:
        seconds = step_seconds(contest, mode) - SPARE_SECONDS // 2
        return {
            "scoring_program/metadata.yaml": command(f"python3 hand_over.py {seconds}"),
            "scoring_program/hand_over.py": (HERE / "hand_over.py").read_bytes(),
        }
    settings = json.dumps(how_to_grade(contest)).encode()
    return {
        **program_files("ingestion_program", "ingestion"),
        **program_files("scoring_program", "scoring"),
        "ingestion_program/grading.json": settings,
        "scoring_program/grading.json": settings,
        **public_files(data / "public", "input_data"),
        **public_files(data / "public", "reference_data/public"),
        "reference_data/private/manifest.json": one_split_manifest(data / "private", "test_a"),
        **files_below(data / "private" / "test_a", "reference_data/private/test_a"),
    }


def how_to_grade(contest: Contest) -> dict[str, Any]:
    """Return what both programs of bundle mode need to know of the contest."""
    grading = contest.grading
    return {
        "seed": grading.seed,
        "threads": grading.threads,
        "seconds": grading.time_limit,
        "guard": grading.guard,
    }


def starting_kit(public: Path) -> Files:
    """Return what participants start from."""
    return {
        "starting_kit/starter_notebook.ipynb": (public / "starter_notebook.ipynb").read_bytes(),
        "starting_kit/make_submission.py": (HERE / "make_submission.py").read_bytes(),
        "starting_kit/requirements.txt": ("\n".join(REQUIREMENTS) + "\n").encode(),
    }


def bundle_files(contest: Contest, data: Path, mode: Mode, image: str, opening: datetime) -> Files:
    """Return the files of the bundle by their paths in it.

    Raises:
        InfrastructureError: the data folder lacks something, or Codabench would refuse the bundle.
    """
    public = data / "public"
    try:
        pages = all_pages(contest, read_manifest(public)["splits"], opening_of(public))
        files = {
            "logo.png": draw_logo(),
            "pages/terms.md": TERMS.encode(),
            **{f"pages/{name}": text.encode() for name, (_, text) in pages.items()},
            **starting_kit(public),
            "public_data/train.zip": (public / "train.zip").read_bytes(),
            "public_data/val.zip": (public / "val.zip").read_bytes(),
            "solution_all_samples/notebook.ipynb": notebook_text(graft(starter_solution())).encode(),
            **mode_files(contest, data, mode),
        }
    except FileNotFoundError as error:
        if not Path(error.filename).is_relative_to(data):
            raise
        raise InfrastructureError(f"{error.filename} is missing: build the data again") from None
    titles = {name: title for name, (title, _) in pages.items()}
    document = document_of(contest, mode, image, opening, titles)
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    if found := faults(yaml.safe_load(text), set(files)):
        raise InfrastructureError(f"Codabench would refuse this contest: {'; '.join(found)}")
    return {"competition.yaml": text.encode(), **files}


def write_all(folder: Path, contest: Contest, data: Path, mode: Mode, image: str, opening: datetime) -> None:
    """Write the bundle and what lies beside it into an empty folder.

    Raises:
        InfrastructureError: see `bundle_files`.
    """
    write_zip(folder / "bundle.zip", bundle_files(contest, data, mode, image, opening))
    (folder / "CHECKLIST.md").write_text(checklist(contest, mode, image), encoding="utf-8")
    if mode is Mode.WORKER:
        (folder / "worker").mkdir()
        for name, source in WORKER_FILES.items():
            (folder / "worker" / name).write_text(template(source), encoding="utf-8")
    else:
        (folder / "image").mkdir()
        python = ".".join(platform.python_version_tuple()[:2])
        (folder / "image" / "Dockerfile").write_text(template("Dockerfile").replace("PYTHON", python), encoding="utf-8")
        (folder / "image" / "requirements.txt").write_text(pinned_requirements(), encoding="utf-8")
