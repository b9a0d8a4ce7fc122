"""The command; see `benchmarks.on_gpu`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import on_gpu
from benchmarks.on_gpu.plan import Found, Plan
from grader.sandbox import Backend, bwrap_problem, card, cuda_is_available

STAGES = (
    {"start": 120},
    {"data": 60},
    {"speed": 240},
    {"hostile": 180},
    {"bits": 300, "sandbox": 300, "references": 300},
)
"""The parts, in their order, and how many seconds each may take; those of one stage run side by side."""
SECONDS = {name: seconds for stage in STAGES for name, seconds in stage.items()}
ALL_SECONDS = 470.0  # of one call
DRY_RUN_TIMES = 5  # as much of both on a CPU, which may be a busy one
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Part:
    """A part that runs, in a process group of its own.

    Attributes:
        started: `time.monotonic()` at its start.
        seconds: its time limit.
        log: what it prints.
        result: what it found so far; see `Found`.
    """

    name: str
    process: subprocess.Popen[bytes]
    started: float
    seconds: float
    log: Path
    result: Path

    def ended(self) -> str | None:
        """Say how it ended, also where its time is over; None as long as it may go on."""
        if (status := self.process.poll()) is not None:
            return f"exit status {status}"
        return f"not done after {self.seconds:.0f} s" if time.monotonic() - self.started > self.seconds else None

    def kill(self) -> None:
        """Kill all that it started, and itself, unless it has ended."""
        with suppress(ProcessLookupError):
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
    """Start a part; it ends by its own limit, or by the plan's."""
    started = time.monotonic()
    seconds = min(SECONDS[name] * (DRY_RUN_TIMES if plan.dry_run else 1), plan.left())
    result, log = plan.out / f"{name}.json", plan.out / f"{name}.log"
    result.unlink(missing_ok=True)
    command = [sys.executable, "-u", "-m", "benchmarks.on_gpu", "--in-process", name]
    command += ["--out", str(plan.out), "--sandbox", plan.backend.value, "--seconds", str(seconds)]
    command += ["--dry-run"] if plan.dry_run else []
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, start_new_session=True)
    return Part(name, process, started, seconds, log, result)


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


def end_with(parent: int) -> None:
    """End this part with all that it started once the command is gone, however that ended."""
    while os.getppid() == parent:
        time.sleep(1)
    os.killpg(0, signal.SIGKILL)


def run_part(name: str, plan: Plan) -> None:
    """Run one part in this process, which leads a process group."""
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    found = Found(plan.out / f"{name}.json")
    importlib.import_module(f"benchmarks.on_gpu.{name}").measure(plan, found)
    found.write()


def earlier_parts(path: Path, machine: dict[str, Any]) -> dict[str, Any]:
    """Return what an earlier call found on this machine; nothing of another machine, or where there was none."""
    whole = json.loads(path.read_text()) if path.exists() else {}
    return dict(whole["parts"]) if whole.get("machine") == machine else {}


def run_stages(wanted: set[str], plan: Plan, machine: dict[str, Any]) -> bool:
    """Run parts and print what was found; return whether all of them ended well and found all as it should be."""
    path, started = plan.out / "on_gpu.json", time.monotonic()
    parts, ended = earlier_parts(path, machine), {}
    try:
        for stage in STAGES:
            for name, found in run_stage([name for name in stage if name in wanted], plan):
                ended[name] = parts[name] = found
                parts = {each: parts[each] for each in SECONDS if each in parts}
                whole = {"machine": machine, "seconds": time.monotonic() - started, "parts": parts}
                path.write_text(json.dumps(whole, indent=1) + "\n")
                print(f"{name}: {found['seconds']:.0f} s", file=sys.stderr, flush=True)
    finally:  # where it is stopped, what it has until then
        seconds = time.monotonic() - started
        print(f"{', '.join(f'{name} {value}' for name, value in machine.items())}; {seconds:.0f} s in all\n")
        print(table(parts))
    return ended.keys() == wanted and not any(met is False for found in ended.values() for *_, met in found["rows"])


def main() -> int:
    """Parse the command line and run the parts."""
    parser = argparse.ArgumentParser(description=on_gpu.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(SECONDS)}; default: all")
    parser.add_argument("--out", type=Path, default=Path("build/on_gpu"))
    parser.add_argument("--seconds", type=float, help=f"for all parts together; default: {ALL_SECONDS:.0f}")
    parser.add_argument("--dry-run", action="store_true", help="the same way on the CPU, with the smallest data")
    parser.add_argument("--sandbox", choices=("bwrap", "none"), help="default: bwrap where it works")
    parser.add_argument("--in-process", metavar="PART", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    usable = Backend.BWRAP if bwrap_problem() is None else Backend.NONE
    plan = Plan(
        out=arguments.out,
        dry_run=arguments.dry_run,
        backend=Backend(arguments.sandbox) if arguments.sandbox else usable,
        end=time.monotonic() + (arguments.seconds or ALL_SECONDS * (DRY_RUN_TIMES if arguments.dry_run else 1)),
    )
    wanted = set(arguments.parts) or set(SECONDS)
    if unknown := wanted - SECONDS.keys():
        parser.error(f"no part named {', '.join(sorted(unknown))}; there are {', '.join(SECONDS)}")
    if not plan.dry_run and not cuda_is_available():
        parser.error("torch sees no GPU here: --dry-run goes the same way on the CPU")
    plan.out.mkdir(parents=True, exist_ok=True)
    if arguments.in_process:
        run_part(arguments.in_process, plan)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no part is left running
    machine = {"torch": version("torch"), "python": sys.version.split()[0], "cpus": os.cpu_count()}
    return int(not run_stages(wanted, plan, machine | ({"dry run": "yes"} if plan.dry_run else card())))


if __name__ == "__main__":
    sys.exit(main())
