"""The command ``grader validate``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from competition.foreign_text import plain_line
from competition.profiles import ProfileName
from competition.task.constants import SEED
from grader.contest_file import DEFAULT, ContestOption
from grader.options import (
    DeviceOption,
    ImageOption,
    SandboxOption,
    ThreadsOption,
    chosen_device,
    fail,
    print_wide,
    require_writable,
)
from grader.validation.bands import find_references, read_bands
from grader.validation.results import TABLE_COLUMNS, ResultsFile, markdown_table, table_row
from grader.verdicts import InfrastructureError


def validate_command(
    contest: ContestOption,
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Default: all, and the oracle.")] = None,
    practice: Annotated[
        ProfileName | None, typer.Option("--profile", help="Which practice data.", show_default="standard")
    ] = None,
    own_data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="FOLDER",
            help="Your own data instead of practice data: what do the references reach on it? Bands hold for practice "
            "data alone. No default, also in a contest.",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, metavar="K", help="Train with K seeds: 123, 124, ...")] = 1,
    own_runs: Annotated[
        Path, typer.Option("--runs", help="Where its run folders are kept; a contest's are others.")
    ] = Path("runs/validate"),
    results_file: Annotated[
        Path | None,
        typer.Option(
            "--results",
            metavar="FILE.json",
            help="Use the measurements in this file where nothing changed since, further seeds too, and add the new "
            "ones; the table is written beside it, as FILE.md.",
        ),
    ] = None,
    sandbox: SandboxOption = DEFAULT.grading.sandbox,
    image: ImageOption = DEFAULT.grading.image,
    device: DeviceOption = DEFAULT.grading.device,
    threads: ThreadsOption = DEFAULT.grading.threads,
) -> None:
    """Grade the reference solutions and compare them with their expected bands (exit 3 outside)."""
    if own_data and practice:
        raise typer.BadParameter("give --data or --profile, not both: a profile names practice data")
    profile = practice or ProfileName.STANDARD
    require_writable(folders=(own_runs, results_file and results_file.parent))
    console = Console(stderr=True)
    try:
        wanted = find_references(names or [])
        known = ResultsFile(results_file)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    except InfrastructureError as error:
        raise fail(error.message) from None
    from grader.validation.references import practice_data, validate  # torch loads slowly: not for a usage error

    results = []
    used = chosen_device(device)
    try:
        for result in validate(
            wanted,
            data=own_data or practice_data(profile.value),
            profile="own" if own_data else profile.value,
            bands={} if own_data else read_bands(profile.value, used),
            seeds=list(range(SEED, SEED + seeds)),
            device=used,
            threads=threads,
            backend=sandbox,
            image=image,
            runs=own_runs,
            known=known,
            announce=console.print,
            progress=sys.stderr.isatty(),
        ):
            results.append(result)
    except InfrastructureError as error:
        raise fail(error.message) from None
    place = f"data {plain_line(str(own_data))}" if own_data else f"profile {profile.value}"
    compared = () if own_data else ("band", "")
    shown = Table(*TABLE_COLUMNS, *compared, title=f"{place}, training seeds from {SEED} on", box=SIMPLE)
    for result in results:
        band = f"{result.band.low:.3f} to {result.band.high:.3f}" if result.band else "none"
        inside = "outside" if result.violation() else "inside" if result.band else "not compared"
        shown.add_row(*table_row(result), *((band, inside) if compared else ()))
    print_wide(shown)
    if results_file is not None:
        results_file.with_suffix(".md").write_text(markdown_table(results))
    outside = [violation for result in results if (violation := result.violation())]
    if outside:
        raise fail("; ".join(outside))
