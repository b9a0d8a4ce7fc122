"""The tests that need a GPU, and what they note."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.on_gpu.plan import Found, Plan


def shown(value: str) -> str:
    """Return a noted value, a number with one decimal."""
    try:
        return f"{float(value):.1f}"
    except ValueError:
        return value


def run_tests(plan: Plan, found: Found, marks: str) -> None:
    """Run the tests with these marks, where pytest is installed; a row for each, and for what it noted."""
    if any(importlib.util.find_spec(name) is None for name in ("pytest", "hypothesis")):
        found.row(f'pytest -m "{marks}"', "left out: pytest or hypothesis is not installed")
        return
    files = [str(path) for path in sorted(Path("tests").glob("test_*.py")) if "mark.cuda" in path.read_text()]
    report = plan.out / "tests.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-v", "-m", marks, "-p", "no:cacheprovider"]
    command += ["-W", "default"]  # what newer packages warn of is no fault of the card
    command += [f"--junitxml={report}", "-o", "junit_family=xunit1"]  # the family that holds what tests note
    ran = subprocess.run([*command, *(["--collect-only"] if plan.dry_run else []), *files], check=False)
    counts: Counter[str] = Counter()
    for case in ElementTree.parse(report).iter("testcase") if report.exists() else ():
        outcome = next((each.tag for each in case if each.tag in ("failure", "error", "skipped")), "passed")
        counts[outcome] += 1
        noted = [f"{each.get('name')} {shown(each.get('value', ''))}" for each in case.iter("property")]
        if noted:
            name = re.sub(r".*\[.*/(.*)\]", r"\1", case.get("name", ""))
            found.row(name, "; ".join(noted), outcome == "passed")
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "none was run"
    passed = plan.dry_run or set(counts) == {"passed"}
    found.row(f'pytest -m "{marks}"', told, ran.returncode == 0 and passed)
