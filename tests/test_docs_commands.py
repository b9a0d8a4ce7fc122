"""Every command that the README and the pages in docs/ show is run, as a reader would type it.

A block fenced as ``console`` holds lines ``$ command``, and maybe what they print. The blocks of one page are run in
order, in one copy of the clone, and share what they made. A block that cannot be run here stands below the line
``<!-- not run: reason -->``. A command must exit with status 0, or with that of its comment (``# exit status 1``).

A reader has hours, submissions and images of their own; here the debug profile has to do, and what a page supposes is
made beforehand. All of that stands in `FITTED` and `Reader`, and nowhere else.
"""

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from PIL import Image

from competition.notebook import graft, notebook_text
from competition.pool import fashion_pool
from tests.conftest import REPOSITORY

PAGES = sorted(
    str(path.relative_to(REPOSITORY)) for pattern in ("*.md", "docs/*.md") for path in REPOSITORY.glob(pattern)
)
RUNNABLE = ("competition", "grader", "make", "python", "pytest", ".ci/run")
COMMAND_SECONDS, PAGE_SECONDS = 600, 2400
PHOTOS = {0: 200, 1: 560}  # images of each class: enough for the debug profile and a redraw
FEW_REFERENCES = ("all_samples", "class_balance")


class PageError(ValueError):
    """A block of a page is written in a way that no test can run; the message says where."""


@dataclass(frozen=True)
class Command:
    """One command of a page.

    Attributes:
        line: where it stands.
        text: what is typed, its comment apart.
        status: the exit status that the page claims.
    """

    line: int
    text: str
    status: int


@dataclass(frozen=True)
class Block:
    """One fenced block of commands.

    Attributes:
        line: where its first line stands.
        commands: in order.
        reason: why it is not run; None where it is.
    """

    line: int
    commands: tuple[Command, ...]
    reason: str | None


def read_page(text: str) -> list[Block]:
    """Read the command blocks of a Markdown page.

    Raises:
        PageError: see `read_commands`; or a comment gives no reason, or stands above no block, or a block of commands
            is fenced as something else.
    """
    blocks = []
    reason: str | None = None
    for token in MarkdownIt().parse(text):
        if token.map is None:
            continue
        line = token.map[0] + 1
        is_block = token.type in ("fence", "code_block")
        if reason is not None and not (is_block and token.info == "console"):
            raise PageError(f"line {line}: 'not run' stands above no console block")
        if is_block and token.info == "console":
            blocks.append(Block(line + 1, tuple(read_commands(token.content, line + 1, reason is None)), reason))
            reason = None
        elif is_block and re.search(r"^\$ ", token.content, re.MULTILINE):
            raise PageError(f"line {line}: commands are fenced as 'console', not as {token.info!r}")
        elif token.type == "html_block":
            reason = read_reason(token.content, line)
    if reason is not None:
        raise PageError("the last 'not run' stands above no console block")
    return blocks


def read_reason(comment: str, line: int) -> str | None:
    """Return why the next block is not run, or None where this comment is about something else.

    Raises:
        PageError: it gives no reason.
    """
    found = re.fullmatch(r"<!--\s*not run\b\s*:?\s*(.*?)\s*-->\s*", comment, re.DOTALL | re.IGNORECASE)
    if found is None:
        return None
    if not found[1]:
        raise PageError(f"line {line}: a block is not run, and no reason is given")
    return found[1]


def read_commands(content: str, first_line: int, run: bool) -> Iterator[Command]:
    """Read the commands of a block; a backslash at its end joins a line to the next, an indented comment belongs to it.

    Raises:
        PageError: there is no command, or one that is run is not of this kit, or what it prints stands above it.
    """
    lines = content.splitlines()
    starts = [number for number, line in enumerate(lines) if re.match(r"\$(\s|$)", line)]
    if not starts or starts[0] != 0:
        raise PageError(f"line {first_line}: a console block begins with '$ ' and a command")
    for start in starts:
        end = start
        while lines[end].endswith("\\") and end + 1 < len(lines):
            end += 1
        typed = " ".join(line.rstrip("\\").strip() for line in lines[start : end + 1]).removeprefix("$").strip()
        command, *comments = re.split(r"(?:^|\s)#(?=\s)", typed, maxsplit=1)
        for line in lines[end + 1 :]:
            if not re.match(r"\s+#\s", line):
                break
            comments.append(line.strip(" #"))
        where = first_line + start
        if run:
            require_runnable(command, where)
        claimed = re.search(r"exit status (\d+)", " ".join(comments))
        yield Command(where, command.strip(), int(claimed[1]) if claimed else 0)


