"""The practice data that the other parts use, built once, side by side."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.on_gpu.commands import run
from benchmarks.on_gpu.plan import Found, Plan

CODE = "import sys; from grader.validation.references import practice_data; practice_data(sys.argv[1])"


def measure(plan: Plan, found: Found) -> None:
    """Run this part."""
    started = time.monotonic()
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda profile: run("-c", CODE, profile, seconds=plan.left()), plan.profiles))
    found.row(", ".join(plan.profiles), f"{time.monotonic() - started:.1f} s")
