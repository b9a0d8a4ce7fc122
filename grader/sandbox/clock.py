"""The participant's clock, which runs while the training waits for the notebook; and what the notebook does meanwhile.

The training and the notebook take turns. The clock adds up the notebook's: from when its solution cell may start to its
connection, and from each request to its answer. What it works in the training's turns is no time of its own, but may
slow the training down.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Reading:
    """What the clock showed at one moment; times in seconds.

    Attributes:
        waits: how many waits have ended: the first for the notebook to connect, each later one for an answer.
        start: the first wait, once it has ended.
        answers: the ended waits for answers, together.
        pending: how long the present wait has lasted; None while it is the training's turn.
    """

    waits: int = 0
    start: float = 0.0
    answers: float = 0.0
    pending: float | None = None

    @property
    def begun(self) -> bool:
        """Whether there was a wait: before the first one, nothing of the participant has run."""
        return self.waits > 0 or self.pending is not None

    @property
    def seconds(self) -> float:
        """All waits together, the present one included."""
        return self.start + self.answers + (self.pending or 0.0)


class ParticipantClock:
    """The clock of one notebook: one thread lets it run, any thread may read it meanwhile.

    Attributes:
        batches: batches of one epoch, by which a fault names a call; None as long as the trainer has not told.
    """

    def __init__(self) -> None:
        self.batches: int | None = None
        self._state: tuple[Reading, float | None] = (Reading(), None)  # replaced whole: no reader sees half a change

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let the clock run for the body, which is one wait for the notebook."""
        ended, began = self._state[0], time.monotonic()
        self._state = (ended, began)
        try:
            yield
        finally:
            taken = time.monotonic() - began
            if ended.waits == 0:
                ended = replace(ended, waits=1, start=taken)
            else:
                ended = replace(ended, waits=ended.waits + 1, answers=ended.answers + taken)
            self._state = (ended, None)

    def read(self) -> Reading:
        """Read the clock."""
        ended, began = self._state
        return ended if began is None else replace(ended, pending=time.monotonic() - began)


class OffTurnWork:
    """Adds up the CPU time that a notebook took out of its turn: a lower bound, so that nobody is accused falsely.

    In its turn a notebook may use every CPU. Of the CPU time between two looks, what all CPUs give in its turns between
    them is therefore its own; only the rest counts. To hide work, a notebook must spend as much of its own clock.

    Args:
        clock: the notebook's.
        cpus: how many CPUs there are.

    Attributes:
        seconds: CPU time so far.
    """

    def __init__(self, clock: ParticipantClock, cpus: int) -> None:
        self.seconds = 0.0
        self._clock, self._cpus = clock, cpus
        self._before: float | None = None
        self._used = 0.0

    def look(self, cpu_seconds: Callable[[], float]) -> None:
        """Add what was worked since the last look; `cpu_seconds` tells all CPU time of the notebook so far."""
        reading = self._clock.read()
        if not reading.begun:
            return
        before = reading.seconds
        used = cpu_seconds()
        after = self._clock.read().seconds
        if self._before is not None:
            own_turns = after - self._before  # reading takes time: this is the most that it can have been
            self.seconds += max(used - self._used - own_turns * self._cpus, 0.0)
        self._before, self._used = before, used
