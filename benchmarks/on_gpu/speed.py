"""Where does the time of a grading on a GPU go, and how many are graded at once on one card?"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from benchmarks.at_home import train_at_home
from benchmarks.on_gpu.gradings import SECONDS, grade_at_once
from benchmarks.on_gpu.plan import CO_TEACHING, Found, Plan
from competition.task.constants import NUM_EPOCHS
from competition.task.data import load_data
from competition.task.training import train_two_models
from grader.grading import Settings, find_data, open_training_splits
from grader.grading.trainer import evaluate, open_verified, warm_up

TRAINING_SECONDS, GRADING_SECONDS, TIMES_FASTER, MOST = 10.0, 25.0, 3.0, 8  # the goals
PROFILED_BATCHES = 8
PHASES = {
    "imports": "imports, and the card's name",
    "starting": "the notebook's kernel starts, beside it data and warm-up",
    "epoch 1 of 6": "training, its function, and the end of the notebook",
}


def timed(body: Callable[[], Any]) -> tuple[float, Any]:
    """Return how many seconds something took, what it left on the card to do included, and what it gave."""
    started = time.perf_counter()
    result = body()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started, result


def half(targets: torch.Tensor, losses: list[torch.Tensor]) -> list[torch.Tensor]:
    """Select the half of a batch with the peer's smallest losses."""
    return [loss.argsort()[: len(targets) // 2] for loss in reversed(losses)]


def count(batches: Any, validation: Any, device: str) -> Counter[str]:
    """Count what a training of one epoch launches, copies and waits for on the card."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as profile:
        train_two_models(batches, validation, half, device=torch.device(device), epochs=1, progress=None)
    counted: Counter[str] = Counter()
    for event in profile.events():
        name = event.name
        if str(event.device_type).endswith("CUDA"):
            counted[name.split(" (")[0] if name.startswith("Memcpy") else "kernels"] += 1
            counted["busy, ms"] += event.device_time_total / 1000
        elif name in ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaLaunchKernel"):
            counted[name] += 1
    return counted


def count_per_step(plan: Plan) -> dict[str, float]:
    """Count per batch, without models, validation and a first use: by how much twice as many batches differ."""
    train_loader, val_loader = load_data(plan.public("full"))
    batches, nothing = list(itertools.islice(train_loader, 2 * PROFILED_BATCHES)), list(val_loader)[:1]
    some = batches[: len(batches) // 2]
    fewer, more = (count(which, nothing, plan.device) for which in (some, batches))
    return {name: (more[name] - fewer[name]) / (len(batches) - len(some)) for name in more}


def phases_of_a_grading(plan: Plan, data: Path, found: Found) -> None:
    """Grade in a process of its own, and tell how long each phase took."""
    command = [sys.executable, "-m", "benchmarks.on_gpu.timeline", str(CO_TEACHING), str(data)]
    command += [plan.device, plan.backend.value, str(plan.threads)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    except subprocess.SubprocessError as error:
        found.row("phases of a grading", str(error), False)
        return
    said = json.loads(ran.stdout.splitlines()[-1])
    found.details["timeline"] = said
    phases = [phase for phase in said["phases"] if not phase[0].startswith("epoch") or phase[0].startswith("epoch 1 ")]
    for (phase, begun), (_, ended) in pairwise(phases):
        found.row(f"phase: {PHASES.get(phase, phase)}", f"{ended - begun:.2f} s")
    found.row("phase: all, from the start of the process", f"{phases[-1][1]:.2f} s")
    found.row("of this in its function", f"{said['record']['answer_seconds']:.2f} s")


def gradings_at_once(plan: Plan, data: Path, bare: float, found: Found) -> None:
    """Grade 1, 2, 4 and 8 times at once on one card, what counts most first."""
    cell = CO_TEACHING.read_text(encoding="utf-8")
    rates: dict[int, float] = {}
    for at_once in (1, 2) if plan.dry_run else (1, 8, 4, 2):
        started = time.monotonic()
        graded = grade_at_once(
            [cell] * at_once, at_once, data, plan.device, plan.backend.value, "--threads", str(plan.threads)
        )
        rates[at_once] = 60 * at_once / (time.monotonic() - started)
        good = [result.record for result in graded if result.record.get("verdict") == "OK"]
        same = len({tuple(record["bac"]) for record in good}) == 1 and len(good) == at_once
        if at_once == 1:
            whole = graded[0].seconds
            met = plan.dry_run or whole <= GRADING_SECONDS
            found.row("whole grading, full", f"{whole:.1f} s, {whole / bare:.2f} times the bare training", met)
        found.row(
            f"{at_once} at once",
            f"{rates[at_once]:.1f} gradings/min, {rates[at_once] / rates[1]:.2f} times one; BACs "
            + ("the same" if same else f"OTHER: {list(map(str, graded))}"),
            same and (plan.dry_run or at_once < MOST or rates[at_once] >= TIMES_FASTER * rates[1]),
        )
    found.details["gradings per minute"] = rates


def measure(plan: Plan, found: Found) -> None:
    """Run this part."""
    data, public = plan.data("full"), plan.public("full")
    phases_of_a_grading(plan, data, found)
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
    gradings_at_once(plan, data, bare, found)
    counted = count_per_step(plan)  # last: it is not known what a profiler leaves behind
    found.details["per step"] = counted
    for name in sorted(counted, key=lambda name: -counted[name])[:12]:
        found.row(f"per step: {name}", f"{counted[name]:.2f}")
