"""All streams of an experiment, several at once, each kept as soon as it is done; and what came of them."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed

from benchmarks.fashion_mnist import read_fashion
from benchmarks.sag.figures import Floats, curves, totals
from benchmarks.sag.gate import P_RAND, Setting
from benchmarks.sag.kept import file_name, find, keep
from benchmarks.sag.novice import BATCH_SIZE
from benchmarks.sag.stream import run_stream
from reference_solutions.sag_gate import MODES

ABLATED_MODE = "sensitivity"
ABLATIONS: dict[str, tuple[dict[str, Any], ...]] = {
    "regression": ({"regression": False},),
    "imputation": ({"imputation": False},),
    "p_rand": ({"p_rand": 0.05}, {"p_rand": 0.2}),
    "crop": ({"crop": False},),
}


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        modes, s_des: what is held, and at which values.
        ablations: names of `ABLATIONS`, which change one thing each in the sensitivity mode.
        repetitions: streams of each setting.
        stream: images in a stream.
    """

    modes: tuple[str, ...] = MODES
    s_des: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)
    ablations: tuple[str, ...] = tuple(ABLATIONS)
    repetitions: int = 3
    stream: int = 12_000

    def __post_init__(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            ValueError: what, and what it may be.
        """
        if self.repetitions < 1:
            raise ValueError(f"reps is {self.repetitions}: it must be at least 1")
        if self.stream < BATCH_SIZE:
            raise ValueError(f"stream is {self.stream}: it must be at least {BATCH_SIZE} images, one step")
        if self.ablations and ABLATED_MODE not in self.modes:
            raise ValueError(f"ablations are those of the {ABLATED_MODE} mode, which is not among the modes")
        self.settings()

    def settings(self) -> list[Setting]:
        """List what is run, each once.

        Raises:
            ValueError: see `Setting`.
        """
        usual = [Setting(mode, s_des, P_RAND) for mode in self.modes for s_des in self.s_des]
        changes = [change for name in self.ablations for change in ABLATIONS[name]]
        ablated = [replace(Setting(ABLATED_MODE, s_des), **change) for change in changes for s_des in self.s_des]
        return list(dict.fromkeys([*usual, *ablated]))


@dataclass(frozen=True)
class Source:
    """Where images come from, where the work is done, and where streams are kept."""

    images: Path
    device: str
    folder: Path


@dataclass(frozen=True)
class Outcome:
    """What came of a stream: `totals` and `curves` of it, and the seconds that it took; None if it was there."""

    setting: Setting
    seed: int
    totals: dict[str, float]
    curves: dict[str, Floats]
    seconds: float | None


@cache
def read_images(folder: Path, device: str) -> tuple[torch.Tensor, torch.Tensor, str]:
    """Read the training part: float32 [N, 1, 28, 28] of mean 0 and deviation 1, int64 [N], and a checksum of both.

    Raises:
        SystemExit: its files are missing or damaged.
    """
    images, labels = read_fashion(folder)
    checksum = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    inputs = torch.from_numpy(np.array(images, np.float32)).unsqueeze(1)
    inputs = (inputs - inputs.mean()) / inputs.std()
    return inputs.to(device), torch.from_numpy(labels).to(device), checksum


def one(source: Source, setting: Setting, count: int, seed: int) -> Outcome:
    """Run one stream and keep it, or find it kept.

    Raises:
        KeptError: what is kept is another one.
        OSError: it cannot be kept.
    """
    torch.set_num_threads(1)
    images, labels, checksum = read_images(source.images, source.device)
    described = {
        **{"setting": asdict(setting), "seed": seed, "length": count, "images": checksum},
        **{"device": source.device, "torch": torch.__version__},
    }
    path = source.folder / file_name(setting, seed)
    started, seconds = time.perf_counter(), None
    trace = find(described, path)
    if trace is None:
        trace = run_stream(images, labels, count, setting, seed)
        keep(trace, described, path)
        seconds = time.perf_counter() - started
    return Outcome(setting, seed, totals(trace), curves(trace), seconds)


def measure(plan: Plan, source: Source, jobs: int) -> Iterator[list[Outcome]]:
    """Run all streams, repetition by repetition, and tell how far it is; give the outcomes of each in their order.

    Raises:
        SystemExit: there are no images, or fewer than a stream takes.
        KeptError, OSError: see `one`.
    """
    settings = plan.settings()
    there = len(read_images(source.images, source.device)[0])
    if plan.stream > there:
        raise SystemExit(f"error: a stream of {plan.stream} images, and {source.images} has {there}")
    source.folder.mkdir(parents=True, exist_ok=True)
    total, done = plan.repetitions * len(settings), 0
    with Parallel(jobs, return_as="generator_unordered") as parallel:
        for seed in range(plan.repetitions):
            outcomes = []
            for outcome in parallel(delayed(one)(source, setting, plan.stream, seed) for setting in settings):
                outcomes.append(outcome)
                done += 1
                print(f"{done} of {total}: {told(outcome)}", file=sys.stderr, flush=True)
            yield sorted(outcomes, key=lambda outcome: settings.index(outcome.setting))


def told(outcome: Outcome) -> str:
    """Say in a line what came of a stream."""
    setting, found = outcome.setting, outcome.totals
    what = ", ".join(filter(None, [f"{setting.mode} {setting.s_des:g}", setting.changed]))
    took = "was there" if outcome.seconds is None else f"{outcome.seconds:.0f} s"
    reached = f"{found[setting.mode]:.3f} with {found['queries']:,} queries"
    return f"{what}, repetition {outcome.seed + 1}: {reached} ({took})"
