"""What several commands of ``grader`` share: options, exit statuses, the choice of a device, wide tables.

Where the help of an option says contest.toml, `grader.contest_file` fills it from there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from competition.task.constants import NUM_THREADS, SEED
from grader.safe_io import file_problem, folder_problem, plain_line, plain_name, plain_text
from grader.sandbox import DEFAULT_IMAGE, Backend, cuda_is_available

PARTICIPANT, USAGE, OURS, INTERRUPTED = 1, 2, 3, 130
LARGEST_SEED = 2**32 - 1
NAMED_AT_MOST = 5
TABLE_WIDTH = 160  # characters; a narrower terminal wraps lines, which reads better than cells of three letters


class Split(StrEnum):
    """What a submission is scored on."""

    TEST_A = "test_a"
    TEST_B = "test_b"
    VAL = "val"


class Device(StrEnum):
    """Where the models are trained; auto is the GPU where there is one."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


NotebookArgument = Annotated[Path, typer.Argument(metavar="NOTEBOOK", help="The submitted .ipynb file.")]
DataOption = Annotated[Path, typer.Option(help="The data folder.", show_default="contest.toml, else data")]
RunsOption = Annotated[Path, typer.Option(help="Where run folders are kept.", show_default="contest.toml, else runs")]
ReportOption = Annotated[Path | None, typer.Option(metavar="FILE.json", help="Also write the record here.")]
SeedOption = Annotated[
    int,
    typer.Option(
        min=0,
        max=LARGEST_SEED,
        help="The training's seed; on test_b the final's.",
        show_default=f"contest.toml, else {SEED}",
    ),
]
TrainOption = Annotated[
    str,
    typer.Option(
        metavar="DRAW",
        help="The training draw: redraw-1, if build-data made it with --redraw; on test_b the final's.",
        show_default="train; on test_b contest.toml, else train",
    ),
]
ThreadsOption = Annotated[
    int,
    typer.Option(
        min=1,
        help="CPU threads of one grading; another number than 2 gives other bits.",
        show_default=f"contest.toml, else {NUM_THREADS}",
    ),
]
TimeOption = Annotated[
    float | None,
    typer.Option(
        min=1,
        metavar="SECONDS",
        help="How long the training may wait for the notebook: its solution cell and all calls together.",
        show_default="contest.toml, else 280",
    ),
]
GuardOption = Annotated[
    float | None,
    typer.Option(
        min=1,
        metavar="SECONDS",
        help="Wall clock of the whole grading.",
        show_default="contest.toml, else 360 on a GPU, 1800 on a CPU",
    ),
]
DeviceOption = Annotated[Device, typer.Option(help="Where to train.", show_default="contest.toml, else auto")]
SandboxOption = Annotated[
    Backend,
    typer.Option(
        help="none isolates nothing: only for notebooks that you trust.", show_default="contest.toml, else bwrap"
    ),
]
ImageOption = Annotated[
    str,
    typer.Option(
        help="With podman or docker: the image that 'make image' built.",
        show_default=f"contest.toml, else {DEFAULT_IMAGE}",
    ),
]


def say(text: str, *, err: bool = False) -> None:
    """Print text, which may be anybody's: all that a command prints goes this way, or as plain text into a table."""
    print(plain_text(text), file=sys.stderr if err else sys.stdout)  # typer's echo takes ASCII terminals for UTF-8


def few_names(names: Iterable[str]) -> str:
    """Name participants in a line, each once and in order; of many, the first."""
    shown = sorted(set(map(plain_name, names)))
    return ", ".join(shown[:NAMED_AT_MOST]) + (", ..." if len(shown) > NAMED_AT_MOST else "")


def fail(message: str) -> typer.Exit:
    """Print an error of ours and make the exit that reports it."""
    say(f"error: {plain_line(message)}", err=True)
    return typer.Exit(OURS)


def require_writable(*, files: Iterable[Path | None] = (), folders: Iterable[Path | None] = ()) -> None:
    """Refuse, before anything is trained, what could not be written; folders may still be missing."""
    problems = [
        *(file_problem(file) for file in files if file is not None),
        *(folder_problem(folder) for folder in folders if folder is not None),
    ]
    if found := next((problem for problem in problems if problem), None):
        raise typer.BadParameter(found)


def chosen_device(device: Device) -> str:
    """Return "cpu" or "cuda", or exit where the wanted device is not here."""
    available = device is not Device.CPU and cuda_is_available()
    if device is Device.CUDA and not available:
        raise fail("no CUDA device is available here: use --device cpu")
    return "cuda" if available else "cpu"


def print_wide(table: Table) -> None:
    """Print a table of many columns."""
    Console(width=max(Console().width, TABLE_WIDTH)).print(table)
