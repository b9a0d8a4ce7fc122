"""Where gradings are computed: in this process, one after another, or on Ray, several at once and on several machines.

A worker gets a notebook's bytes and the settings, and sends back the record and the files of the run folder; it writes
nothing that must last. Whoever asked keeps them, so that a machine which dies loses nothing: Ray runs its gradings
again elsewhere. The data folder and the kit must be installed under the same paths on every machine.

Ray's own ports know no password. Run a cluster only in a network that you trust; a notebook in the sandbox has no
network and cannot reach them.
"""

from __future__ import annotations

import logging
import os
import socket
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Protocol

from grader import grading
from grader.grading import Record, Settings, draft_record, pack_run
from grader.safe_io import plain_message
from grader.sandbox import NUMERIC_VARIABLES
from grader.verdicts import InfrastructureError, ParticipantFault, Verdict

CONNECT_SECONDS = 10.0
NODE_DEATHS = 3  # so often Ray runs a grading again whose machine or process died
# Set before Ray starts anything: no usage report leaves the machine, and Ray kills no worker for the memory that a
# notebook takes, which the grader's own watchdog limits.
RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",
}
# Of each worker, on whatever machine: Ray does not kill the children of a worker that ends. A grading's child is the
# sandbox's reaper, which sees its grader end and kills what must not live on; killed itself, it could not.
WORKER_ENVIRONMENT = {"RAY_kill_child_processes_on_worker_exit": "0"}


@dataclass(frozen=True)
class Task:
    """One grading to compute.

    Attributes:
        number: whoever asks tells their tasks apart by it.
        raw: the notebook's bytes, or the fault found while reading it.
        settings: how to grade.
    """

    number: int
    raw: bytes | ParticipantFault
    settings: Settings


@dataclass(frozen=True)
class Outcome:
    """What a worker sends back.

    Attributes:
        record: the record, whatever the verdict.
        files: the run folder's other files, by name.
    """

    record: Record
    files: dict[str, bytes]


class Workers(Protocol):
    """Something that computes gradings.

    Attributes:
        count: how many it computes at once.
    """

    count: int

    def outcomes(self, tasks: Iterator[Task], at_once: int) -> Iterator[tuple[int, Outcome]]:
        """Compute tasks, at most `at_once` at a time, and yield their numbers and outcomes as they are finished.

        A task is taken from the iterator only when a worker is free for it.
        """
        ...


def failed(settings: Settings, message: str) -> Outcome:
    """Make the outcome of a grading that failed by our own fault."""
    draft = draft_record(settings)
    return Outcome(replace(draft, verdict=Verdict.INFRASTRUCTURE_ERROR, message=message, points=None), {})


def compute(raw: bytes | ParticipantFault, settings: Settings, environment: dict[str, str]) -> Outcome:
    """Grade one notebook; a bug of ours becomes an `InfrastructureError` too, so that it ends this grading only.

    Args:
        environment: the values that the variables have on which a notebook's bits depend. They are set here, as Ray
            gives its processes others.
    """
    for name in NUMERIC_VARIABLES:
        if name in environment:
            os.environ[name] = environment[name]
        else:
            os.environ.pop(name, None)
    try:
        record, artifacts = grading.grade(raw, settings)
        return Outcome(record, pack_run(artifacts))
    except Exception:
        return failed(settings, f"a bug of the grader, please report it:\n{plain_message(traceback.format_exc())}")


def require_listener(address: str) -> None:
    """Find out in seconds whether anything listens at a cluster's address: Ray itself would try for minutes.

    Raises:
        InfrastructureError: nothing does.
    """
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon or not port.isdecimal():
        return  # such as "auto", which Ray looks up on this machine
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise InfrastructureError(f"there is no Ray cluster at {address}: {error}") from None


def numeric_environment() -> dict[str, str]:
    """Return the environment variables of this process on which a notebook's bits depend."""
    return {name: os.environ[name] for name in NUMERIC_VARIABLES if name in os.environ}