def require_runnable(command: str, line: int) -> None:
    """Refuse what is not a command of this kit: nobody would notice when it stops working.

    Raises:
        PageError: it is none.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise PageError(f"line {line}: {command!r} is no command of a shell: {error}") from None
    if not words or words[0].removeprefix(".venv/bin/") not in RUNNABLE:
        raise PageError(
            f"line {line}: {command!r} is none of {', '.join(RUNNABLE)}: say above the block why it is not run"
        )


class Reader:
    """Somebody with a clone, who has what a page supposes: an environment, data, submissions, photos.

    Args:
        folder: the copy of the clone; see `clone`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        bin_folders = f"{folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
        self._surroundings = {**os.environ, "PATH": bin_folders, "COLUMNS": "160"}

    def type(self, command: str) -> tuple[int, str]:
        """Run a command in a shell; return its exit status and what it printed."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self._surroundings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_SECONDS,
            encoding="utf-8",
            errors="replace",
        )
        return done.returncode, done.stdout

    def require(self, command: str) -> None:
        """Run a command that prepares something."""
        status, printed = self.type(command)
        assert status == 0, printed

    def clone(self) -> None:
        """Copy what git tracks, or would."""
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for name in listed.split("\0"):
            if name and (REPOSITORY / name).is_file():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / name, self.folder / name)
        (self.folder / ".venv").symlink_to(sys.prefix)

    def supply(self) -> None:
        """Make what the pages suppose: data, notebooks, submissions, photos, and few references instead of all."""
        self.require("competition build-data --profile debug --seed 7 --redraw 1")
        references = self.folder / "few_references"
        references.mkdir()
        for name in FEW_REFERENCES:
            shutil.copy(REPOSITORY / "reference_solutions" / f"{name}.py", references)
        shutil.copy(references / "class_balance.py", self.folder / "reference_solutions" / "NEW.py")
        # The same solutions again: what a batch has trained once, it does not train twice.
        default, balanced = (notebook_text(graft((references / f"{name}.py").read_text())) for name in FEW_REFERENCES)
        for name in ("my_notebook", "submission", "submissions/anna", "submissions/ben/first", "inbox/17"):
            path = self.folder / f"{name}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(default if "ben" in name else balanced)
        (self.folder / "submissions.csv").write_text(
            "participant,path,submitted_at,final\nanna,inbox/17.ipynb,2026-03-01T18:30:00+01:00,1\n"
        )
        (self.folder / "downloads").mkdir()
        with zipfile.ZipFile(self.folder / "downloads" / "moodle.zip", "w") as archive:
            archive.writestr("Anna Roe_1234567_assignsubmission_file_/nb.ipynb", balanced)
        self.take_photos()

    def take_photos(self) -> None:
        """Write a folder of images, and the table of their labels."""
        pool = fashion_pool()
        (self.folder / "photos").mkdir()
        with open(self.folder / "labels.csv", "w", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(("file", "label"))
            for label, count in PHOTOS.items():
                for row in (pool.labels == label).nonzero()[0][:count].tolist():
                    Image.fromarray(pool.images[row]).save(self.folder / "photos" / f"{row}.png")
                    table.writerow((f"{row}.png", label))

    def newest_run(self) -> str:
        """Return a run folder; where there is none, a submission is graded first."""
        if not list(self.folder.glob("runs/*/record.json")):
            self.require("grader grade submission.ipynb")
        record = max(self.folder.glob("runs/*/record.json"), key=lambda path: path.stat().st_mtime)
        return str(record.parent.relative_to(self.folder))

    def make_room(self) -> str:
        """Remove the data, which a build does not overwrite: pages show several builds, a reader chooses one."""
        shutil.rmtree(self.folder / "data")
        return "competition build-data"


# What is changed in a command, in this order: a pattern, what stands there instead, and why.
Instead = str | Callable[[Reader], str]
FITTED: tuple[tuple[str, Instead, str], ...] = (
    (r"^make (?!-n)", "make -n ", "targets build environments, train for hours or call this test: they must exist"),
    (r"^\.ci/run", "test -x .ci/run", "it calls this test"),
    (r"competition build-data(?!.*--out)", Reader.make_room, "data/ is there already"),
    (r"(competition build-data)(?!.*--profile)", r"\1 --profile debug", "a grading then takes seconds"),
    (r"--profile (?:full|standard)", "--profile debug", "likewise"),
    (r"grader batch reference_solutions/", "grader batch few_references/", "two of them instead of all"),
    (r"all_samples class_balance co_teaching best oracle", "class_balance oracle", "likewise"),
    (r"(grader (?:batch|grade))\b", r"\1 --threads 1", "other pages are tested at the same time, on the same cores"),
    (r"--seeds \d+", "--seeds 2", "two trainings instead of three and more"),
    (r"runs/RUN\b", Reader.newest_run, "a reader puts the name of a run here"),
    (r"\b(?:PARTICIPANT|NAME)\b", "anna", "a reader puts the name of a participant here"),
    (r"\bNUMBER\b", "1", "a reader puts the number of a submission here"),
    (r"\bID\b", "1aBcD", "a reader puts the id of a file here"),
    (r"\bGROUP_NAME\b", "notebook_old_format", "a reader puts the name of an attack here"),
    (r"path/to/the/folder", "data/public", "a reader puts the folder here that the organizer handed out"),
)


def fitted(command: str, reader: Reader) -> str:
    """Return a page's command as it is run here."""
    for pattern, instead, _ in FITTED:
        if re.search(pattern, command):
            command = re.sub(pattern, instead if isinstance(instead, str) else instead(reader), command)
    return command


