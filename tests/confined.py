"""A line of Python in the real sandbox under real limits, without a notebook: what a test of the limits needs."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace

from grader.sandbox import (
    INPUT_NOTEBOOK,
    Backend,
    Job,
    Limits,
    ParticipantClock,
    Watchdog,
    gateway_folder,
    run_notebook,
)
from grader.verdicts import InfrastructureError, ParticipantFault


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

    breach: ParticipantFault | InfrastructureError | None
    full: bool
    lost: str | None
    executed: bytes | None
    printed: str


def run_confined(code, folder, backend=Backend.BWRAP, *, waited_for=True, **limits):
    """Run code in the sandbox, or without one, until it ends or breaks a limit: in its turn, or in the training's."""
    allowed, clock = replace(Limits(seconds=90.0, guard=110.0), **limits), ParticipantClock()
    with clock.waiting():
        pass  # it has connected; before that, nothing of the participant runs
    with gateway_folder() as gateway:
        (gateway / INPUT_NOTEBOOK).write_text("{}")
        job = Script(gateway, folder, folder, "cpu", 1, allowed, code=code)
        with run_notebook(backend, job) as running:
            with Watchdog(running, allowed, clock) as watchdog, clock.waiting() if waited_for else nullcontext():
                running.wait(120)
            running.stop()
            breach = watchdog.breach or running.breach()
            full, lost, executed = running.is_full(), running.lost(), running.executed(1 << 20)
    return Ended(breach, full, lost, executed, running.captured().decode())
