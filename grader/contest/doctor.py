"""The command ``grader doctor``: looks at everything that a contest needs, before it begins."""

from __future__ import annotations

import ast
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import nbformat
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from competition.distribution import DISTRIBUTION, needed_libraries
from competition.errors import CompetitionError
from competition.manifest import (
    MANIFEST_FILE,
    PUBLIC_SPLITS,
    is_training_draw,
    public_sha256,
    read_manifest,
    truth_file,
)
from competition.notebook import (
    NOTEBOOK_FILE,
    build_notebook,
    notebook_text,
    origin_of,
    starter_text,
    template_sha256,
)
from competition.scratch import scratch_folder
from grader import grading
from grader.contest.options import StoreOption
from grader.contest.readiness import (
    LITTLE_ROOM,
    LITTLE_SCRATCH,
    NO_ROOM,
    NO_SCRATCH,
    Check,
    State,
    data_check,
    draw_check,
    gpu_check,
    grading_check,
    libraries_check,
    limits_check,
    notebook_check,
    python_check,
    room_check,
    sandbox_check,
    seed_check,
    socket_check,
    store_check,
)
from grader.contest.reuse import versions_text
from grader.contest.store import Grading, Store
from grader.contest_file import DEFAULT, ContestOption
from grader.grading import Settings, combined_sha256, draft_record, find_data
from grader.options import OURS, DataOption, Device, RunsOption, chosen_device, say
from grader.safe_io import folder_problem, plain_line
from grader.sandbox import bwrap_problem, cuda_is_available, has_driver, kernel_limits, socket_problem
from grader.verdicts import InfrastructureError

LOOKS = {State.OK: "green", State.WARNING: "yellow", State.MISSING: "bold red"}
DEBUG_SEED = 7


def check_machine(runs: Path) -> Iterator[Check]:
    """Check what does not depend on a contest, but where its runs are to lie."""
    yield python_check(sys.version_info[:3])
    yield libraries_check(*libraries())
    yield sandbox_check(bwrap_problem())
    yield limits_check(kernel_limits())
    yield gpu_check(len(list(Path("/dev").glob("nvidia[0-9]*"))), has_driver(), cuda_is_available())
    temporary = Path(tempfile.gettempdir())
    yield room_of("room for runs", runs, LITTLE_ROOM, NO_ROOM)
    yield room_of("temporary files", temporary, LITTLE_SCRATCH, NO_SCRATCH)
    yield socket_check(socket_problem(temporary))


def room_of(name: str, folder: Path, little: int, none: int) -> Check:
    """Check a folder that is written to, or the nearest one that is there; see `room_check`."""
    there = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    return room_check(name, folder, folder_problem(folder), shutil.disk_usage(there).free, little, none)


def libraries() -> tuple[dict[str, str], dict[str, str]]:
    """Return the versions of the libraries that the kit needs, and what it asks for; both by name."""
    try:
        wanted = needed_libraries()
    except PackageNotFoundError:
        wanted = {DISTRIBUTION: ""}
    installed = {}
    for name in wanted:
        with suppress(PackageNotFoundError):
            installed[name] = version(name)
    return installed, wanted


def check_contest(data: Path, store: Path, draw: str) -> Iterator[Check]:
    """Check the data folder, the notebook in it, the training draw of the final, and the store."""
    problem, splits = look_at_data(data)
    yield data_check(problem, splits)
    if problem is None:
        yield seed_check(int(read_manifest(data / "private")["seed"]))
        yield draw_check(draw, [split for split in splits if is_training_draw(split)])
    if (data / "public" / MANIFEST_FILE).is_file():
        yield notebook_of(data / "public")
    draws = checksums_of_draws(data) if problem is None else set()
    unopened, gradings = look_at_store(store)
    yield store_check(
        unopened, gradings, template_sha256(), draws, versions_text(draft_record(Settings(data, "val")).versions)
    )


