"""Is this machine ready for a contest? One check each: what was found comes in, a sentence and what to do goes out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from grader.contest.store import Grading
from grader.grading import Record
from grader.verdicts import Verdict

OLDEST_PYTHON = (3, 11)
GIB = 1024**3
GIVEN_BITS = 64  # of a seed, at most, that somebody typed
LITTLE_ROOM, NO_ROOM = 5 * GIB, GIB // 2  # bytes for runs: a thousand gradings take about 2 GiB, less is warned of
LITTLE_SCRATCH, NO_SCRATCH = GIB, GIB // 10  # bytes for temporary files: a run is packed there, models and all


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"  # it works, but not as it could
    MISSING = "missing"  # nothing can be graded before it is put right


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: what was looked at, in a word or two.
        state: how it ended.
        text: one sentence that says what was found, and what to do where that is not well.
    """

    name: str
    state: State
    text: str


def python_check(version: tuple[int, int, int]) -> Check:
    """Judge the version of Python."""
    shown, oldest = ".".join(map(str, version)), ".".join(map(str, OLDEST_PYTHON))
    if version[:2] < OLDEST_PYTHON:
        return Check("Python", State.MISSING, f"{shown} is too old: make the environment anew with {oldest} or newer")
    return Check("Python", State.OK, shown)


def sandbox_check(problem: str | None) -> Check:
    """Judge what `bwrap_problem` said."""
    if problem is not None:
        return Check("sandbox", State.MISSING, problem)
    return Check("sandbox", State.OK, "bubblewrap makes namespaces here")


def limits_check(group: str | None) -> Check:
    """Judge who limits memory and processes: the kernel in a control group, or the watchdog."""
    if group is None:
        return Check(
            "limits",
            State.WARNING,
            "no control group can be made, so a watchdog limits memory and processes, and CPU time is not shared out: "
            "grade as root, or below 'systemd-run --user --scope -p Delegate=yes'",
        )
    return Check("limits", State.OK, f"{group}: the kernel limits memory and processes")


def gpu_check(devices: int, driver: bool, usable: bool) -> Check:
    """Judge the GPU.

    Args:
        devices: how many NVIDIA device files there are.
        driver: whether the driver's library can be loaded.
        usable: whether torch sees a GPU.
    """
    if usable:
        return Check("GPU", State.OK, "torch sees a GPU, and --device auto uses it")
    if driver:
        return Check(
            "GPU",
            State.WARNING,
            "NVIDIA's driver is here, but torch sees no GPU: look at 'nvidia-smi' and CUDA_VISIBLE_DEVICES, and "
            "install a torch that was built for CUDA; until then gradings run on the CPU",
        )
    if devices:
        return Check(
            "GPU",
            State.WARNING,
            "there is a GPU, but no library of its driver (libcuda.so.1): install it, or give it to this container; "
            "until then gradings run on the CPU",
        )
    return Check("GPU", State.OK, "none: gradings run on the CPU")


def room_check(name: str, folder: Path, problem: str | None, free: int, little: int, none: int) -> Check:
    """Judge a folder that is written to.

    Args:
        name: what the folder is for.
        problem: why it cannot be written, None where it can.
        free: bytes that are free there.
        little, none: bytes below which that is a warning, and too few.
    """
    if problem is not None:
        return Check(name, State.MISSING, problem)
    shown = f"{free / GIB:.1f} GiB are free in {folder}"
    if free < none:
        return Check(name, State.MISSING, f"only {shown}: make room, or name a folder on another disk")
    if free < little:
        return Check(
            name, State.WARNING, f"only {shown}: make room for a whole contest, {little / GIB:.0f} GiB or more"
        )
    return Check(name, State.OK, shown)


def socket_check(problem: str | None) -> Check:
    """Judge what `socket_problem` said."""
    if problem is not None:
        return Check("socket", State.MISSING, problem)
    return Check("socket", State.OK, "the path of the temporary folder is short enough")


def data_check(problem: str | None, splits: Sequence[str]) -> Check:
    """Judge the data: what is wrong with it, and which splits were compared with the manifest."""
    if problem is not None:
        return Check("data", State.MISSING, problem)
    return Check("data", State.OK, f"whole and unchanged: {', '.join(splits)}")


def seed_check(seed: int) -> Check:
    """Judge the seed that data was built with: one that `build-data` drew has 128 bits."""
    if seed.bit_length() <= GIVEN_BITS:
        return Check(
            "seed",
            State.WARNING,
            f"the data was built with --seed {seed}, for practice: who guesses it can build the answers; for a contest "
            "build without --seed",
        )
    return Check("seed", State.OK, "a secret one")