def blocks_of(page: str) -> list[Block]:
    """Read the blocks of a page of the repository; an error names the page."""
    try:
        return read_page((REPOSITORY / page).read_text(encoding="utf-8"))
    except PageError as error:
        raise PageError(f"{page}, {error}") from None


@pytest.fixture(scope="module")
def supplied(tmp_path_factory):
    """Make a clone with everything that a page may suppose, once; each page gets a copy."""
    reader = Reader(tmp_path_factory.mktemp("clone") / "kit")
    reader.clone()
    reader.supply()
    return reader.folder


@pytest.mark.slow
@pytest.mark.timeout(PAGE_SECONDS)
@pytest.mark.parametrize("page", [page for page in PAGES if "```console" in (REPOSITORY / page).read_text("utf-8")])
def test_the_commands_of_a_page_work(page, supplied, tmp_path):
    """Typed in order, each command of the page exits as the page says."""
    reader = Reader(tmp_path / "kit")
    shutil.copytree(supplied, reader.folder, symlinks=True)
    failures = []
    for block in blocks_of(page):
        if block.reason is not None:
            print(f"{page}, line {block.line}: not run: {block.reason}")
            continue
        for command in block.commands:
            typed = fitted(command.text, reader)
            begun = time.monotonic()
            status, printed = reader.type(typed)
            print(f"{page}, line {command.line}: {time.monotonic() - begun:.1f} s: {typed}")
            if status != command.status:
                failures.append(
                    f"{page}, line {command.line}: {command.text}\n"
                    f"run as: {typed}\nexit status {status}, not {command.status}\n{printed[-3000:]}"
                )
    assert not failures, "\n\n".join(failures)


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_can_be_read(page):
    """Each block of each page is one that can be run, or says why it is not run; an unreadable one is an error."""
    blocks_of(page)


PAGE = """Some text.

<!-- not run: it takes
an hour -->
```console
$ sudo apt-get install bubblewrap
```

1. In a list, below a comment about something else:

   <!-- a picture comes here -->
   ```console
   $ make test   # all of it
   $ grader batch submissions/ \\
         --data '#data'    # exit status 3 where a grading
                           # failed by our fault
   3 graded now
   $ .venv/bin/grader history anna
   ```
"""


def test_a_page_is_read_as_a_reader_reads_it():
    """Blocks in lists count, lines are joined, comments and output are no commands; a reason is for one block."""
    assert read_page(PAGE) == [
        Block(6, (Command(6, "sudo apt-get install bubblewrap", 0),), "it takes\nan hour"),
        Block(
            13,
            (
                Command(13, "make test", 0),
                Command(14, "grader batch submissions/ --data '#data'", 3),
                Command(18, ".venv/bin/grader history anna", 0),
            ),
            None,
        ),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("```console\n$\n```", "none of"),
        ("```console\n$ # only a comment\n```", "none of"),
        ("```console\n$ frobnicate --all\n```", "say above the block why it is not run"),
        ("```console\n$ sudo make test\n```", "say above the block why it is not run"),
        ("```console\n$ grader history 'anna\n```", "no command of a shell"),
        ("```console\ngrader history anna\n```", "begins with"),
        ("```console\n```", "begins with"),
        ("```bash\n$ make test\n```", "not as 'bash'"),
        ("```\n$ make test\n```", "not as ''"),
        ("    $ make test\n", "not as ''"),
        ("<!-- not run: -->\n```console\n$ make test\n```", "no reason"),
        ("<!-- not run -->\n```console\n$ make test\n```", "no reason"),
        ("<!-- not run: an hour -->\n\nSo it is.\n\n```console\n$ make test\n```", "above no console block"),
        ("<!-- not run: an hour -->\n", "above no console block"),
    ],
)
def test_a_block_that_no_test_could_run_is_refused(text, said):
    """What would silently not be run, or skipped without a reason, is an error that names its line."""
    with pytest.raises(PageError, match=said):
        read_page(text)
