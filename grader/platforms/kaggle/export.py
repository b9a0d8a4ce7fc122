"""All files of an export to Kaggle, from the data folder and the contest."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import torch

from competition.manifest import public_sha256, read_manifest
from competition.notebook import NOTEBOOK_FILE, origin_of
from competition.pool import LICENSE_FILE
from competition.splits import Split, open_split
from competition.task.constants import BATCH_SIZE, NUM_EPOCHS
from grader.contest_file import Contest
from grader.platforms.exporting import Plan
from grader.platforms.kaggle import files
from grader.platforms.kaggle.metric import METRIC_DATA
from grader.platforms.kaggle.metric_data import arrays_of, solution_text
from grader.platforms.kaggle.notebooks import metric_notebook, starter_for_kaggle
from grader.platforms.kaggle.packed import ROWS, SUBMISSION_COLUMNS, pack_lists
from grader.verdicts import InfrastructureError

TEMPLATES = Path(__file__).with_name("templates")
PAGES = ("description", "rules", "evaluation", "data-description")
METRIC_FILE = "metric.ipynb"
HOSTS_ALONE = frozenset({"test_a"})
PLAN = Plan(
    "kaggle",
    "K1",
    may_hold={"metric-data": HOSTS_ALONE, "private": HOSTS_ALONE},
    left_out={
        "test_a, in what participants see": "it is the public test set: in metric-data/ alone, which the metric reads",
        "reference solutions": "a kernel that is shared by mistake would be somebody's submission",
    },
    not_secret=(
        "The pictures and labels of test_a lie in a private data set at Kaggle: whoever is a host, or works there, can "
        "read them.",
        "The board of Kaggle, its private half too, takes lists from anywhere: a table of good indices scores without "
        "any function, and no time limit holds. Only the final at home, on the notebooks, ranks.",
        "Each score tells a little about the labels of the public half: set a daily limit.",
    ),
)
OWN_IMAGES = (
    "The organizers of this competition hold the rights to these pictures, or have them from who does. They are for "
    "this competition only."
)


@dataclass(frozen=True)
class Target:
    """Where the competition is to live: `kaggle.com/competitions/SLUG`, of this owner."""

    owner: str
    slug: str


def licence_text(source: str) -> str:
    """Return the licence of a pool's images, for a platform that knows no MIT licence."""
    if source != "fashion":
        return OWN_IMAGES
    return f"The pictures are a part of Fashion-MNIST:\n\n{LICENSE_FILE.read_text(encoding='utf-8').strip()}"


def sample_text(samples: int) -> str:
    """Write the sample submission, which learns from every one of so many samples."""
    sizes = [min(BATCH_SIZE, samples - start) for start in range(0, samples, BATCH_SIZE)] * NUM_EPOCHS
    packed = pack_lists([[torch.arange(size)] * 2 for size in sizes])
    return "".join(f"{','.join(row)}\n" for row in (SUBMISSION_COLUMNS, *((row, packed) for row in ROWS)))


def texts(target: Target, contest: Contest, data: Path, splits: dict[str, Split]) -> dict[str, str]:
    """Return the text of every text file of the export, by its path.

    Raises:
        DataError: a manifest is missing.
        SourceError: the story of the data is none.
    """
    manifest, public = read_manifest(data / "private"), read_manifest(data / "public")
    licence, checksums = licence_text(manifest["source"]), public_sha256(public)
    closing = contest.rules.closing
    values = {
        "title": contest.title,
        "owner": target.owner,
        "slug": target.slug,
        "licence": licence,
        "limit": str(contest.rules.daily_limit or 5),
        "deadline": "as you announced it" if closing is None else f"{files.utc(closing)}, which is UTC",
        **{name: f"{len(splits[name].dataset):,}" for name in checksums},
        **{f"{name}_sha256": checksum for name, checksum in checksums.items()},
    }

    def filled(name: str) -> str:
        return Template((TEMPLATES / name).read_text(encoding="utf-8")).safe_substitute(values)

    metric, starter = (f"{target.slug}-{name}" for name in (files.METRIC, files.STARTER))
    dataset = files.dataset_metadata(target.owner, target.slug, licence)
    return {
        "competition/competition-metadata.json": as_json(files.competition_metadata(contest.title, target.slug)),
        "competition/settings.json": as_json(files.settings(contest.title, closing)),
        **{f"competition/pages/{page}.md": filled(f"{page}.md") for page in PAGES},
        "data/sample_submission.csv": sample_text(len(splits["train"].dataset)),
        "private/solution.csv": solution_text(arrays_of(splits)),
        f"metric/{METRIC_FILE}": metric_notebook(contest.grading.threads),
        "metric/kernel-metadata.json": as_json(
            files.kernel_metadata(target.owner, metric, METRIC_FILE, private=True, datasets=[dataset["id"]])
        ),
        "metric-data/dataset-metadata.json": as_json(dataset),
        f"starter/{NOTEBOOK_FILE}": starter_for_kaggle(origin_of(data / "public")),
        "starter/kernel-metadata.json": as_json(
            files.kernel_metadata(target.owner, starter, NOTEBOOK_FILE, private=True, competitions=[target.slug])
        ),
        "upload.sh": filled("upload.sh"),
        "upload_pages.py": filled("upload_pages.txt"),
        "CHECKLIST.md": filled("CHECKLIST.md"),
    }


def problems_of(written: dict[str, str]) -> list[str]:
    """Return what Kaggle, or its client, would refuse of the text files of an export: a sentence for each."""
    checks = {
        "competition/competition-metadata.json": files.competition_problems,
        "competition/settings.json": files.settings_problems,
        "metric-data/dataset-metadata.json": files.dataset_problems,
        "metric/kernel-metadata.json": files.kernel_problems,
        "starter/kernel-metadata.json": files.kernel_problems,
    }
    found = {name: check(json.loads(written[name])) for name, check in checks.items()}
    found["private/solution.csv"] = files.table_problems(
        written["private/solution.csv"], written["data/sample_submission.csv"]
    )
    found |= {
        f"competition/pages/{name}.md": files.page_problems(name, written[f"competition/pages/{name}.md"])
        for name in PAGES
    }
    return [f"{name}: {problem}" for name, problems in found.items() for problem in problems]


def as_json(value: dict[str, Any]) -> str:
    """Write a metadata file."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write_kaggle(folder: Path, target: Target, contest: Contest, data: Path) -> None:
    """Write all files of the export into a folder.

    Raises:
        DataError: a split is missing or changed.
        InfrastructureError: Kaggle would refuse the export.
        OSError: something cannot be written.
    """
    public, private = data / "public", data / "private"
    splits = {name: open_split(public, name) for name in ("train", "val")} | {"test_a": open_split(private, "test_a")}
    written = texts(target, contest, data, splits)
    if problems := problems_of(written):
        raise InfrastructureError(f"Kaggle would refuse this contest: {'; '.join(problems)}")
    for name, text in written.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "upload.sh").chmod(0o755)
    for name in ("train", "val"):
        shutil.copyfile(public / f"{name}.zip", folder / "data" / f"{name}.zip")
    np.savez_compressed(folder / "metric-data" / METRIC_DATA, allow_pickle=False, **arrays_of(splits))
