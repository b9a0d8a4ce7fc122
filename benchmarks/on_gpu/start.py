"""How long does it take until a fresh process has computed something on the card, the first time and then?"""

from __future__ import annotations

import time

from benchmarks.on_gpu.commands import run
from benchmarks.on_gpu.plan import Found, Plan

CODE = """
import sys, time
started = time.monotonic()
import torch, torchvision, sklearn.metrics, pandas, matplotlib.pyplot
imported = time.monotonic()
torch.nn.Conv2d(1, 8, 3).to(sys.argv[1])(torch.rand(8, 1, 28, 28, device=sys.argv[1])).sum().item()
print(f"{imported - started:.1f} s of imports, {time.monotonic() - imported:.1f} s to the first convolution")
"""


def measure(plan: Plan, found: Found) -> None:
    """Run this part."""
    for which in ("first", "second"):
        started = time.monotonic()
        said = run("-c", CODE, plan.device, seconds=plan.left())
        found.row(f"{which} process", f"{time.monotonic() - started:.1f} s: {said}")
