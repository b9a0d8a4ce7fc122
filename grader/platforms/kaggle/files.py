"""Kaggle's metadata files and tables as we write them, and the limits that Kaggle sets them. Pure.

Each ``..._problems`` returns a sentence for everything that Kaggle, or its client, would refuse: none for a good file.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from grader.platforms.kaggle.limits import LICENSES, PAGES, PRIVACY, SETTINGS

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
METRIC, STARTER, METRIC_DATA = "metric", "starter", "metric-data"  # what is appended to the competition's slug
LONGEST_DATASET, SHORTEST_DATASET = 50, 6  # characters of a data set's slug, and of its title
LONGEST_SLUG = LONGEST_DATASET - len(METRIC_DATA) - 1
SHORTEST_KERNEL_TITLE = 5
SUBTITLE = range(20, 81)
USAGES = ("Public", "Private")


def name_problem(owner: str, slug: str, title: str) -> str | None:
    """Say why a competition of this owner cannot be called so; None where it can."""
    if not title.isprintable():
        return "the title in the contest file has line breaks or characters without a picture: make it one plain line"
    if not SLUG.fullmatch(owner):
        return "--owner is the name in your Kaggle address, kaggle.com/NAME: small letters, digits and single hyphens"
    if not SLUG.fullmatch(slug) or slug.isdecimal():
        return "--slug takes small letters, digits and single hyphens between them, and not digits alone"
    if len(slug) > LONGEST_SLUG:
        return f"--slug has {len(slug)} characters: at most {LONGEST_SLUG}, as '-{METRIC_DATA}' is put behind it"
    return None


def title_of(slug: str) -> str:
    """Return the title that Kaggle turns into this slug."""
    return slug.replace("-", " ")


def utc(moment: datetime) -> str:
    """Write a moment as Kaggle's client reads it: ISO 8601 in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def competition_metadata(title: str, slug: str) -> dict[str, Any]:
    """Return ``competition-metadata.json``; whoever has the link may enter."""
    return {
        "title": title,
        "slug": slug,
        "briefDescription": "Two networks learn from labels of which many are wrong: choose what they learn from.",
        "privacy": "LIMITED",
    }


def settings(title: str, closing: datetime | None) -> dict[str, Any]:
    """Return ``settings.json``: what the client may set besides."""
    disclaimer = "The final ranking is the organizers' own, made from the notebooks, on images that are not on Kaggle."
    return {
        "title": title,
        "rules_required": True,
        "has_leaderboard": True,
        "public_leaderboard_disclaimer_message": disclaimer,
        "final_leaderboard_disclaimer_message": disclaimer,
        **({} if closing is None else {"deadline": utc(closing)}),
    }


def dataset_metadata(owner: str, slug: str, licence: str) -> dict[str, Any]:
    """Return ``dataset-metadata.json`` of the metric's private data set; `licence` is the licence's whole text."""
    name = f"{slug}-{METRIC_DATA}"
    return {
        "title": title_of(name),
        "id": f"{owner}/{name}",
        "subtitle": "What the metric trains and scores on: keep it private",
        "description": f"For the hosts alone.\n\n{licence}",
        "licenses": [{"name": "other"}],
    }


def kernel_metadata(owner: str, name: str, code_file: str, *, private: bool, **sources: list[str]) -> dict[str, Any]:
    """Return ``kernel-metadata.json`` of a notebook without internet and without a GPU."""
    return {
        "id": f"{owner}/{name}",
        "title": title_of(name),
        "code_file": code_file,
        "language": "python",
        "kernel_type": "notebook",
        "is_private": private,
        "enable_gpu": False,
        "enable_internet": False,  # the client takes true where it is missing
        "dataset_sources": sources.get("datasets", []),
        "competition_sources": sources.get("competitions", []),
        "kernel_sources": [],
        "model_sources": [],
    }


