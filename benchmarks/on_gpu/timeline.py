"""One grading of a solution cell as ``grader grade`` goes, with the moment at which each phase began.

    python -m benchmarks.on_gpu.timeline CELL DATA DEVICE SANDBOX THREADS BORN

It prints a JSON object: "phases", a list of names and seconds since BORN, which is `time.time()` when the process was
started; "record".
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from competition.notebook import graft, notebook_text
from grader.grading import Settings, grade
from grader.sandbox import Backend


def main() -> None:
    """Grade, and print."""
    cell, data, device, backend, threads, born = sys.argv[1:]
    phases: list[tuple[str, float]] = [("imports", 0.0)]

    def note(phase: str) -> None:
        phases.append((phase, time.time() - float(born)))

    settings = Settings(Path(data), "test_a", device=device, threads=int(threads), backend=Backend(backend), tell=note)
    record, _ = grade(notebook_text(graft(Path(cell).read_text(encoding="utf-8"))).encode(), settings)
    note("end")
    print(json.dumps({"phases": phases, "record": asdict(record)}))


if __name__ == "__main__":
    main()
