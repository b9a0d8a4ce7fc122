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
from pathlib import Path
from typing import Any

import torch

from benchmarks import on_gpu
from benchmarks.on_gpu.plan import Found, Plan
from grader.sandbox import Backend, bwrap_problem, card

SECONDS = {"start": 90, "bits": 180, "sandbox": 150, "hostile": 240, "references": 400, "speed": 240}
"""The parts, in their order, and how long each may take."""


def run_part(name: str, plan: Plan) -> dict[str, Any]:
    """Run a part in a process group of its own, which is killed at its time limit; return what it found."""
    result, log = plan.out / f"{name}.json", plan.out / f"{name}.log"
    result.unlink(missing_ok=True)
    command = [sys.executable, "-u", "-m", "benchmarks.on_gpu", "--in-process", name]
    command += ["--out", str(plan.out), "--sandbox", plan.backend.value]
    started = time.monotonic()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, *(["--dry-run"] if plan.dry_run else [])], stdout=stream, stderr=stream, start_new_session=True
        )
        try:
            status = f"exit status {process.wait(SECONDS[name])}"
        except subprocess.TimeoutExpired:
            status = f"not done after {SECONDS[name]} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    seconds = time.monotonic() - started
    found = json.loads(result.read_text()) if result.exists() else {"rows": [], "details": {}}
    result.unlink(missing_ok=True)
    if status != "exit status 0":
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        found["rows"].append((status, " ".join(last), False))
    return {**found, "seconds": seconds}


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
    if unknown := set(arguments.parts) - SECONDS.keys():
        parser.error(f"no part named {', '.join(sorted(unknown))}; there are {', '.join(SECONDS)}")
    if not plan.dry_run and not torch.cuda.is_available():
        parser.error("torch sees no GPU here: --dry-run goes the same way on the CPU")
    plan.out.mkdir(parents=True, exist_ok=True)
    if arguments.in_process:
        found = Found(plan.out / f"{arguments.in_process}.json")
        importlib.import_module(f"benchmarks.on_gpu.{arguments.in_process}").measure(plan, found)
        found.write()
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no part is left running
    started, parts = time.monotonic(), {}
    for profile in ("debug",) if plan.dry_run else ("debug", "standard", "full"):
        plan.data(profile)
    for name in arguments.parts or SECONDS:
        parts[name] = run_part(name, plan)
        print(f"{name}: {parts[name]['seconds']:.0f} s", file=sys.stderr, flush=True)
    machine = {"torch": torch.__version__, "python": sys.version.split()[0], "cpus": os.cpu_count()}
    machine |= {} if plan.dry_run else card()
    whole = {"machine": machine, "dry_run": plan.dry_run, "seconds": time.monotonic() - started, "parts": parts}
    (plan.out / "on_gpu.json").write_text(json.dumps(whole, indent=1) + "\n")
    print(f"{', '.join(f'{name} {value}' for name, value in machine.items())}; {whole['seconds']:.0f} s in all\n")
    print(table(parts))
    return int(any(met is False for found in parts.values() for _, _, met in found["rows"]))


if __name__ == "__main__":
    sys.exit(main())
