"""Are the bits the same: of two trainings, at home and at the grader? How far are CPU and GPU apart?"""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import torch

from benchmarks.at_home import train_at_home
from benchmarks.on_gpu.plan import CO_TEACHING, Found, Plan
from competition.notebook import graft, notebook_text
from competition.task.constants import SEED
from competition.task.data import load_data
from competition.task.epoch import Epoch
from competition.task.model import SmallMobileNet
from competition.task.reproducibility import seed_everything
from grader.grading import Settings, grade, load_models, write_run

Trained = tuple[list[SmallMobileNet], list[Epoch]]


def equal(first: list[SmallMobileNet], second: list[SmallMobileNet]) -> bool:
    """Say whether two pairs of models have the same bits."""
    pairs = zip(first, second, strict=True)
    return all(
        torch.equal(one.cpu(), other.cpu())
        for ours, theirs in pairs
        for one, other in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)
    )


def first_logits(public: Path, device: str, threads: int) -> torch.Tensor:
    """Return the logits of a model that has learned nothing, in evaluation mode, on the first batch; float32 [B, 2]."""
    seed_everything(SEED, threads)
    model = SmallMobileNet().to(device).to(memory_format=torch.channels_last).eval()
    images, _ = next(iter(load_data(public)[0]))
    with torch.no_grad():
        return model(images.to(device)).cpu()


def compare_devices(plan: Plan, found: Found) -> None:
    """Tell how far the CPU is from the GPU: in one forward pass, and in the scores of a training.

    A training drifts apart at once, as its dropout draws from another generator on a GPU.
    """
    public = plan.public("standard")
    one, other = (first_logits(public, device, plan.threads) for device in ("cpu", plan.device))
    found.row("CPU against GPU: logits, relative", f"{float((one - other).norm() / one.norm()):.1e}")
    for device in ("cpu", plan.device):
        _, history = train_at_home(CO_TEACHING, public, device, threads=plan.threads)
        found.row(f"validation BAC, co_teaching on standard, {device}", "{:.4f} {:.4f}".format(*history[-1].val_bac))


def compare_trainings(plan: Plan, found: Found) -> None:
    """Train twice at home, and once at the grader: models and history must have the same bits."""
    data, public = plan.data("full"), plan.public("full")
    trainings: list[Trained] = []
    for _ in range(2):
        trainings.append(train_at_home(CO_TEACHING, public, plan.device, threads=plan.threads))
    settings = Settings(data, "test_a", device=plan.device, threads=plan.threads, backend=plan.backend)
    record, artifacts = grade(notebook_text(graft(CO_TEACHING.read_text(encoding="utf-8"))).encode(), settings)
    found.details["record"] = {**record.versions, "verdict": record.verdict.value, "message": record.message}
    if record.bac is None:
        found.row("the grading", f"{record.verdict.value}: {record.message}", False)
        return
    with tempfile.TemporaryDirectory() as scratch:
        run = write_run(Path(scratch), record, artifacts)
        trainings.append((load_models(run), artifacts.history))
    for names, ((first, one), (second, other)) in zip(
        ("twice at home", "at home and at the grader"), pairwise(trainings), strict=True
    ):
        same = equal(first, second) and one == other
        found.row(f"bits {names}, full", "the same" if same else "others", same)
    found.row("test_a BAC, co_teaching, full", f"{record.bac[0]:.4f} {record.bac[1]:.4f}, {record.points} points")


def measure(plan: Plan, found: Found) -> None:
    """Run this part."""
    compare_trainings(plan, found)
    compare_devices(plan, found)
