"""The commands ``grader export codabench`` and ``grader codabench-daemon``."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from grader import pages
from grader.contest import (
    Answer,
    Crew,
    GpusOption,
    OneByOne,
    RayAddressOption,
    StoreOption,
    WorkersOption,
    require_sandbox,
    unless_stopped,
)
from grader.contest_file import DEFAULT, ContestOption
from grader.grading import Settings, find_data, require_guard, require_splits
from grader.options import (
    DataOption,
    DeviceOption,
    GuardOption,
    ImageOption,
    RunsOption,
    SandboxOption,
    SeedOption,
    Split,
    ThreadsOption,
    TimeOption,
    chosen_device,
    require_writable,
    say,
)
from grader.platforms.cli import OutOption, export
from grader.platforms.codabench.caps import Caps
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
    container: Annotated[
        str | None,
        typer.Option(
            "--image",
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
    if container is None and mode is Mode.BUNDLE:
        raise typer.BadParameter("bundle mode needs --image, the name under which you will push the image")
    chosen = container or HAND_OVER_IMAGE
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


@contextmanager
def ended_by_a_signal() -> Iterator[None]:
    """Let SIGTERM, by which a service is stopped, end the body as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def report_of(answer: Answer, data: Path, references: Path | None) -> str:
    """Return the participant's report of an answer."""
    report = pages.make_report(answer.run, data, for_organizer=False, store=references)
    return pages.report_page(report)


def daemon_command(
    contest: ContestOption,
    socket: Annotated[
        Path, typer.Option(metavar="PATH", help="Where the worker's containers find the grader: in its folder data.")
    ] = Path("/codabench/data/grader.sock"),
    kept: Annotated[
        Path, typer.Option("--answers", metavar="FILE", help="The SQLite file that keeps what was graded here.")
    ] = Path("codabench.sqlite"),
    hourly: Annotated[int, typer.Option(min=1, metavar="N", help="Trainings in an hour, of everybody.")] = 30,
    each: Annotated[int, typer.Option(min=1, metavar="N", help="Questions of one container in an hour.")] = 2,
    data: DataOption = DEFAULT.data,
    runs: RunsOption = DEFAULT.runs,
    store: StoreOption = DEFAULT.store,
    seed: SeedOption = DEFAULT.grading.seed,
    threads: ThreadsOption = DEFAULT.grading.threads,
    time_limit: TimeOption = DEFAULT.grading.time_limit,
    guard: GuardOption = DEFAULT.grading.guard,
    sandbox: SandboxOption = DEFAULT.grading.sandbox,
    image: ImageOption = DEFAULT.grading.image,
    device: DeviceOption = DEFAULT.grading.device,
    workers: WorkersOption = DEFAULT.grading.workers,
    ray_address: RayAddressOption = DEFAULT.grading.ray_address,
    num_gpus: GpusOption = DEFAULT.grading.num_gpus,
) -> None:
    """Grade, on the host of a Codabench worker, what its containers hand over; until it is stopped."""
    require_writable(folders=(runs, kept.parent))
    settings = Settings(
        data=data,
        split=Split.TEST_A.value,
        seed=seed,
        device=chosen_device(device),
        threads=threads,
        backend=sandbox,
        image=image,
        seconds=time_limit,
        guard=guard,
    )
    require_guard(settings)
    with unless_stopped(), ended_by_a_signal():
        require_sandbox(sandbox)
        require_splits(settings, find_data(data))
        with Crew(workers, ray_address, num_gpus).start(settings, Console()) as crew:
            from grader.platforms.codabench.daemon import Daemon

            grader = OneByOne("codabench", kept, runs, settings)
            page = partial(report_of, data=data, references=store if store.is_file() else None)
            with Daemon(socket, grader, crew, Caps(hourly, each), page, say) as daemon:
                say(f"waiting for submissions at {socket}")
                daemon.serve()
