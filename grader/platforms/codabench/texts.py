"""The competition's pages as Markdown, from the notebook's story and the contest: what participants read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import takewhile
from typing import Any

from competition.story import SCORED, told_story
from competition.task.constants import NUM_EPOCHS
from grader.contest_file import Contest
from grader.pages import ADVICE
from grader.platforms.codabench.scores import CODES
from grader.sandbox import Limits, default_limits

FORMULA = "points = 100 x (mean BAC of both models - 0.5) / 0.3, rounded, at least 0 and at most 100"
WHAT_HAPPENED = {
    "OK": "every batch was answered",
    "PresentationError": "no notebook, not one solution cell, or something else than two index lists returned",
    "RuntimeError": "your code raised an error, or ended the notebook early",
    "TimeLimitExceeded": "your notebook took longer than it may: its solution cell and all calls together",
    "MemoryLimitExceeded": "it used more memory than it may",
    "OutputLimitExceeded": "it wrote more than it may",
}


def story_sections(own: str | None) -> dict[str, str]:
    """Return the texts of the story's sections, above its first code, by their headings; the first under "".

    Args:
        own: the organizer's opening; see `competition.story`.
    """
    opening, *rest = re.split(r"^## ", told_story(own), flags=re.MULTILINE)
    sections = {"": opening.strip()}
    for section in rest:
        heading, _, text = section.partition("\n")
        sections[heading] = re.sub(r"\$\$.*?\$\$", lambda _: f"> {FORMULA}", text, flags=re.DOTALL).strip()
    return sections


def overview(sections: Mapping[str, str]) -> str:
    """Return what the task is."""
    opening = sections[""].split("**In short:**")[0].strip()
    return "\n\n".join(
        (
            "# The task",
            opening,
            "Get the starting kit and the public data under *Files*, open `starter_notebook.ipynb` beside `train/` "
            "and `val/`, choose *Run All*, then edit the one cell under *Your solution*.",
            "## Why there are two models",
            sections["Why there are two models"],
            "## What to try first",
            sections["What to try first"],
        )
    )


def data_page(sections: Mapping[str, str], splits: Mapping[str, Any]) -> str:
    """Return what the data is; `splits` are those of the public manifest."""
    rows = "\n".join(
        f"| `{name}.zip` | {split['images']:,} | {split['labels']['0']:,} | {split['labels']['1']:,} | {right} |"
        for name, split, right in (
            ("train", splits["train"], "many are wrong"),
            ("val", splits["val"], "all are right"),
        )
    )
    opening = takewhile(lambda heading: f"## {heading}" != SCORED, sections)
    about = [sections[heading] for heading in opening if heading]
    return "\n\n".join(
        (
            "# The data",
            "\n\n".join(about),
            "| file | images | labelled 0 | labelled 1 | labels |\n|---|---|---|---|---|\n" + rows,
            "Each zip holds `dataset_labels.csv`, with the columns `file` and `label`, and `data/` with the images. "
            "The test sets are not handed out: one makes this board, another the final ranking.",
        )
    )


def evaluation(sections: Mapping[str, str], contest: Contest) -> str:
    """Return how a submission is scored, and what the columns of the board mean."""
    counts = "best" if contest.rules.policy.value == "best" else "last"
    rows = "\n".join(
        f"| {code} | `{verdict.value}` | {WHAT_HAPPENED[verdict.value]} | {ADVICE[verdict]} |"
        for verdict, code in CODES.items()
    )
    return "\n\n".join(
        (
            "# How you are scored",
            sections["How you are scored"],
            f"Your notebook is run once: both models are trained for {NUM_EPOCHS} epochs on what your function "
            f"selects. Your {counts} submission counts on the board.",
            "The board has numbers alone: the balanced accuracy, the points, a code for the verdict, and the seconds "
            "that your notebook took. The detailed results of a submission say it in words, with how both models "
            "learned and what was selected.",
            "| code | verdict | what happened | what to do |\n|---|---|---|---|\n" + rows,
            "A submission that this site shows as *Failed* met with a problem of ours. It does not count, also not "
            "towards your daily number: submit it again.",
            "The final ranking is made by the organizers on a second test set, from the notebooks that were "
            "submitted here.",
        )
    )


def rules(sections: Mapping[str, str], contest: Contest) -> str:
    """Return the rules."""
    limits = default_limits("cpu", contest.grading.time_limit, contest.grading.guard)
    text = sections["The rules"]
    if limits.seconds != Limits().seconds:
        text = text.replace(f"{Limits().seconds:g} seconds", f"{limits.seconds:g} seconds")
    return "\n\n".join(
        (
            "# Rules",
            text,
            f"- Of each participant {contest.final.choices} "
            f"{'submission' if contest.final.choices == 1 else 'submissions'} may enter the final ranking.\n"
            "- A submission holds one notebook. A zip with a program of its own (`metadata.yaml`) gains nothing: only "
            "the solution cell is graded.",
        )
    )


def submitting(sections: Mapping[str, str]) -> str:
    """Return how to submit."""
    check = sections["How to submit"].split("Before that, ", 1)[1]
    check = check.replace("on the validation set below", "that the notebook prints for the validation set")
    return "\n\n".join(
        (
            "# How to submit",
            "1. Save your notebook; in Colab and on Kaggle, download it first.\n"
            "2. Zip it. The starting kit has a program that does so and needs nothing but Python:\n"
            "   `python make_submission.py my_notebook.ipynb`\n"
            "3. Upload `submission.zip` under *My Submissions*.",
            "Any zip will do that holds exactly one `.ipynb` file, under whatever name.",
            f"Before you submit, {check}",
        )
    )


TERMS = """# Terms

By taking part you agree that the organizers run the code that you submit, keep it, compare it with other submissions,
and publish your name on this site with your scores.

Submit code that you wrote yourself, or may use, and say where you have it from if you are asked. Do not try to reach
data that was not handed out, to disturb the grading, or to submit under several names. Who does is taken off the board.
"""


def all_pages(contest: Contest, splits: Mapping[str, Any], own: str | None) -> dict[str, tuple[str, str]]:
    """Return title and text of each page by its file's name, in their order on the site.

    Args:
        contest: the contest.
        splits: of the public manifest.
        own: the organizer's opening of the story; None for the kit's.
    """
    sections = story_sections(own)
    return {
        "overview.md": ("Overview", overview(sections) + "\n"),
        "data.md": ("Data", data_page(sections, splits) + "\n"),
        "evaluation.md": ("Evaluation", evaluation(sections, contest) + "\n"),
        "rules.md": ("Rules", rules(sections, contest) + "\n"),
        "submitting.md": ("Submitting", submitting(sections) + "\n"),
    }
