"""The JSON files in which benchmarks keep what they measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grader.safe_io import write_whole


def read_results(path: Path, *keys: str) -> dict[str, Any]:
    """Read the results that a benchmark stored.

    Raises:
        SystemExit: there are none, or the file lacks one of the keys.
    """
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SystemExit(f"error: no {path} to draw from: measure first, without --plot") from None
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {path} cannot be read as results: {error}") from None
    if not isinstance(results, dict) or not set(keys) <= results.keys():
        raise SystemExit(f"error: {path} holds no results of this benchmark: it needs {' and '.join(keys)}")
    return results


def write_results(path: Path, results: dict[str, Any]) -> None:
    """Write results, whole or not at all, into a folder that is made if need be; NaN is an error.

    Raises:
        SystemExit: they cannot be written.
    """
    text = json.dumps(results, indent=1, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
    except OSError as error:
        raise SystemExit(f"error: {path} cannot be written: {error.strerror}") from None


def require_place(path: Path) -> None:
    """Make the folder of the results before the long work.

    Raises:
        SystemExit: it cannot be made, or the results' place is taken by a folder.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(f"error: {path.parent} cannot be made: {error.strerror}") from None
    if path.is_dir():
        raise SystemExit(f"error: {path} is a folder: name a JSON file with --out")
