"""The tests that need a GPU, with what they noted: most are cells of the red-team corpus that attack the card."""

from __future__ import annotations

from benchmarks.on_gpu.plan import Found, Plan
from benchmarks.on_gpu.tests import run_tests


def measure(plan: Plan, found: Found) -> None:
    """Run this part."""
    run_tests(plan, found, "cuda")
