"""Makes the pictures of the README and of these pages, from the gradings of a small contest.

    .venv/bin/python docs/pictures.py [--profile standard] [--out docs/pictures]

A dozen made-up participants hand in reference solutions with other constants, two of them with a mistake; some tried
the default first. The references and the oracle are graded too. Everything goes through the commands that an organizer
types, in build/pictures/, where the runs stay: a second call grades what is new and draws again. Chromium (or Chrome)
opens both pages in light and in dark, with two pixels of the picture for each of the page.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, FloatRect, Page, sync_playwright

from competition.notebook import graft, notebook_text
from competition.profiles import PRACTICE_SEED, PROFILES

REPOSITORY = Path(__file__).parents[1]
SOLUTIONS = REPOSITORY / "reference_solutions"
RUN_NAME = re.compile(r"\d{8}-\d{6}-[0-9a-f]{10}-[0-9a-f]{6}")  # the name of a run folder
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
LARGEST = 200 * 1024  # bytes of a picture: they are loaded with the README
ROWS = 12  # of the board
MARGIN = 24  # pixels of paper around what is shown


@dataclass(frozen=True)
class Participant:
    """Somebody made up, and what they handed in.

    Attributes:
        name: first name.
        handed_in: the day of March 2026 and the time of day, in UTC.
        solution: a reference solution's name, or the text of a solution cell.
        old: a line's beginning in that solution; empty where nothing is changed.
        new: what stands there instead.
        first_try: whether they handed in the default selection the day before.
    """

    name: str
    handed_in: str
    solution: str
    old: str = ""
    new: str = ""
    first_try: bool = False

    def cell(self) -> str:
        """Return the solution cell.

        Raises:
            ValueError: the reference has no such line any more.
        """
        if "\n" in self.solution:
            return self.solution
        text = (SOLUTIONS / f"{self.solution}.py").read_text()
        if self.old not in text:
            raise ValueError(f"{self.solution}.py has no {self.old!r} any more: change the row of {self.name}")
        return text.replace(self.old, self.new, 1)


ONE_LIST = """import torch


def your_select_indices(targets, losses):
    return [torch.argsort(losses[0])[:90]]
"""
NO_TENSOR = """import torch


def your_select_indices(targets, losses):
    kept = torch.nonzero(losses < 0.5).flatten()
    return [kept, kept]
