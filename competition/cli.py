"""The command line of the task: ``competition build-data``, ``build-notebook``, ``package``."""

from __future__ import annotations

import difflib
import hashlib
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from competition.errors import CellError, CompetitionError, SourceError
from competition.foreign_text import plain_name
from competition.notebook import (
    NOTEBOOK_FILE,
    build_notebook,
    graft,
    notebook_text,
    origin_of,
)
from competition.packaging import read_solution, write_notebook
from competition.profiles import CLEAN_PRIOR, MAX_IMAGES, NOISE, PROFILES, ProfileName, own_noise, own_profile
from competition.story import read_opening

if TYPE_CHECKING:
    from competition.pool import Pool

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
USAGE_ERROR = 2
FAILED = 1
RATES = (NOISE.flip_0_to_1, NOISE.flip_1_to_0)
SPREAD = (NOISE.spread_0, NOISE.spread_1)


class Source(StrEnum):
    """Where the images come from."""

    FASHION = "fashion"
    FOLDER = "folder"


@contextmanager
def errors_to_status() -> Iterator[None]:
    """Print the lines of what the person at the command line can put right, and exit with status 1."""
    try:
        yield
    except OSError as error:
        typer.echo(f"error: {error.filename} cannot be used: {error.strerror}", err=True)
        raise typer.Exit(FAILED) from None
    except CompetitionError as error:
        for line in str(error).splitlines():
            typer.echo(f"error: {line}", err=True)
        raise typer.Exit(FAILED) from None


def usage_error(message: str) -> typer.BadParameter:
    """Make the error for options that do not go together (exit status 2)."""
    return typer.BadParameter(message)


def check_noise_options(
    pool: Pool, flip_rates: tuple[float, float] | None, spread: tuple[float, float] | None, difficulty: bool
) -> None:
    """Refuse options of the noise that the source leaves no room for, with a `SourceError`."""
    if pool.noisy is not None and (flip_rates or spread or difficulty):
        raise SourceError(
            "the CSV has a column noisy_label, so nothing is flipped: leave --flip-rates, --spread and --difficulty out"
        )
    if difficulty and pool.difficulty is not None:
        raise SourceError("the CSV has a column difficulty: remove it, or leave --difficulty out")
    if spread and pool.difficulty is None and not difficulty:
        raise SourceError("--spread needs to know which images are hard: add --difficulty, or a column of this name")


def notes(pool: Pool, difficulty: bool) -> Iterator[str]:
    """Yield what an organizer should know of their source."""
    if pool.classes != ("0", "1"):
        yield "class 0 is {!r}, class 1 {!r}".format(*map(plain_name, pool.classes))
    if pool.bits > 8:
        top = (1 << pool.bits) - 1
        yield f"the images' grey values take {pool.bits} bits, 0 to {top:,}: brought to 0 to 255"
    if pool.noisy is not None:
        yield "the training labels are those of the column noisy_label; nothing is flipped"
    elif pool.difficulty is None and not difficulty:
        yield (
            "the CSV has no column 'difficulty', so within a class every image flips equally often; "
            "--difficulty computes it"
        )