def lacking(file: Mapping[str, Any], keys: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for each key that is missing, or has no text for a value."""
    for key in keys:
        if not isinstance(file.get(key), str) or not file[key].strip():
            yield f"{key} is missing, or no text"


def competition_problems(file: Mapping[str, Any]) -> list[str]:
    """Check ``competition-metadata.json``."""
    problems = list(lacking(file, ("title", "slug", "briefDescription", "privacy")))
    if not problems:
        if not SLUG.fullmatch(file["slug"]) or file["slug"].isdecimal():
            problems.append("slug takes small letters, digits and hyphens, and not digits alone")
        if file["privacy"] not in PRIVACY:
            problems.append(f"privacy is one of {', '.join(PRIVACY)}")
        if not file["title"].isprintable():
            problems.append("title is one line of text")
    return problems


def settings_problems(file: Mapping[str, Any]) -> list[str]:
    """Check ``settings.json``: every field is known and of its type; none is for Kaggle's own staff."""
    problems = [] if file else ["there is nothing to set"]
    for key, value in file.items():
        kind = SETTINGS.get(key)
        if kind is None:
            problems.append(f"{key} is not known, or for Kaggle's own staff")
        elif kind is datetime:
            if not is_moment(value):
                problems.append(f"{key} is a moment, ISO 8601 in UTC")
        elif type(value) is not kind:
            problems.append(f"{key} is of type {kind.__name__}")
    return problems


def is_moment(value: object) -> bool:
    """Say whether a value is a moment with its zone, in ISO 8601."""
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def dataset_problems(file: Mapping[str, Any]) -> list[str]:
    """Check ``dataset-metadata.json``."""
    problems = list(lacking(file, ("title", "id")))
    if problems:
        return problems
    owner, _, slug = file["id"].partition("/")
    for what, text in (("slug", slug), ("title", file["title"])):
        if not SHORTEST_DATASET <= len(text) <= LONGEST_DATASET:
            problems.append(f"the {what} has {SHORTEST_DATASET} to {LONGEST_DATASET} characters")
    if not SLUG.fullmatch(owner) or not SLUG.fullmatch(slug):
        problems.append("id is owner/slug")
    if "subtitle" in file and len(file["subtitle"]) not in SUBTITLE:
        problems.append(f"subtitle has {SUBTITLE[0]} to {SUBTITLE[-1]} characters")
    names = [licence.get("name") for licence in file.get("licenses", [])]
    if len(names) != 1 or names[0] not in LICENSES:
        problems.append("licenses names exactly one that Kaggle knows")
    return problems


def kernel_problems(file: Mapping[str, Any]) -> list[str]:
    """Check ``kernel-metadata.json``."""
    problems = list(lacking(file, ("id", "title", "code_file")))
    if problems:
        return problems
    owner, _, slug = file["id"].partition("/")
    if not SLUG.fullmatch(owner) or not SLUG.fullmatch(slug):
        problems.append("id is owner/slug")
    if len(file["title"]) < SHORTEST_KERNEL_TITLE:
        problems.append(f"title has {SHORTEST_KERNEL_TITLE} characters or more")
    if "-".join(re.findall(r"[a-z0-9]+", file["title"].lower())) != slug:
        problems.append("title does not lead to the slug in id")
    if file.get("language") != "python" or file.get("kernel_type") != "notebook":
        problems.append("it is a notebook in Python")
    for key in ("is_private", "enable_gpu", "enable_internet"):
        if not isinstance(file.get(key), bool):
            problems.append(f"{key} is written out, as the client's own default may be another")
    for source in file.get("dataset_sources", []):
        if not re.fullmatch(rf"{SLUG.pattern}/{SLUG.pattern}", source):
            problems.append("a data set is owner/slug")
    return problems


def table_problems(solution: str, sample: str) -> list[str]:
    """Check the solution and the sample submission together."""
    (columns, *rows), (sample_columns, *sample_rows) = (
        list(csv.reader(io.StringIO(each))) for each in (solution, sample)
    )
    problems = []
    if columns != [*sample_columns, "Usage"]:
        problems.append("the solution has the sample's columns, and Usage behind them")
    elif sorted({row[-1] for row in rows}) != sorted(USAGES):
        problems.append("Usage is Public or Private, and both are there")
    ids = [row[0] for row in rows]
    if len(set(ids)) < len(ids) or sorted(ids) != sorted(row[0] for row in sample_rows):
        problems.append("both have the same ids, each once")
    if any(not cell for row in (*rows, *sample_rows) for cell in row):
        problems.append("no cell is empty")
    return problems


def page_problems(name: str, text: str) -> list[str]:
    """Check a page: it is one of the standard tabs, and not empty."""
    problems = [] if name in PAGES else [f"{name} is none of {', '.join(PAGES)}"]
    return problems if text.strip() else [*problems, f"{name} is empty"]