"""
PARTICIPANTS = (
    Participant("Amara", "05T19:41", "fixed_ratio", "KEEP_RATE = 0.85", "KEEP_RATE = 0.6", first_try=True),
    Participant("Bence", "06T08:02", "random_drop", "KEEP_RATE = 0.7", "KEEP_RATE = 0.5"),
    Participant("Dinara", "08T21:17", "best", "ANNEALED = 0.3", "ANNEALED = 0.4", first_try=True),
    Participant("Freya", "07T16:30", "co_teaching", "T_K = 10 / 200", "T_K = 60 / 200"),
    Participant("Giulia", "08T11:55", "sag_gate", "KNOWN = 0.95", "KNOWN = 0.9"),
    Participant("Hiroshi", "06T13:08", "fixed_ratio", "KEEP_RATE = 0.85", "KEEP_RATE = 0.4"),
    Participant("Inês", "07T22:49", ONE_LIST),
    Participant("Jakub", "08T18:26", "uncertainty_sampling", "COMPONENTS = 24", "COMPONENTS = 32", first_try=True),
    Participant("Kofi", "05T20:33", NO_TENSOR),
    Participant("Linh", "08T09:14", "jocor", "LAMBDA = 0.9", "LAMBDA = 0.5"),
    Participant("Mateo", "07T10:21", "gmm_split", "P_THRESHOLD = 0.5", "P_THRESHOLD = 0.6"),
    Participant("Zeynep", "06T17:45", "fixed_ratio", "KEEP_RATE = 0.85", "KEEP_RATE = 0.7"),
)
FIRST_TRY = "04T18:00"
OPENING = datetime(2026, 3, 1, tzinfo=UTC)  # when the references were handed in: a file's time is that of a submission
REFERENCES = ("all_samples", "class_balance", "co_teaching")
REPORTED = "Freya"  # whose report is shown


@dataclass(frozen=True)
class Shown:
    """What is drawn of a page.

    Attributes:
        name: of the pictures.
        source: the page.
        last: the selector of the element that is the last to be seen.
        width: of the window, in pixels of the page.
    """

    name: str
    source: Path
    last: str
    width: int


@dataclass(frozen=True)
class Submission:
    """A notebook that somebody handed in.

    Attributes:
        participant: who.
        moment: when, in ISO 8601.
        notebook: its text.
    """

    participant: str
    moment: str
    notebook: str


def submissions() -> list[Submission]:
    """Make everything that is handed in, in the order of the participants."""
    default = (SOLUTIONS / "all_samples.py").read_text()
    made = []
    for one in PARTICIPANTS:
        attempts = [(FIRST_TRY, default)] if one.first_try else []
        for moment, cell in [*attempts, (one.handed_in, one.cell())]:
            made.append(Submission(one.name, f"2026-03-{moment}:00+00:00", notebook_text(graft(cell))))
    return made


def run(folder: Path, *command: str, capture: bool = False) -> str:
    """Run a command of the kit in a folder; return what it printed, where that is captured.

    Raises:
        CalledProcessError: it did not exit with status 0.
    """
    print(" ".join(command), flush=True)
    surroundings = {**os.environ, "COLUMNS": "200"}  # no name of a run folder is broken in two
    stdout = subprocess.PIPE if capture else None
    program = [sys.executable, "-m", *command]
    return subprocess.run(program, cwd=folder, env=surroundings, check=True, stdout=stdout, text=True).stdout or ""


def hold_contest(place: Path, profile: str) -> tuple[Shown, Shown]:
    """Grade everybody, and write the board and one report.

    Args:
        place: gets a folder for each set of submissions, since a contest forgets none that was handed in.
        profile: of the data.
    """
    handed_in = submissions()
    digest = hashlib.sha256("".join(one.notebook for one in handed_in).encode()).hexdigest()
    folder = place / f"{profile}-{digest[:10]}"
    for made in (folder / "inbox", folder / "references"):
        made.mkdir(parents=True, exist_ok=True)
    with open(folder / "submissions.csv", "w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(("participant", "path", "submitted_at"))
        for number, one in enumerate(handed_in, 1):
            (folder / "inbox" / f"{number:02}.ipynb").write_text(one.notebook)
            table.writerow((one.participant, f"inbox/{number:02}.ipynb", one.moment))
    for name in REFERENCES:
        copied = shutil.copy(SOLUTIONS / f"{name}.py", folder / "references")
        os.utime(copied, (OPENING.timestamp(), OPENING.timestamp()))
    if not (folder / "data" / "public" / "manifest.json").is_file():
        run(folder, "competition", "build-data", "--profile", profile, "--seed", str(PRACTICE_SEED))
    run(folder, "grader", "batch", "references", "--reference", "--oracle")
    run(folder, "grader", "batch", "submissions.csv")
    run(folder, "grader", "leaderboard", "--split", "test_a", "--html", "leaderboard.html")
    reported = RUN_NAME.findall(run(folder, "grader", "history", REPORTED, capture=True))[-1]
    run(folder, "grader", "report", f"runs/{reported}", "--out", "report.html")
    return (
        Shown("leaderboard", folder / "leaderboard.html", f".board tbody tr:nth-child({ROWS})", 1100),
        Shown("report", folder / "report.html", ".panels", 900),
    )


def cut_below(selector: str, page: Page) -> float:
    """Take away what stands below an element, and return where it ends, in pixels from the top of the page."""
    cut = """element => {
        for (let kept = element; kept !== document.body; kept = kept.parentElement)
            while (kept.nextElementSibling) kept.nextElementSibling.remove();
        return element.getBoundingClientRect().bottom;
    }"""
    return float(page.locator(selector).first.evaluate(cut))


def draw(browser: Browser, shown: Shown, scheme: Literal["light", "dark"], folder: Path) -> None:
    """Draw the upper part of a page.

    Raises:
        ValueError: the picture is too large to be loaded with a README.
    """
    context = browser.new_context(
        viewport={"width": shown.width, "height": 900}, color_scheme=scheme, device_scale_factor=2
    )
    page = context.new_page()
    page.goto(shown.source.as_uri())
    clip = FloatRect(x=0, y=0, width=shown.width, height=cut_below(shown.last, page) + MARGIN)
    drawn = page.screenshot(clip=clip, full_page=True)
    context.close()
    picture = folder / f"{shown.name}-{scheme}.png"
    # The pages have few colours, so a palette loses nothing that can be seen.
    Image.open(BytesIO(drawn)).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(picture, optimize=True)
    size = picture.stat().st_size
    if size > LARGEST:
        raise ValueError(f"{picture} has {size:,} bytes: more than {LARGEST:,}")
    print(f"wrote {picture}, {size:,} bytes")


def main() -> None:
    """Hold the contest and draw its pages."""
    parser = argparse.ArgumentParser(description="Make the pictures of the README and of the pages in docs/.")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="standard", help="debug is fast, and looks poor")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "pictures", help="where the pictures go")
    arguments = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        parser.exit(3, "error: neither chromium nor google-chrome is installed\n")
    pages = hold_contest(REPOSITORY / "build" / "pictures", arguments.profile)
    arguments.out.mkdir(parents=True, exist_ok=True)
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--disable-gpu", *as_root])
        for shown, scheme in product(pages, SCHEMES):
            draw(browser, shown, scheme, arguments.out)
        browser.close()


if __name__ == "__main__":
    main()
