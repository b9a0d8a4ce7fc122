"""Cells that attack the card: the tests of the red-team corpus that need a GPU, with what they noted."""

from __future__ import annotations

from benchmarks.on_gpu.plan import Found, Plan
from benchmarks.on_gpu.tests import run_tests


def measure(plan: Plan, found: Found) -> None:
    """Run this part."""
    run_tests(plan, found, "cuda and slow")
