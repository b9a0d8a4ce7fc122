"""The command ``grader init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grader.contest_file.contest import DEFAULT
from grader.contest_file.reading import CONTEST_FILE
from grader.contest_file.writing import contest_text
from grader.options import fail, say


def init_command(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The contest's folder; made where it is not there.")],
) -> None:
    """Begin a contest: write a commented contest.toml and the folders. Nothing that is there is changed."""
    file = folder / CONTEST_FILE
    if file.exists():
        raise typer.BadParameter(f"{file} is there already, and stays as it is")
    try:
        for part in (DEFAULT.submissions, DEFAULT.runs):
            (folder / part).mkdir(parents=True, exist_ok=True)
        with open(file, "x", encoding="utf-8") as stream:
            stream.write(contest_text())
    except FileExistsError as error:
        raise typer.BadParameter(f"{error.filename} is there already, and stays as it is") from None
    except OSError as error:
        raise fail(f"{error.filename} cannot be made: {error.strerror}") from None
    say(
        f"wrote {file}: read it through. Then 'competition build-data --out {folder / DEFAULT.data}' makes the data; "
        f"what is handed in goes into {folder / DEFAULT.submissions}, and 'grader batch' in {folder} grades it"
    )
