"""What does a notebook in its sandbox see of a GPU, and is that all?"""

from __future__ import annotations

import json
import os
import re
from typing import Any

from benchmarks.on_gpu.gradings import grade_at_once
from benchmarks.on_gpu.plan import Found, Plan
from competition.notebook import graft, notebook_text
from grader.grading import Settings, grade
from grader.sandbox import Backend, bwrap_problem
from tests.redteam import read_corpus

PROBE = """
import json, os, pathlib
import torch
seen = {"cuda": torch.cuda.is_available(), "environment": sorted(os.environ)}
if seen["cuda"]:
    torch.manual_seed(0)
    seen["card"], seen["cards"] = torch.cuda.get_device_name(0), torch.cuda.device_count()
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1)).to("cuda")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    images = torch.rand(512, 64, device="cuda")
    losses = []
    for _ in range(100):
        loss = (model(images).squeeze(1) - images.mean(1)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    seen["losses"] = losses[0], losses[-1]
seen["dev"] = sorted(str(path) for path in pathlib.Path("/dev").rglob("*") if "/pts/" not in str(path))
seen["proc"] = sorted(str(path) for path in pathlib.Path("/proc/driver").rglob("*"))
seen["sys"] = sorted(str(path) for path in pathlib.Path("/sys").glob("*"))
seen["mounts"] = sorted({line.split()[4] for line in open("/proc/self/mountinfo")})
print("SEEN" + json.dumps(seen) + "END")


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
"""
SECOND_LOOK = (
    *("files_devices", "files_proc", "files_environment", "files_kernel_settings", "files_write_elsewhere"),
    *("process_privileges", "process_scarce_things", "process_daemon"),
)


def look(plan: Plan, device: str) -> tuple[dict[str, Any], str]:
    """Let a notebook look around; return what it saw, and how its grading ended."""
    settings = Settings(plan.data("debug"), "test_a", device=device, threads=plan.threads, backend=plan.backend)
    record, artifacts = grade(notebook_text(graft(PROBE)).encode(), settings)
    printed = "".join(
        "".join(output.get("text", ""))
        for cell in json.loads(artifacts.executed or b'{"cells": []}')["cells"]
        for output in cell.get("outputs", [])
    )
    seen = re.search(r"SEEN(.*)END", printed, re.DOTALL)
    return (json.loads(seen[1]) if seen else {}), f"{record.verdict.value}: {record.message}"


def measure(plan: Plan, found: Found) -> None:
    """Run this part."""
    found.row("bubblewrap", bwrap_problem() or "works", plan.backend is Backend.BWRAP)
    found.details["LD_LIBRARY_PATH"] = os.environ.get("LD_LIBRARY_PATH")
    (with_card, ended), (without, _) = look(plan, plan.device), look(plan, "cpu")
    found.details |= {"seen on a GPU": with_card, "seen on a CPU": without}
    found.row("the looking notebook", ended, ended.startswith("OK"))
    found.row("it sees a GPU", str(with_card.get("card", "none")), plan.dry_run or with_card.get("cuda") is True)
    if losses := with_card.get("losses"):
        found.row("its own model's loss there", f"{losses[0]:.4f} to {losses[1]:.4f}", losses[1] < losses[0] / 2)
    for kind in ("dev", "proc", "sys", "mounts", "environment"):
        more = sorted(set(with_card.get(kind, [])) - set(without.get(kind, [])))
        found.row(f"more than on a CPU: {kind}", ", ".join(more) or "nothing")
    corpus = {attack.name: attack for attack in read_corpus()}
    if plan.backend is not Backend.BWRAP:
        found.row("attacks", "left out: nothing would hold them here")
        return
    names = SECOND_LOOK[:1] if plan.dry_run else SECOND_LOOK
    graded = grade_at_once(
        [corpus[name].cell for name in names],
        max((os.cpu_count() or 1) // 4, 1),  # it is not alone
        plan.data("debug"),
        plan,
    )
    for name, result in zip(names, graded, strict=True):
        as_expected = result.record.get("verdict") == corpus[name].verdict and "REACHED" not in str(result)
        found.row(f"attack {name}", str(result).split(":")[0] if as_expected else str(result), as_expected)
