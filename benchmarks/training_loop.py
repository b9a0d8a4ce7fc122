"""How much faster is the task's training loop than a naive one that computes the same?

    python -m benchmarks.training_loop [--repeats 3]

Naive: the same layers in the NCHW layout, gradients in the selection pass too, every PNG decoded at every access.
Both loops train on one thread, in turn, each in a process of its own, with the default selection, 10 batches long and
6 epochs. Printed: the time of each and their ratio, pair by pair.

Do they compute the same? The losses of the first 20 steps must agree to 1e-3: in float64 over the 20 steps of two
trainings, and in float32 at each of the 20 steps of the naive training, from the same weights and random numbers. Over
two trainings rounding grows from step to step, as AdamW turns even a small gradient into a full step; so beside the
difference in float32 stands that of the naive loop from itself, on two threads instead of one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.functional import to_tensor

from competition.build import build_data
from competition.pool import fashion_pool
from competition.profiles import NOISE, PRACTICE_SEED, Profile
from competition.task.baseline import default_select_indices
from competition.task.constants import BATCH_SIZE, IMAGES_DIR, LEARNING_RATE, NUM_EPOCHS, SEED, WEIGHT_DECAY
from competition.task.data import Batches, TaskDataset, make_loader
from competition.task.metric import predict_and_evaluate
from competition.task.model import SmallMobileNet
from competition.task.reproducibility import keep_freed_memory, seed_everything
from competition.task.training import train

BATCHES = 10
COMPARED_STEPS = 20
RTOL = 1e-3


class NaiveDataset(Dataset[tuple[torch.Tensor, int]]):
    """Decodes an image each time somebody looks at it."""

    def __init__(self, files: list[Path], targets: list[int]) -> None:
        self.files, self.targets = files, targets

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.files[index]) as image:
            return to_tensor(image.convert("L")), self.targets[index]


def naive_model(model: SmallMobileNet) -> nn.Module:
    """Build the same network as one row of layers, with the weights of `model`."""
    layers: list[nn.Module] = []
    for layer in model.features.modules():
        if isinstance(layer, nn.Conv2d):
            layers += [layer, nn.BatchNorm2d(layer.out_channels), nn.ReLU6(inplace=True)]
    linear_1, _, dropout, linear_2 = model.classifier
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear_1, nn.ReLU6(inplace=True), dropout, linear_2]
    return nn.Sequential(*layers, *head)


class EnoughSteps(Exception):
    """Ends a training whose first losses are all that is wanted."""


def open_data(root: Path) -> tuple[Batches, Batches]:
    """Make the loaders of both splits; their images are decoded when they are first looked at."""
    return make_loader(TaskDataset(root / "train")), make_loader(TaskDataset(root / "val"))


Watch = Callable[[list[nn.Module], torch.Tensor, torch.Tensor], None]


def naive_losses(
    root: Path,
    dtype: torch.dtype = torch.float32,
    threads: int = 1,
    steps: int | None = None,
    watch: Watch = lambda models, inputs, labels: None,
) -> torch.Tensor:
    """Train both models in the naive way; return the mean loss of every selection pass, float64 [steps].

    Args:
        watch: is shown the models and the batch before every selection pass.
    """
    train_loader, val_loader = open_data(root)
    val_loader.dataset.images = val_loader.dataset.images.to(dtype)
    train = train_loader.dataset
    files = [root / "train" / IMAGES_DIR / name for name in train.files]
    dataset = NaiveDataset(files, train.targets.tolist())
    loader = DataLoader(dataset, batch_size=BATCH_SIZE, generator=torch.Generator())  # as the task's, it moves no other
    seed_everything(SEED)
    models = [naive_model(SmallMobileNet()).to(dtype) for _ in range(2)]
    seed_everything(SEED)
    torch.set_num_threads(threads)
    optimizers = [torch.optim.AdamW(m.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY) for m in models]
    seen: list[torch.Tensor] = []
    for _ in range(NUM_EPOCHS):
        for images, labels in loader:
            inputs = images.to(dtype)
            watch(models, inputs, labels)
            losses = [F.cross_entropy(model(inputs), labels, reduction="none") for model in models]
            seen.append(torch.cat(losses).detach().double().mean())
            if len(seen) == steps:
                return torch.stack(seen)
            selections = default_select_indices(labels, losses)
            for model, optimizer, selection in zip(models, optimizers, selections, strict=True):
                optimizer.zero_grad()
                F.cross_entropy(model(inputs[selection]), labels[selection]).backward()
                optimizer.step()
        for model in models:
            predict_and_evaluate(model, val_loader)
    return torch.stack(seen)


def task_losses(
    root: Path, dtype: torch.dtype = torch.float32, threads: int = 1, steps: int | None = None
) -> torch.Tensor:
    """Train both models with the task's own loop; return the mean loss of every selection pass, float64 [steps]."""
    train_loader, val_loader = open_data(root)
    for loader in (train_loader, val_loader):
        loader.dataset.images = loader.dataset.images.to(dtype)
    keep_freed_memory()
    seed_everything(SEED)
    models = [SmallMobileNet().to(dtype).to(memory_format=torch.channels_last) for _ in range(2)]
    seed_everything(SEED)
    torch.set_num_threads(threads)
    seen: list[torch.Tensor] = []

    def watching(targets: torch.Tensor, losses: list[torch.Tensor]) -> list[torch.Tensor]:
        seen.append(torch.cat(losses).double().mean())
        if len(seen) == steps:
            raise EnoughSteps
        return default_select_indices(targets, losses)

    with contextlib.suppress(EnoughSteps):
        train(models, train_loader, val_loader, watching, progress=None)
    return torch.stack(seen)