@app.command("build-data")
def build_data_command(
    source: Annotated[
        Source, typer.Option(help="The embedded Fashion-MNIST pool, or a folder of your own.")
    ] = Source.FASHION,
    profile: Annotated[ProfileName, typer.Option(help="How many images.")] = ProfileName.STANDARD,
    seed: Annotated[int | None, typer.Option(min=0, help="Practice and CI only. Default: a secret one.")] = None,
    out: Annotated[Path, typer.Option(help="The folder to make.")] = Path("data"),
    images: Annotated[Path | None, typer.Option(help="With --source folder: the folder of images.")] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="With --source folder: CSV with columns file, label[, difficulty][, noisy_label]."),
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=8, max=512, help="With --source folder: resize to SIZE x SIZE.")
    ] = None,
    positive: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --source folder: the label that becomes class 1.")
    ] = None,
    difficulty: Annotated[
        bool, typer.Option("--difficulty", help="With --source folder: compute how hard each image is.")
    ] = False,
    train_size: Annotated[
        int | None, typer.Option(min=2, max=MAX_IMAGES, metavar="N", help="Images in train, instead of the profile's.")
    ] = None,
    val_size: Annotated[
        int | None, typer.Option(min=2, max=MAX_IMAGES, metavar="N", help="Images in val, likewise.")
    ] = None,
    test_size: Annotated[
        int | None, typer.Option(min=2, max=MAX_IMAGES, metavar="N", help="Images in each test set, likewise.")
    ] = None,
    prior: Annotated[
        float | None, typer.Option(metavar="SHARE", help=f"Share of class 1 in every split. Default: {CLEAN_PRIOR}.")
    ] = None,
    flip_rates: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="R0 R1", help=f"Mean flip rate of each class. Default: {RATES[0]} {RATES[1]}."),
    ] = None,
    spread: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="S0 S1",
            help=f"How far the rates of the easiest and the hardest image lie off. Default: {SPREAD[0]} {SPREAD[1]}.",
        ),
    ] = None,
    redraw: Annotated[
        int, typer.Option(min=0, max=99, metavar="K", help="Also make K further private training draws.")
    ] = 0,
    kit_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where participants get this kit: for their README.")
    ] = None,
    story: Annotated[
        Path | None, typer.Option(metavar="FILE.md", help="How the notebook begins, instead of the kit's own story.")
    ] = None,
) -> None:
    """Build the data: public/ to hand out, private/ to keep."""
    if source is Source.FOLDER and (images is None or labels is None):
        raise usage_error("--source folder needs --images FOLDER and --labels CSV")
    if source is Source.FASHION and (images or labels or size or positive is not None or difficulty):
        raise usage_error("--images, --labels, --size, --positive and --difficulty go with --source folder")
    if kit_url is not None and not re.fullmatch(r"https?://[^\s<>]+", kit_url):
        raise usage_error("--kit-url takes an address that begins with https:// or http://")
    sizes = {"train": train_size, "val": val_size, "test_a": test_size, "test_b": test_size, "prior": prior}
    try:
        chosen = own_profile(PROFILES[profile], sizes)
        noise = own_noise(flip_rates, spread)
    except ValueError as error:
        raise usage_error(str(error)) from None
    if seed is not None:
        typer.echo(
            f"warning: --seed {seed} is for practice and CI: whoever knows it can rebuild the secret answers", err=True
        )
    from competition.build import build_data  # torch loads slowly, and a usage error needs none
    from competition.pool import fashion_pool
    from competition.pool.folder import folder_pool

    with errors_to_status():
        opening = None if story is None else read_opening(story)
        pool = folder_pool(images, labels, size, positive) if images and labels else fashion_pool()
        check_noise_options(pool, flip_rates, spread, difficulty)
        for note in notes(pool, difficulty):
            typer.echo(f"note: {note}")
        if difficulty:
            from competition.pool.difficulty import out_of_fold_difficulty  # scikit-learn loads slowly

            pool = replace(pool, difficulty=out_of_fold_difficulty(pool.images, pool.labels))
        secret = secrets.randbits(128) if seed is None else seed
        manifest = build_data(pool, chosen, noise, secret, out, redraw, kit_url, opening)
    table = Table("split", "images", "labelled 0", "labelled 1", title=f"{out}: profile {chosen.name}, source {source}")
    for name, entry in manifest["splits"].items():
        table.add_row(name, f"{entry['images']:,}", f"{entry['labels']['0']:,}", f"{entry['labels']['1']:,}")
    Console().print(table)
    rates = [f"{rate:.1%} of class {label}" for label, rate in enumerate(manifest["found_flip_rates"])]
    typer.echo(f"{manifest['flipped']:,} training labels are wrong, {' and '.join(rates)}.")
    typer.echo(f"Hand out {out}/public as it is; keep {out}/private.")
    if source is Source.FOLDER and story is None:
        typer.echo("The notebook tells the kit's story, of clothes: --story FILE.md has it tell yours.")
    if source is Source.FASHION:
        typer.echo("The embedded pool is public: good for practice; a ranked contest needs unpublished images.")


@app.command("build-notebook")
def build_notebook_command(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if the file differs.")] = False,
    train_id: Annotated[str | None, typer.Option(help="Google Drive id of your train.zip.")] = None,
    val_id: Annotated[str | None, typer.Option(help="Google Drive id of your val.zip.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="The built data that the notebook is to insist on. With ids: data/ by default.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The notebook's file.")] = Path(NOTEBOOK_FILE),
) -> None:
    """Build the starter notebook from its sources."""
    if (train_id is None) != (val_id is None):
        raise usage_error("--train-id and --val-id go together")
    ids = {"train": train_id, "val": val_id} if train_id is not None and val_id is not None else {}
    with errors_to_status():
        origin = None
        if ids or data is not None:
            public = (data or Path("data")) / "public"
            zips = {name: zip_sha256(public / f"{name}.zip") for name in ids}
            origin = origin_of(public, ids, zips)
        text = notebook_text(build_notebook(origin))
        if not check:
            write_notebook(output, text)
            typer.echo(f"wrote {output}")
            return
        if not output.is_file():
            raise CellError(f"{output}: no such file; write it with 'competition build-notebook'")
        committed = output.read_text(encoding="utf-8", errors="replace")
    if committed == text:
        typer.echo(f"{output} is up to date")
        return
    difference = difflib.unified_diff(
        committed.splitlines(), text.splitlines(), str(output), "a fresh build", lineterm="", n=1
    )
    typer.echo("\n".join(list(difference)[:40]), err=True)
    typer.echo(f"error: {output} differs from a fresh build; run 'competition build-notebook' and commit it", err=True)
    raise typer.Exit(1)


def zip_sha256(path: Path) -> str:
    """Return a file's sha256, or raise `CellError` where it is missing."""
    if not path.is_file():
        raise CellError(f"{path}: no such file; --data must name the built data whose zips you uploaded")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@app.command()
def package(
    cell: Annotated[
        Path,
        typer.Argument(metavar="CELL.py", help="A file with the solution cell's content, or a notebook (.ipynb)."),
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: CELL.ipynb here.")] = None,
) -> None:
    """Graft a solution file, or the solution cell of a notebook, into the starter notebook."""
    with errors_to_status():
        solution = read_solution(cell)
        path = output or Path(f"{cell.stem}.ipynb")
        write_notebook(path, notebook_text(graft(solution)), cell)
    from competition.names import parse, undefined_names

    tree = parse(solution)
    for missing in undefined_names(tree) if tree is not None else []:
        typer.echo(f"warning: {cell}, line {missing.line}: nothing defines '{missing.name}'", err=True)
    if tree is None:
        typer.echo(f"warning: {cell} cannot be read as Python: the grader will say where", err=True)
    typer.echo(f"wrote {path}")
