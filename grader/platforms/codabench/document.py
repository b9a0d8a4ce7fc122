"""The ``competition.yaml`` of a contest, as a pure function of what the organizer decided."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from grader.contest_file import Contest, Policy
from grader.platforms.codabench.moments import platform_time
from grader.platforms.codabench.scores import COLUMNS
from grader.sandbox import default_limits

DAILY = 5  # Codabench's own default, where the contest says nothing
PER_PERSON = 1000
SPARE_SECONDS = 300  # for the image, the transfers, the start of Python
RULES = {Policy.BEST: "Force_Best", Policy.LAST: "Force_Last"}


class Mode(StrEnum):
    """Who grades: our grader on the worker's host, or Codabench's containers from what the bundle holds."""

    WORKER = "worker"
    BUNDLE = "bundle"


def step_seconds(contest: Contest, mode: Mode) -> int:
    """Return how long one step of a submission may take: a grading, and in worker mode one more that is before it."""
    guard = default_limits("cpu", contest.grading.time_limit, contest.grading.guard).guard
    return int(guard * (2 if mode is Mode.WORKER else 1)) + SPARE_SECONDS


def task_of(mode: Mode) -> dict[str, Any]:
    """Return the one task."""
    task: dict[str, Any] = {
        "index": 0,
        "name": "Select the samples to learn from",
        "scoring_program": "scoring_program",
    }
    if mode is Mode.BUNDLE:
        task |= {
            "description": "Trains against the notebook, then again from what it selected, and scores.",
            "ingestion_program": "ingestion_program",
            "input_data": "input_data",
            "reference_data": "reference_data",
        }
    else:
        task["description"] = "Hands the notebook to the grader on the worker's host."
    return task


def phase_of(contest: Contest, mode: Mode, opening: datetime) -> dict[str, Any]:
    """Return the one phase: the public board. The final is made at home."""
    phase: dict[str, Any] = {
        "index": 0,
        "name": "Public board",
        "description": "Scores on the public test set. The final ranking is made from these submissions afterwards.",
        "start": platform_time(opening),
        "tasks": [0],
        "max_submissions_per_day": contest.rules.daily_limit or DAILY,
        "max_submissions": PER_PERSON,
        "execution_time_limit": step_seconds(contest, mode),
        "hide_output": False,
        "hide_prediction_output": True,
        "hide_score_output": False,
        "public_data": "public_data",
        "starting_kit": "starting_kit",
    }
    if contest.rules.closing is not None:
        phase["end"] = platform_time(contest.rules.closing)
    return phase


def leaderboard_of(contest: Contest, mode: Mode) -> dict[str, Any]:
    """Return the board, whose first column ranks; in bundle mode nobody who may be trusted has timed the notebook."""
    columns = [column for column in COLUMNS if mode is Mode.WORKER or column.key != "seconds"]
    return {
        "title": "Public board",
        "key": "public",
        "submission_rule": RULES[contest.rules.policy],
        "columns": [
            {"title": each.title, "key": each.key, "index": index, "sorting": each.sorting, "precision": each.precision}
            for index, each in enumerate(columns)
        ],
    }


def document_of(
    contest: Contest, mode: Mode, image: str, opening: datetime, pages: Mapping[str, str]
) -> dict[str, Any]:
    """Return the whole document.

    Args:
        contest: the contest.
        mode: who grades.
        image: of the containers, as a registry names it.
        opening: when the phase starts; with a time zone.
        pages: titles by the names of the files below ``pages/``.
    """
    return {
        "version": 2,
        "title": contest.title,
        "description": "Decide from which samples of a wrongly labelled training set two networks learn.",
        "image": "logo.png",
        "terms": "pages/terms.md",
        "docker_image": image,
        "competition_type": "competition",
        "registration_auto_approve": False,
        "enable_detailed_results": True,
        "show_detailed_results_in_submission_panel": True,
        "show_detailed_results_in_leaderboard": False,
        "auto_run_submissions": True,
        "can_participants_make_submissions_public": False,
        "make_programs_available": False,
        "make_input_data_available": False,
        "pages": [{"title": title, "file": f"pages/{name}"} for name, title in pages.items()],
        "tasks": [task_of(mode)],
        "solutions": [{"index": 0, "tasks": [0], "path": "solution_all_samples"}],
        "phases": [phase_of(contest, mode, opening)],
        "leaderboards": [leaderboard_of(contest, mode)],
    }