def losses_from_the_same_weights(root: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean losses of the first selection passes, float64 [COMPARED_STEPS], by task and naive models.

    At each step of a naive training the task's models get the naive ones' weights and draw the same random numbers.
    """
    twins = [SmallMobileNet().to(memory_format=torch.channels_last) for _ in range(2)]
    seen: list[torch.Tensor] = []

    def watch(models: list[nn.Module], inputs: torch.Tensor, labels: torch.Tensor) -> None:
        losses = []
        with torch.random.fork_rng(), torch.no_grad():
            for twin, model in zip(twins, models, strict=True):
                twin.load_state_dict(dict(zip(twin.state_dict(), model.state_dict().values(), strict=True)))
                losses.append(F.cross_entropy(twin.train()(inputs), labels, reduction="none"))
        seen.append(torch.cat(losses).double().mean())

    naive = naive_losses(root, steps=COMPARED_STEPS, watch=watch)
    return torch.stack(seen), naive


LOOPS = {"naive": naive_losses, "task": task_losses}


def time_loop(which: str, root: Path) -> tuple[float, torch.Tensor]:
    """Run one whole training in a process of its own; return its seconds and the losses of its first steps."""
    command = [sys.executable, "-m", "benchmarks.training_loop", "--loop", which, "--root", str(root)]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return report["seconds"], torch.tensor(report["losses"], dtype=torch.float64)


def largest_difference(losses: torch.Tensor, reference: torch.Tensor) -> float:
    """Return the largest relative difference of two courses of losses."""
    return float(((losses - reference).abs() / reference.abs()).max())


def compare(repeats: int) -> None:
    """Time both loops in turn, compare their losses, print the table."""
    with tempfile.TemporaryDirectory() as scratch:
        profile = Profile("benchmark", BATCHES * BATCH_SIZE, 16, 16, 16)
        build_data(fashion_pool(), profile, NOISE, PRACTICE_SEED, Path(scratch) / "data")
        root = Path(scratch) / "data" / "public"
        ratios = []
        for repeat in range(1, repeats + 1):
            (naive, naive_seen), (task, task_seen) = time_loop("naive", root), time_loop("task", root)
            ratios.append(naive / task)
            print(f"pair {repeat}: naive {naive:.1f} s, task {task:.1f} s, ratio {ratios[-1]:.2f}", flush=True)
        print(f"naive / task: median {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")
        exact = [loop(root, torch.float64, 2, COMPARED_STEPS) for loop in (task_losses, naive_losses)]
        from_same_weights = largest_difference(*losses_from_the_same_weights(root))
        itself = naive_losses(root, threads=2, steps=COMPARED_STEPS)
    difference, first = largest_difference(*exact), largest_difference(*(losses[:1] for losses in exact))
    print(f"largest relative difference of the mean losses in the first {COMPARED_STEPS} steps:")
    print(f"  float64, task from naive: {difference:.1e}; {first:.1e} at the first step")
    print(f"  float32, each step from the same weights, task from naive: {from_same_weights:.1e}")
    print(f"  float32, task from naive: {largest_difference(task_seen, naive_seen):.1e}")
    print(f"  float32, naive on two threads from naive on one: {largest_difference(itself, naive_seen):.1e}")
    if max(difference, from_same_weights) > RTOL:
        raise SystemExit(f"error: the loops do not compute the same, to {RTOL:.0e}")


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Time the task's training loop against a naive one.")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--loop", choices=LOOPS, help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.loop is None:
        compare(arguments.repeats)
        return
    started = time.perf_counter()
    losses = LOOPS[arguments.loop](arguments.root)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "losses": losses[:COMPARED_STEPS].tolist()}))


if __name__ == "__main__":
    main()
