"""The command ``grader analyze``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from grader import analysis
from grader.contest_file import DEFAULT, ContestOption
from grader.options import fail, require_writable
from grader.verdicts import InfrastructureError


def analyze_command(
    source: Annotated[
        Path,
        typer.Argument(
            exists=True, metavar="RUN|VALUES", help="A run folder; or data values: a .npy, or a CSV (file, value)."
        ),
    ],
    contest: ContestOption,
    data: Annotated[
        Path,
        typer.Option(
            help="The data folder, or one with train.npz, valid.npz, test.npz.", show_default="contest.toml, else data"
        ),
    ] = DEFAULT.data,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Default: analysis/ in the run, or beside the values.")
    ] = None,
) -> None:
    """Compute the data valuation metrics of a run's selections, or of any data values, and draw them."""
    out = out or (source if source.is_dir() else source.parent) / "analysis"
    require_writable(folders=(out,))
    try:
        with Console(stderr=True).status("training with and without each 5 % of the samples"):
            analysed = analysis.analyze(source, data, out)
    except InfrastructureError as error:
        raise fail(error.message) from None
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, text in analysed.summary():
        table.add_row(name, text)
    table.add_row("written to", str(out))
    Console(soft_wrap=True).print(table)
