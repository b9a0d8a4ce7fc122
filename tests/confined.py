"""A line of Python in the real sandbox under real limits, without a notebook: what a test of the limits needs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from grader.sandbox import INPUT_NOTEBOOK, Backend, Job, Limits, Watchdog, gateway_folder, run_notebook
from grader.verdicts import ParticipantFault


@dataclass(frozen=True)
class Script(Job):
    """A job that runs code instead of a notebook."""

    code: str = ""

    def papermill(self) -> list[str]:
        """Return Python's arguments; without site packages it starts at once."""
        return ["-S", "-c", self.code]


@dataclass(frozen=True)
class Ended:
    """How the code ended; see `grader.sandbox.Running`."""

    breach: ParticipantFault | None
    full: bool
    lost: str | None
    executed: bytes | None
    printed: str


def run_confined(code, folder, backend=Backend.BWRAP, **limits):
    """Run code in the sandbox, or without one, until it ends or breaks a limit."""
    allowed = replace(Limits(seconds=90.0), **limits)
    with gateway_folder() as gateway:
        (gateway / INPUT_NOTEBOOK).write_text("{}")
        job = Script(gateway, folder, folder, "cpu", 1, allowed, code=code)
        with run_notebook(backend, job) as running:
            with Watchdog(running, allowed) as watchdog:
                running.wait(120)
            running.stop()
            breach = watchdog.breach or running.breach()
            full, lost, executed = running.is_full(), running.lost(), running.executed(1 << 20)
    return Ended(breach, full, lost, executed, running.captured().decode())
