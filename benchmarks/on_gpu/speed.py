"""Where does the time of a grading on a GPU go, and how many are graded at once on one card?"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from benchmarks.at_home import train_at_home
from benchmarks.on_gpu.commands import CommandError, run
from benchmarks.on_gpu.gradings import SECONDS, grade_at_once
from benchmarks.on_gpu.plan import CO_TEACHING, Found, Plan
from competition.task.constants import NUM_EPOCHS
from grader.grading import Settings, find_data, open_training_splits
from grader.grading.trainer import evaluate, open_verified, warm_up

TRAINING_SECONDS, GRADING_SECONDS, TIMES_FASTER, MOST = 10.0, 25.0, 3.0, 8  # the goals
SHOWN_COUNTS = 12
PHASES = {
    "imports": "imports, and the card's name",
    "starting": "the notebook's kernel starts, beside it torch, data and warm-up",
    "solution cell": "solution cell, and the first batch",
    "epoch 1 of 6": "training, its function, and the end of the notebook",
}


def timed(body: Callable[[], Any]) -> tuple[float, Any]:
    """Return how many seconds something took, what it left on the card to do included, and what it gave."""
    started = time.perf_counter()
    result = body()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started, result


def phases_of_a_grading(plan: Plan, data: Path, found: Found) -> None:
    """Grade in a process of its own, and tell how long each phase took."""
    arguments = ["-m", "benchmarks.on_gpu.timeline", str(CO_TEACHING), str(data)]
    arguments += [plan.device, plan.backend.value, str(plan.threads), str(time.time())]
    said = json.loads(run(*arguments, seconds=min(SECONDS, plan.left())).splitlines()[-1])
    found.details["timeline"] = said
    record = said["record"]
    found.row("the grading by phases", f"{record['verdict']}: {record['message']}", record["verdict"] == "OK")
    phases = [phase for phase in said["phases"] if not phase[0].startswith("epoch") or phase[0].startswith("epoch 1 ")]
    for (phase, begun), (_, ended) in pairwise(phases):
        found.row(f"phase: {PHASES.get(phase, phase)}", f"{ended - begun:.2f} s")
    found.row("phase: all, from the start of the process", f"{phases[-1][1]:.2f} s")
    found.row("of this in its function", f"{record['answer_seconds']:.2f} s")


def steps_of_a_training(plan: Plan, public: Path, found: Found) -> None:
    """Tell what one step launches, copies and waits for."""
    said = run("-m", "benchmarks.on_gpu.steps", str(public), plan.device, seconds=min(SECONDS, plan.left()))
    counted = json.loads(said.splitlines()[-1])
    found.details["per step"] = counted
    for name in sorted(counted, key=lambda name: -counted[name])[:SHOWN_COUNTS]:
        found.row(f"per step: {name}", f"{counted[name]:.2f}")


@contextmanager
def failure_as_row(what: str, found: Found) -> Iterator[None]:
    """Let a measurement whose command fails have a row for that, and stop no other."""
    try:
        yield
    except CommandError as error:
        found.row(what, str(error), False)


def gradings_at_once(plan: Plan, data: Path, at_once: int, rates: dict[int, float], found: Found) -> float:
    """Grade so many times at once on one card; return how many seconds the first one took."""
    cell = CO_TEACHING.read_text(encoding="utf-8")
    started = time.monotonic()
    graded = grade_at_once([cell] * at_once, at_once, data, plan)
    rates[at_once] = 60 * at_once / (time.monotonic() - started)
    good = [result.record for result in graded if result.record.get("verdict") == "OK"]
    same = len({tuple(record["bac"]) for record in good}) == 1 and len(good) == at_once
    found.details["gradings per minute"] = rates
    found.row(
        f"{at_once} at once",
        f"{rates[at_once]:.1f} gradings/min, {rates[at_once] / rates[1]:.2f} times one; BACs "
        + ("the same" if same else f"OTHER: {list(map(str, graded))}"),
        same and (plan.dry_run or at_once < MOST or rates[at_once] >= TIMES_FASTER * rates[1]),
    )
    return graded[0].seconds


def measure(plan: Plan, found: Found) -> None:
    """Run this part."""
    data, public = plan.data("full"), plan.public("full")
    settings = Settings(data, "test_a", device=plan.device, threads=plan.threads, backend=plan.backend)
    folder = find_data(data)
    seconds, splits = timed(lambda: open_training_splits(folder))
    found.row("open and verify the data", f"{seconds:.2f} s")
    for which in ("first", "second"):
        found.row(f"warm-up, the {which} time", f"{timed(lambda: warm_up(splits, settings))[0]:.2f} s")
    bare, (models, _) = min(
        (timed(lambda: train_at_home(CO_TEACHING, public, plan.device, threads=plan.threads)) for _ in range(2)),
        key=lambda t: t[0],
    )
    images = len(splits["train"].dataset) * NUM_EPOCHS
    met = plan.dry_run or bare <= TRAINING_SECONDS
    found.row("bare training, full", f"{bare:.1f} s, {images / bare:,.0f} images/s", met)
    test_a = open_verified(folder, "test_a").dataset
    found.row("score test_a", f"{timed(lambda: evaluate(models, test_a))[0]:.2f} s")
    with failure_as_row("per step", found):
        steps_of_a_training(plan, public, found)
    rates: dict[int, float] = {}
    whole = gradings_at_once(plan, data, 1, rates, found)
    met = plan.dry_run or whole <= GRADING_SECONDS
    found.row("whole grading, full", f"{whole:.1f} s, {whole / bare:.2f} times the bare training", met)
    with failure_as_row("the grading by phases", found):
        phases_of_a_grading(plan, data, found)
    for at_once in (2,) if plan.dry_run else (8, 4, 2):  # what counts most first
        gradings_at_once(plan, data, at_once, rates, found)
