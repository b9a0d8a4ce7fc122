"""The command; see `benchmarks.on_gpu`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks import on_gpu
from benchmarks.on_gpu.plan import Found, Plan
from grader.sandbox import Backend, bwrap_problem, card

STAGES = (
    {"start": 60},
    {"speed": 180},
    {"hostile": 180},
    {"bits": 300, "sandbox": 300, "references": 300},
)
"""The parts, in their order, and how many seconds each may take; those of one stage run side by side."""
SECONDS = {name: seconds for stage in STAGES for name, seconds in stage.items()}
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Part:
    """A part that runs, in a process group of its own.

    Attributes:
        started: `time.monotonic()` at its start.
        log: what it prints.
        result: what it found so far; see `Found`.
    """

    name: str
    process: subprocess.Popen[bytes]
    started: float
    log: Path
    result: Path

    def ended(self) -> str | None:
        """Say how it ended, also where its time is over; None as long as it may go on."""
        if (status := self.process.poll()) is not None:
            return f"exit status {status}"
        limit = SECONDS[self.name]
        return f"not done after {limit} s" if time.monotonic() - self.started > limit else None

    def kill(self) -> None:
        """Kill it, unless it has ended, with all that it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def found(self, ended: str) -> dict[str, Any]:
        """Return what it found, and how long it took."""
        seconds = time.monotonic() - self.started
        found: dict[str, Any] = {"rows": [], "details": {}}
        if self.result.exists():
            found = json.loads(self.result.read_text())
            self.result.unlink()
        if ended != "exit status 0":
            last = self.log.read_text(errors="replace").strip().splitlines()[-1:]
            found["rows"].append((ended, " ".join(last), False))
        return {**found, "seconds": seconds}


def start_part(name: str, plan: Plan) -> Part:
    """Start a part."""
    result, log = plan.out / f"{name}.json", plan.out / f"{name}.log"
    result.unlink(missing_ok=True)
    command = [sys.executable, "-u", "-m", "benchmarks.on_gpu", "--in-process", name]
    command += ["--out", str(plan.out), "--sandbox", plan.backend.value, *(["--dry-run"] if plan.dry_run else [])]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, start_new_session=True)
    return Part(name, process, time.monotonic(), log, result)


def run_stage(names: list[str], plan: Plan) -> Iterator[tuple[str, dict[str, Any]]]:
    """Run parts side by side; as each ends, or is killed at its time limit, yield its name and what it found."""
    running = [start_part(name, plan) for name in names]
    try:
        while running:
            for part in list(running):
                if (ended := part.ended()) is not None:
                    part.kill()
                    running.remove(part)
                    yield part.name, part.found(ended)
            time.sleep(POLL_SECONDS)
    finally:
        for part in running:
            part.kill()


def table(parts: dict[str, dict[str, Any]]) -> str:
    """Return all rows as a Markdown table."""
    lines = ["| part | what | value | as it should be |", "|---|---|---|---|"]
    for name, found in parts.items():
        for what, value, met in found["rows"]:
            lines.append(f"| {name} | {what} | {value} | {'' if met is None else 'yes' if met else '**no**'} |")
        lines.append(f"| {name} | the whole part | {found['seconds']:.0f} s | |")
    return "\n".join(lines)


def main() -> int:
    """Parse the command line and run the parts."""
    parser = argparse.ArgumentParser(description=on_gpu.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(SECONDS)}; default: all")
    parser.add_argument("--out", type=Path, default=Path("build/on_gpu"))
    parser.add_argument("--dry-run", action="store_true", help="the same way on the CPU, with the smallest data")
    parser.add_argument("--sandbox", choices=("bwrap", "none"), help="default: bwrap where it works")
    parser.add_argument("--in-process", metavar="PART", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    usable = Backend.BWRAP if bwrap_problem() is None else Backend.NONE
    plan = Plan(arguments.out, arguments.dry_run, Backend(arguments.sandbox) if arguments.sandbox else usable)
    wanted = set(arguments.parts) or SECONDS.keys()
    if unknown := wanted - SECONDS.keys():
        parser.error(f"no part named {', '.join(sorted(unknown))}; there are {', '.join(SECONDS)}")
    if not plan.dry_run and not torch.cuda.is_available():
        parser.error("torch sees no GPU here: --dry-run goes the same way on the CPU")
    plan.out.mkdir(parents=True, exist_ok=True)
    if arguments.in_process:
        finding = Found(plan.out / f"{arguments.in_process}.json")
        importlib.import_module(f"benchmarks.on_gpu.{arguments.in_process}").measure(plan, finding)
        finding.write()
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no part is left running
    machine = {"torch": torch.__version__, "python": sys.version.split()[0], "cpus": os.cpu_count()}
    machine |= {} if plan.dry_run else card()
    whole: dict[str, Any] = {"machine": machine, "dry_run": plan.dry_run, "seconds": 0.0, "parts": {}}
    started, parts = time.monotonic(), {}
    try:
        for profile in ("debug",) if plan.dry_run else ("debug", "standard", "full"):
            plan.data(profile)
        for stage in STAGES:
            for name, found in run_stage([name for name in stage if name in wanted], plan):
                parts[name] = found
                whole["parts"] = {each: parts[each] for each in SECONDS if each in parts}
                whole["seconds"] = time.monotonic() - started
                (plan.out / "on_gpu.json").write_text(json.dumps(whole, indent=1) + "\n")
                print(f"{name}: {found['seconds']:.0f} s", file=sys.stderr, flush=True)
    finally:  # where it is stopped, what it has until then
        print(f"{', '.join(f'{name} {value}' for name, value in machine.items())}; {whole['seconds']:.0f} s in all\n")
        print(table(whole["parts"]))
    return int(any(met is False for found in parts.values() for _, _, met in found["rows"]))


if __name__ == "__main__":
    sys.exit(main())
