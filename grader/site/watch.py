"""Watches the queue for all who listen: one look a second at the store, however many pages are open."""

from __future__ import annotations

import asyncio
import math
import sqlite3
import statistics
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from grader.contest import WAITING, public_view
from grader.verdicts import InfrastructureError

LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Progress:
    """How far an upload is.

    Attributes:
        phase: "waiting", "starting", "solution cell", "epoch 1 of 6", "scoring".
        place: in the queue, from 1; what is being graded stands in front.
        queued: how many are in the queue.
        seconds: about how long until it is graded; None where nobody knows yet.
    """

    phase: str
    place: int
    queued: int
    seconds: float | None

    @property
    def words(self) -> str:
        """The same as a line for people."""
        if self.phase != WAITING:
            return self.phase
        about = "" if self.seconds is None else f", graded in about {duration(self.seconds)}"
        return f"{self.phase}, place {self.place} of {self.queued}{about}"


def duration(seconds: float) -> str:
    """Write a duration roughly."""
    minutes = math.ceil(seconds / 60)
    return "a minute" if minutes <= 1 else f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"


def queue_now(view: sqlite3.Connection, workers: int) -> dict[str, Progress]:
    """Return how far each upload is that is not done, by its receipt."""
    rows = view.execute("SELECT receipt, phase, place FROM site_queue").fetchall()
    pace = [row["seconds"] for row in view.execute("SELECT seconds FROM site_pace")]
    each = statistics.fmean(pace) if pace else None
    return {
        row["receipt"]: Progress(
            row["phase"], row["place"], len(rows), None if each is None else math.ceil(row["place"] / workers) * each
        )
        for row in rows
    }


class Watch:
    """Knows the queue, and wakes who waits for a change of it.

    Args:
        store: the contest's store.
        workers: how many gradings run at once.
    """

    def __init__(self, store: Path, workers: int) -> None:
        self._store, self._workers = store, workers
        self._queue: Mapping[str, Progress] = {}
        self._changed = asyncio.Event()

    def progress(self, receipt: str) -> Progress | None:
        """Return how far an upload is; None where it is done."""
        return self._queue.get(receipt)

    async def change(self) -> None:
        """Wait until something in the queue changes."""
        await self._changed.wait()

    async def look(self) -> None:
        """Look at the store now."""
        queue = await run_in_threadpool(self._read)
        if queue != self._queue:
            self._queue = queue
            self._changed.set()
            self._changed = asyncio.Event()

    def _read(self) -> dict[str, Progress]:
        with public_view(self._store) as view:
            return queue_now(view, self._workers)

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            with suppress(InfrastructureError):  # the store is busy or gone: whoever asks for a page is told so
                await self.look()
            await asyncio.sleep(LOOK_SECONDS)
