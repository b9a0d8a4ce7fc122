"""The commands ``grader export codabench`` and ``grader codabench-daemon``."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from grader.contest_file import DEFAULT, ContestOption
from grader.options import DataOption
from grader.platforms.cli import OutOption, export
from grader.platforms.codabench.checklist import NOT_SECRET
from grader.platforms.codabench.document import Mode
from grader.platforms.exporting import Plan

HAND_OVER_IMAGE = "python:3.11-slim"  # what hands a notebook over needs nothing but Python


def export_command(
    out: OutOption,
    contest: ContestOption,
    data: DataOption = DEFAULT.data,
    mode: Annotated[
        Mode, typer.Option(help="Who grades: the grader on the worker's host, or containers from what is uploaded.")
    ] = Mode.WORKER,
    image: Annotated[
        str | None,
        typer.Option(
            metavar="NAME:TAG",
            help="The image of the containers; in bundle mode the one that you push.",
            show_default=f"{HAND_OVER_IMAGE} in worker mode",
        ),
    ] = None,
) -> None:
    """Write a Codabench competition: the bundle, what its workers need, and a checklist."""
    opening = contest.rules.opening
    if opening is None:
        raise typer.BadParameter("Codabench needs to know when it begins: set opening under [rules] in contest.toml")
    if image is None and mode is Mode.BUNDLE:
        raise typer.BadParameter("bundle mode needs --image, the name under which you will push the image")
    chosen = image or HAND_OVER_IMAGE
    plan = Plan(
        platform="codabench",
        mode=mode.value,
        may_hold={"bundle.zip": frozenset({"test_a"})} if mode is Mode.BUNDLE else {},
        left_out={} if mode is Mode.BUNDLE else {"test_a": "the grader on the worker's host has it"},
        not_secret=NOT_SECRET[mode],
    )

    def write(folder: Path) -> None:
        from grader.platforms.codabench.bundle import write_all  # drawing and packing take their time to load

        write_all(folder, contest, data, mode, chosen, opening)

    export(out, plan, contest, data, write)