def draw_check(draw: str, draws: Collection[str]) -> Check:
    """Judge whether the data has the training draw of the final."""
    if draw in draws:
        return Check("final", State.OK, f"trains on {draw}")
    number = draw.rpartition("-")[2]
    return Check(
        "final",
        State.MISSING,
        f"it is to train on {draw}, which the data does not have: build the same data again, with --seed from "
        f"private/manifest.json, --redraw {number} and another --out",
    )


def notebook_check(path: Path, found: str | None, fresh: str) -> Check:
    """Judge the notebook that is handed out.

    Args:
        path: where it lies.
        found: its text, None where it is missing.
        fresh: what a fresh build for the same data gives.
    """
    again = f"'competition build-notebook' with --data, and your ids where you have some, and -o {path} writes it anew"
    if found is None:
        return Check("notebook", State.WARNING, f"{path} is missing: {again}")
    if found != fresh:
        return Check("notebook", State.WARNING, f"{path} differs from a fresh build: {again}")
    return Check("notebook", State.OK, "what is handed out equals a fresh build")


def store_check(
    problem: str | None, gradings: Sequence[Grading] | None, template: str, data: Collection[str], versions: str
) -> Check:
    """Judge whether the store's gradings belong to this kit and this data.

    Args:
        problem: why it cannot be opened; None where it can.
        gradings: all of them; None where there is no store yet.
        template: the checksum of the locked cells.
        data: the checksums of the training draws, each with the validation set.
        versions: the library versions, as in a `Key`.
    """
    if problem is not None:
        return Check("store", State.MISSING, problem)
    if gradings is None:
        return Check("store", State.OK, "none yet: 'grader batch' makes it")
    other_template = sum(grading.key.template_sha256 != template for grading in gradings)
    other_data = sum(grading.key.data_sha256 not in data for grading in gradings) if data else 0
    other_versions = sum(grading.key.versions != versions for grading in gradings)
    sentences = [
        f"{count} of {len(gradings)} gradings are of {what}"
        for count, what in (
            (other_data, "other data: name the contest's with --data, or another --store"),
            (other_template, "another notebook: the kit was changed, and a batch grades these again"),
            (other_versions, "other library versions: a batch grades these again"),
        )
        if count
    ]
    if sentences:
        return Check("store", State.WARNING, "; ".join(sentences))
    return Check("store", State.OK, f"{len(gradings)} gradings, all of this data and notebook")


def libraries_check(installed: Mapping[str, str], wanted: Mapping[str, str]) -> Check:
    """Judge the versions of libraries.

    Args:
        installed: versions by name.
        wanted: what the kit asks for by name, such as ">=2.8,<3".
    """
    wrong = [
        f"{name} {installed[name]} is not {wanted[name]}"
        for name in sorted(installed.keys() & wanted.keys())
        if not within(installed[name], wanted[name])
    ]
    wrong += [f"{name} is not installed" for name in sorted(wanted.keys() - installed.keys())]
    if wrong:
        return Check("libraries", State.MISSING, f"{'; '.join(wrong)}: install the kit again, with 'make install'")
    shown = Counter(installed).keys() & {"torch", "torchvision", "numpy", "scikit-learn"}
    return Check("libraries", State.OK, ", ".join(f"{name} {installed[name]}" for name in sorted(shown)))


def within(version: str, bounds: str) -> bool:
    """Say whether a version lies within bounds such as ">=2.8,<3"; what follows its numbers does not count."""
    found = numbers(version)
    return all(
        found >= numbers(bound[2:]) if bound.startswith(">=") else found < numbers(bound.removeprefix("<"))
        for bound in bounds.split(",")
        if bound
    )


def numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version, trailing zeros apart: "2.8.0+cpu" gives (2, 8)."""
    leading = re.match(r"\d+(\.\d+)*", version)
    found = [int(part) for part in leading[0].split(".")] if leading else []
    while found and not found[-1]:
        found.pop()
    return tuple(found)


def grading_check(record: Record) -> Check:
    """Judge a grading of the starter's own solution on the debug data."""
    if record.verdict is not Verdict.OK:
        return Check(
            "grading", State.MISSING, f"the starter notebook ended as {record.verdict.value}: {record.message}"
        )
    return Check(
        "grading", State.OK, f"the starter notebook was graded on the {record.device} in {record.seconds:.0f} s"
    )
