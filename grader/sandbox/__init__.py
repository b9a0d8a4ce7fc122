"""Run a notebook with papermill where it can do no harm, and bring back what it wrote.

    backend   module       what it is
    bwrap     bubblewrap   namespaces, a read-only allow-list, everything writable a size-limited tmpfs: the default
    podman    container    a container of an image made beforehand, without network; run by hand only
    docker    container    the same with docker; never run by the authors
    none      plain        a plain child process that isolates nothing, for one's own notebook

All stand behind one interface: a `Job` goes in, a `Running` notebook comes out, and on leaving the context nothing of
it lives.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from grader.sandbox.bubblewrap import bwrap_problem, run_in_bwrap
from grader.sandbox.container import run_in_container
from grader.sandbox.job import (
    DEFAULT_IMAGE,
    INPUT_NOTEBOOK,
    NUMERIC_VARIABLES,
    OUTPUT_NOTEBOOK,
    Backend,
    Job,
    gateway_folder,
)
from grader.sandbox.plain import run_in_folder
from grader.sandbox.running import CAPTURED_BYTES, Running

__all__ = [
    "CAPTURED_BYTES",
    "DEFAULT_IMAGE",
    "INPUT_NOTEBOOK",
    "NUMERIC_VARIABLES",
    "OUTPUT_NOTEBOOK",
    "Backend",
    "Job",
    "Running",
    "bwrap_problem",
    "gateway_folder",
    "run_notebook",
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
        case Backend.NONE:
            running = run_in_folder(job)
    with running as notebook:
        yield notebook
