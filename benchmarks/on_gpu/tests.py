"""The tests that need a GPU, and what they note."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.on_gpu.plan import Found, Plan


def shown(value: object) -> str:
    """Return a noted value, a number with one decimal."""
    return f"{value:.1f}" if isinstance(value, float) else str(value)


class Noting:
    """A plugin of pytest that adds a row for each test as it ends: its outcome, what it noted, why it failed."""

    def __init__(self, found: Found) -> None:
        self.outcomes: Counter[str] = Counter()
        self._found = found

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Run the quick ones first."""
        items.sort(key=lambda item: item.get_closest_marker("slow") is not None)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Take one phase of a test: the call, or a start or an end that went wrong."""
        if report.when != "call" and report.outcome == "passed":
            return
        self.outcomes[report.outcome] += 1
        why = report.longreprtext[-800:] if report.outcome == "failed" else ""
        noted = [f"{name} {shown(value)}" for name, value in report.user_properties]
        name = report.nodeid.rpartition("::")[2]
        self._found.row(name, "; ".join([report.outcome, *noted, *filter(None, [why])]), report.outcome == "passed")


def run_tests(plan: Plan, found: Found, marks: str) -> None:
    """Run the tests with these marks in this process, where pytest is installed; in a dry run only collect them."""
    if any(importlib.util.find_spec(name) is None for name in ("pytest", "hypothesis")):
        found.row(f'pytest -m "{marks}"', "left out: pytest or hypothesis is not installed")
        return
    import pytest

    files = [str(path) for path in sorted(Path("tests").glob("test_*.py")) if "mark.cuda" in path.read_text()]
    options = ["-v", "-m", marks, "-p", "no:cacheprovider"]
    options += ["-W", "default"]  # what newer packages warn of is no fault of the card
    noting = Noting(found)
    ended = pytest.main([*options, *(["--collect-only"] if plan.dry_run else []), *files], plugins=[noting])
    told = ", ".join(f"{count} {outcome}" for outcome, count in noting.outcomes.items()) or "none was run"
    passed = plan.dry_run or set(noting.outcomes) == {"passed"}
    found.row(f'pytest -m "{marks}"', told, ended == pytest.ExitCode.OK and passed)
