"""What MkDocs does besides, for these pages: the command line from the programs themselves, and links out of docs/.

A link out of docs/ is for those who read a page in the repository. The site has no repository beside it: there such a
link is its text alone, and a picture is copied. A figure and its deviation stay on one line.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).parents[1]
COMMANDS_PAGE, COMMANDS_MARK = "commands.md", "<!-- commands -->\n"
PROGRAMS = ("competition", "grader")
DEVIATION = re.compile(r"(?<=\d) ± (?=\d)")
OUTSIDE_PICTURE = re.compile(r"(!\[[^\]]*\])\(\.\./([^)]+)\)")
OUTSIDE_LINK = re.compile(r"\[([^\]]+)\]\(\.\./[^)]+\)")
LIST_OF_COMMANDS = re.compile(r"\*\*Commands\*\*:\n\n(\* .*\n)+\n?")  # they follow, and their texts are cut short here
HELP_OPTION = re.compile(r"(\*\*Options\*\*:\n\n)?\* `--help`: .*\n")


def command_line(program: str) -> str:
    """Return the commands and options of one program as Markdown, as typer describes them.

    Raises:
        CalledProcessError: the program cannot be described.
    """
    command = [sys.executable, "-m", "typer", f"{program}.cli", "utils", "docs", "--name", program]
    told = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True).stdout
    told = HELP_OPTION.sub("", LIST_OF_COMMANDS.sub("", told))
    return re.sub("^#", "##", told, flags=re.MULTILINE)  # the page has a heading of its own


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pictures that the benchmarks drew."""
    for path in sorted(REPOSITORY.glob("benchmarks/results/*.png")):
        name = path.relative_to(REPOSITORY).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(path)))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Write the command line into its page; mend links out of docs/ and line breaks in figures."""
    if page.file.src_uri == COMMANDS_PAGE:
        before, mark, after = markdown.partition(COMMANDS_MARK)
        assert mark, f"{COMMANDS_PAGE} has lost its mark"
        return before + "\n".join(map(command_line, PROGRAMS)) + after
    markdown = OUTSIDE_LINK.sub(r"\1", OUTSIDE_PICTURE.sub(r"\1(\2)", markdown))
    return DEVIATION.sub("\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}", markdown)