def look_at_data(data: Path) -> tuple[str | None, list[str]]:
    """Open every split and compare it with its manifest; return what is wrong, and which splits were opened."""
    from competition.splits import open_split  # torch loads slowly

    opened = []
    try:
        folder = find_data(data)
        if folder.private is None:
            return f"{data} holds only the public part: --data takes the folder with public/ and private/", []
        read_manifest(folder.public)
        for split in read_manifest(folder.private)["splits"]:
            open_split(folder.public if split in PUBLIC_SPLITS else folder.private, split)
            opened.append(split)
            if is_training_draw(split) and not (folder.private / truth_file(split)).is_file():
                return f"{folder.private / truth_file(split)} is missing: restore it, or build the data again", opened
        if public_sha256(read_manifest(folder.public)) != public_sha256(read_manifest(folder.private)):
            return f"the manifests in {data} are of different builds: restore both, or build the data again", opened
    except (InfrastructureError, CompetitionError) as error:
        return str(error), opened
    return None, opened


def checksums_of_draws(data: Path) -> set[str]:
    """Return the checksum that gradings carry for each training draw of a data folder."""
    splits = {name: entry["sha256"] for name, entry in read_manifest(data / "private")["splits"].items()}
    return {combined_sha256([sha, splits["val"]]) for name, sha in splits.items() if is_training_draw(name)}


def notebook_of(public: Path) -> Check:
    """Check the notebook that is handed out against a build with the values that stand in it."""
    path = public / NOTEBOOK_FILE
    try:
        found = path.read_text(encoding="utf-8")
        ids, zips = written_values(found)
        return notebook_check(path, found, notebook_text(build_notebook(origin_of(public, ids, zips))))
    except FileNotFoundError:
        return notebook_check(path, None, "")
    except (OSError, ValueError, CompetitionError):
        return notebook_check(path, "", "unreadable")


def written_values(notebook: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the ids and the checksums of zip files that an organizer's notebook holds; empty where it holds none.

    Raises:
        ValueError: it is no notebook.
    """
    text = "\n".join(cell.source for cell in nbformat.reads(notebook, as_version=4).cells)
    found = []
    for name in ("DRIVE_IDS", "ZIP_SHA256"):
        line = re.search(rf"^{name} = ({{.*?}})", text, re.MULTILINE)
        values: dict[str, str] = ast.literal_eval(line[1]) if line else {}
        found.append(values if all(values.values()) else {})
    return found[0], found[1]


def look_at_store(store: Path) -> tuple[str | None, list[Grading] | None]:
    """Return why a store cannot be opened, and its gradings; None for a store that is not there."""
    if not store.exists():
        return None, None
    try:
        with Store(store) as opened:
            return None, opened.gradings()
    except InfrastructureError as error:
        return error.message, None


def try_grading() -> Check:
    """Build the debug data, and grade the starter notebook on it in the sandbox."""
    from competition.build import build_data  # torch loads slowly
    from competition.pool import fashion_pool
    from competition.profiles import NOISE, PROFILES

    with scratch_folder("doctor") as folder:
        data = folder / "data"
        build_data(fashion_pool(), PROFILES["debug"], NOISE, DEBUG_SEED, data)
        settings = Settings(data, "test_a", device=chosen_device(Device.AUTO))
        record, _ = grading.grade(starter_text().encode(), settings)
    return grading_check(record)


def doctor_command(
    contest: ContestOption,
    quick: Annotated[bool, typer.Option("--quick", help="Grade nothing: leave out the trial at the end.")] = False,
    data: DataOption = DEFAULT.data,
    store: StoreOption = DEFAULT.store,
    runs: RunsOption = DEFAULT.runs,
) -> None:
    """Look at everything that a contest needs, and say what is missing and what to do (exit 3). Takes half a minute."""
    checks: list[Check] = []
    with Console(stderr=True).status("looking at machine, data and store, then grading the starter notebook"):
        checks += check_machine(runs)
        checks += check_contest(data, store, contest.final.train)
        if not quick:
            checks.append(try_grading())
    table = Table("check", "", "found", box=SIMPLE)
    for check in checks:
        table.add_row(check.name, Text(check.state.value, style=LOOKS[check.state]), Text(plain_line(check.text)))
    Console().print(table)
    missing = sum(check.state is State.MISSING for check in checks)
    warnings = sum(check.state is State.WARNING for check in checks)
    say(f"{len(checks)} checks: {missing} missing, {warnings} to look at")
    if missing:
        raise typer.Exit(OURS)