class InProcess:
    """One worker: this process.

    Attributes:
        count: 1.
    """

    count = 1

    def outcomes(self, tasks: Iterator[Task], at_once: int) -> Iterator[tuple[int, Outcome]]:
        """Compute the tasks one after another; see `Workers`."""
        environment = numeric_environment()
        for task in tasks:
            yield task.number, compute(task.raw, task.settings, environment)


class RayWorkers:
    """Workers on Ray; a context manager that starts Ray on this machine, or joins a cluster, and leaves it again.

    Args:
        count: gradings at once; None for as many as the cluster's CPUs (or GPUs) hold.
        threads: CPU threads of one grading, which Ray keeps free for it.
        gpus: GPUs of one grading; a fraction lets several share one.
        address: of a running cluster, as ``ray.init`` takes it; None starts Ray on this machine for `count` gradings.

    Attributes:
        count: gradings at once.
        startup_seconds: how long it took until Ray was up.

    Raises:
        InfrastructureError: Ray is not installed, does not start, or cannot be reached.
    """

    def __init__(self, count: int | None, *, threads: int, gpus: float = 0.0, address: str | None = None) -> None:
        for name, value in RAY_ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        try:
            import ray
        except ImportError:
            raise InfrastructureError(
                "more than one worker needs Ray: install it with pip install 'label-noise-competition[cluster]', "
                "or use --workers 1"
            ) from None
        if address is not None:
            require_listener(address)
        self._ray: Any = ray
        started = time.monotonic()
        options: dict[str, Any] = {"address": address or "local", "log_to_driver": False, "namespace": "gradings"}
        if address is None:
            options |= {"num_cpus": (count or 1) * threads, "include_dashboard": False}
        try:
            ray.init(logging_level=logging.ERROR, **options)
        except (OSError, RuntimeError, ValueError) as error:
            raise InfrastructureError(f"Ray cannot be used at {address or 'this machine'}: {error}") from None
        self.count = count or max(self._room(threads, gpus), 1)
        self._remote: Any = ray.remote(
            num_cpus=threads,
            num_gpus=gpus,
            max_retries=NODE_DEATHS,
            scheduling_strategy="SPREAD",
            runtime_env={"env_vars": WORKER_ENVIRONMENT},
        )
        self._compute = self._remote(compute)
        self.startup_seconds = time.monotonic() - started

    def __enter__(self) -> RayWorkers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ray.shutdown()

    def _room(self, threads: int, gpus: float) -> int:
        """Return how many gradings the cluster holds at once."""
        resources = self._ray.cluster_resources()
        by_cpu = int(resources.get("CPU", 0) // threads)
        return min(by_cpu, int(resources.get("GPU", 0) / gpus)) if gpus else by_cpu

    def outcomes(self, tasks: Iterator[Task], at_once: int) -> Iterator[tuple[int, Outcome]]:
        """Compute the tasks on the cluster; see `Workers`.

        Each outcome is fetched as soon as it is there. One that Ray could not get, although it tried on other machines,
        is an `InfrastructureError`.
        """
        ray = self._ray
        environment = numeric_environment()
        running: dict[Any, Task] = {}
        try:
            while True:
                while len(running) < at_once and (task := next(tasks, None)) is not None:
                    running[self._compute.remote(task.raw, task.settings, environment)] = task
                if not running:
                    return
                [ready], _ = ray.wait(list(running), num_returns=1)
                task = running.pop(ready)
                try:
                    outcome: Outcome = ray.get(ready)
                except ray.exceptions.RayTaskError:
                    raise
                except ray.exceptions.RayError as error:
                    outcome = failed(task.settings, f"Ray lost the grading: {plain_message(str(error))}")
                yield task.number, outcome
        finally:
            for reference in running:
                ray.cancel(reference, force=True)
