"""A `Job` comes in, a notebook to execute where it can do no harm; out goes what it wrote, once nothing of it lives.

    backend   module       what it is
    bwrap     bubblewrap   namespaces, a read-only allow-list, everything writable a size-limited tmpfs: the default
    podman    container    a container of an image made beforehand, without network; run by hand only
    docker    container    the same with docker; never run by the authors
    confined  confined     Landlock and a filter of system calls, for where namespaces are refused
    none      plain        a plain child process that isolates nothing, for one's own notebook

All stand behind `run_notebook`: it gives a `Running` notebook, and on leaving its context nothing of it lives.

    job            what a sandbox is asked to do
    running        a notebook that is being executed
    python_files   this Python as the sandbox shows it
    nvidia         the card that trainings run on, and its driver as the sandbox shows it
    confine        confines itself and becomes a command
    reaper         runs a command of which nothing lives on, even when the grader is killed
    system_calls   the system calls that are refused
    cgroup         control groups: the kernel's limit on memory, tasks and CPU share
    clock          the participant's clock, and what the notebook works while it stands
    limits         the limits, and the faults of who breaks them
    watchdog       sees to those that the kernel leaves
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from grader.sandbox.bubblewrap import bwrap_problem, run_in_bwrap
from grader.sandbox.cgroup import kernel_limits
from grader.sandbox.clock import ParticipantClock
from grader.sandbox.confined import confined_problem, run_confined
from grader.sandbox.container import run_in_container
from grader.sandbox.job import (
    DEFAULT_IMAGE,
    INPUT_NOTEBOOK,
    NUMERIC_VARIABLES,
    Backend,
    Job,
    gateway_folder,
    socket_problem,
)
from grader.sandbox.limits import Limits, default_limits, quota_used_up, too_slow
from grader.sandbox.nvidia import card, cuda_is_available, has_driver
from grader.sandbox.plain import run_in_folder
from grader.sandbox.running import Running
from grader.sandbox.watchdog import Watchdog

__all__ = [
    "DEFAULT_IMAGE",
    "INPUT_NOTEBOOK",
    "NUMERIC_VARIABLES",
    "Backend",
    "Job",
    "Limits",
    "ParticipantClock",
    "Watchdog",
    "bwrap_problem",
    "card",
    "confined_problem",
    "cuda_is_available",
    "default_limits",
    "gateway_folder",
    "has_driver",
    "kernel_limits",
    "quota_used_up",
    "run_notebook",
    "socket_problem",
    "too_slow",
]


@contextmanager
def run_notebook(backend: Backend, job: Job) -> Iterator[Running]:
    """Execute a notebook; on leaving the context, nothing of it lives.

    Raises:
        InfrastructureError: the sandbox cannot be made here.
        SandboxLost: it did not start, which may go better the next time.
    """
    match backend:
        case Backend.BWRAP:
            running = run_in_bwrap(job)
        case Backend.PODMAN | Backend.DOCKER:
            running = run_in_container(backend.value, job)
        case Backend.CONFINED:
            running = run_confined(job)
        case Backend.NONE:
            running = run_in_folder(job)
    with running as notebook:
        yield notebook
