"""Where does the time of a grading on a GPU go, and how many are graded at once on one card?"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.at_home import train_at_home
from benchmarks.on_gpu.gradings import grade_at_once
from benchmarks.on_gpu.plan import CO_TEACHING, Found, Plan
from competition.task.constants import NUM_EPOCHS
from competition.task.data import load_data
from competition.task.training import train_two_models
from grader.grading import Settings, find_data, open_training_splits
from grader.grading.trainer import evaluate, open_verified, warm_up

TRAINING_SECONDS, GRADING_SECONDS, TIMES_FASTER = 10.0, 25.0, 3.0  # the goals


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


def count_per_step(plan: Plan) -> dict[str, float]:
    """Count, per batch of an epoch without its validation, what the training launches, copies and waits for."""
    train_loader, val_loader = load_data(plan.public("full"))
    nothing = list(val_loader)[:1]
    activities = [torch.profiler.ProfilerActivity.CPU]
    if not plan.dry_run:
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as profile:
        train_two_models(train_loader, nothing, half, device=torch.device(plan.device), epochs=1, progress=None)  # type: ignore[arg-type]
    counted: Counter[str] = Counter()
    for event in profile.events():
        name = event.name
        on_card = str(event.device_type).endswith("CUDA")
        if on_card:
            counted[name.split(" (")[0] if name.startswith("Memcpy") else "kernels"] += 1
            counted["busy, ms"] += event.device_time_total / 1000
        elif name in ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaLaunchKernel"):
            counted[name] += 1
    return {name: count / len(train_loader) for name, count in counted.items()}


def measure(plan: Plan, found: Found) -> None:
    """Run this part."""
    data, public = plan.data("full"), plan.public("full")
    settings = Settings(data, "test_a", device=plan.device, threads=plan.threads, backend=plan.backend)
    folder = find_data(data)
    parts = {}
    parts["open and verify the data"], splits = timed(lambda: open_training_splits(folder))
    parts["first use of the card, and warm-up"], _ = timed(lambda: warm_up(splits, settings))
    parts["warm-up again"], _ = timed(lambda: warm_up(splits, settings))
    bare, (models, _) = min(
        (timed(lambda: train_at_home(CO_TEACHING, public, plan.device, threads=plan.threads)) for _ in range(2)),
        key=lambda t: t[0],
    )
    images = len(splits["train"].dataset) * NUM_EPOCHS
    found.row(
        "bare training, full", f"{bare:.1f} s, {images / bare:,.0f} images/s", plan.dry_run or bare <= TRAINING_SECONDS
    )
    test_a = open_verified(folder, "test_a").dataset
    parts["score test_a"], _ = timed(lambda: evaluate(models, test_a))
    counted = count_per_step(plan)
    found.details["per step"] = counted
    for name in sorted(counted, key=lambda name: -counted[name])[:12]:
        found.row(f"per step: {name}", f"{counted[name]:.2f}")
    cell = CO_TEACHING.read_text(encoding="utf-8")
    rates: dict[int, float] = {}
    for at_once in (1, 2) if plan.dry_run else (1, 8, 4, 2):  # what counts most first
        started = time.monotonic()
        graded = grade_at_once(
            [cell] * at_once, at_once, data, plan.device, plan.backend.value, "--threads", str(plan.threads)
        )
        rates[at_once] = 60 * at_once / (time.monotonic() - started)
        good = [result.record for result in graded if result.record.get("verdict") == "OK"]
        same = len({tuple(record["bac"]) for record in good}) == 1 and len(good) == at_once
        if at_once == 1 and good:
            [record], whole = good, graded[0].seconds
            parts |= {
                "start of the kernel, to its first call": record["clock_seconds"] - record["answer_seconds"],
                "its function": record["answer_seconds"],
                "the training's own": record["seconds"] - record["clock_seconds"],
                "the rest: imports, data, warm-up, scoring, files": whole - record["seconds"],
            }
            found.row(
                "whole grading, full",
                f"{whole:.1f} s, {whole / bare:.2f} times the bare training",
                plan.dry_run or whole <= GRADING_SECONDS,
            )
        found.row(
            f"{at_once} at once",
            f"{rates[at_once]:.1f} gradings/min, {rates[at_once] / rates[1]:.2f} times one; BACs "
            + ("the same" if same else f"OTHER: {list(map(str, graded))}"),
            same,
        )
    found.details["gradings per minute"] = rates
    most = max(rates)
    found.row(
        f"{most} at once against one",
        f"{rates[most] / rates[1]:.2f} times",
        plan.dry_run or rates[most] >= TIMES_FASTER * rates[1],
    )
    for name, seconds in parts.items():
        found.row(f"part: {name}", f"{seconds:.2f} s")
    found.details["parts"] = parts
