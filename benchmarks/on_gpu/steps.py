"""What one step of a training launches, copies and waits for on the card.

    python -m benchmarks.on_gpu.steps PUBLIC DEVICE

It prints a JSON object: counts per batch, and "busy, ms". It is a process of its own, as nobody knows what a profiler
leaves behind.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from competition.task.data import load_data
from competition.task.training import train_two_models

BATCHES = 40
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaLaunchKernel")


def half(targets: torch.Tensor, losses: list[torch.Tensor]) -> list[torch.Tensor]:
    """Select the half of a batch with the peer's smallest losses."""
    return [loss.argsort()[: len(targets) // 2] for loss in reversed(losses)]


def count(batches: Any, validation: Any, device: str, epochs: int) -> Counter[str]:
    """Count what a training launches, copies and waits for on the card."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as profile:
        train_two_models(batches, validation, half, device=torch.device(device), epochs=epochs, progress=None)
    counted: Counter[str] = Counter()
    for event in profile.events():
        name = event.name
        if event.is_user_annotation:  # a name for a stretch of time, on the card too: what lies in it is counted
            continue
        if str(event.device_type).endswith("CUDA"):
            counted[name.split(" (")[0] if name.startswith(("Memcpy", "Memset")) else "kernels"] += 1
            counted["busy, ms"] += event.device_time_total / 1000
        elif name in WAITS:
            counted[name] += 1
    return counted


def count_per_step(public: Path, device: str) -> dict[str, float]:
    """Count per batch, by how much two epochs differ from one: models, data and a first use are in both."""
    train_loader, val_loader = load_data(public)
    batches, validation = list(itertools.islice(train_loader, BATCHES)), list(val_loader)[:1]
    one, two = (count(batches, validation, device, epochs) for epochs in (1, 2))
    return {name: (two[name] - one[name]) / len(batches) for name in two}


if __name__ == "__main__":
    print(json.dumps(count_per_step(Path(sys.argv[1]), sys.argv[2])))
