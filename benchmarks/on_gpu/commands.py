"""Commands of the kit in processes of their own, and why they failed."""

from __future__ import annotations

import subprocess
import sys

LINES = 3  # of what it said last, for the reason


class CommandError(Exception):
    """A command failed, or was not done in time; the message says what it said last."""


def run(*arguments: str, seconds: float) -> str:
    """Run Python with these arguments; return what it printed.

    Args:
        seconds: wall clock; then it is killed.

    Raises:
        CommandError: its exit status is not 0, or its time was over.
    """
    command = [sys.executable, *arguments]
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=max(seconds, 0), check=False
        )
    except subprocess.TimeoutExpired:
        raise CommandError(f"not done after {seconds:.0f} s") from None
    if ran.returncode != 0:
        last = " ".join((ran.stdout + ran.stderr).strip().splitlines()[-LINES:])
        raise CommandError(f"exit status {ran.returncode}: {last}")
    return ran.stdout
