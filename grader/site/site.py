"""What one site is: its contest, its address, its clock, and what it remembers between two requests."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from grader.contest_file import Contest
from grader.site.watch import Watch

BODY_SECONDS = 60.0
TRIES, TRY_SECONDS, MOST_ADDRESSES = 20, 600.0, 10_000


class Tries:
    """Counts failed tries of links and tokens for each client address, so that nobody can go on for long."""

    def __init__(self) -> None:
        self._failed: dict[str, deque[float]] = {}

    def spent(self, address: str) -> bool:
        """Say whether an address has failed too often of late."""
        failed = self._failed.get(address, deque())
        while failed and failed[0] < time.monotonic() - TRY_SECONDS:
            failed.popleft()
        return len(failed) >= TRIES

    def failed(self, address: str) -> None:
        """Note a failure; of very many addresses those that failed first are forgotten."""
        while len(self._failed) >= MOST_ADDRESSES:
            del self._failed[next(iter(self._failed))]
        self._failed.setdefault(address, deque(maxlen=TRIES)).append(time.monotonic())


def utc_now() -> datetime:
    """Return the server's time."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Site:
    """One site.

    Attributes:
        contest: the contest.
        address: what participants type, such as "https://contest.example.org".
        handout: the zip of the public data; None where there is none.
        clock: returns the time that counts.
        body_seconds: how long an upload's body may take; what began before the closing counts so long after it.
        opening: how the task's story begins; None for the kit's own; see `competition.story`.
        watch: what is graded at the moment.
        uploading: the participants of whom an upload is under way.
        listening: how many streams of events each participant has open.
        tries: see `Tries`.
    """

    contest: Contest
    address: str
    handout: Path | None = None
    clock: Callable[[], datetime] = utc_now
    body_seconds: float = BODY_SECONDS
    opening: str | None = None
    watch: Watch = field(init=False)
    uploading: set[int] = field(default_factory=set)
    listening: Counter[int] = field(default_factory=Counter)
    tries: Tries = field(default_factory=Tries)

    def __post_init__(self) -> None:
        object.__setattr__(self, "watch", Watch(self.contest.store, self.contest.grading.workers or 1))

    @property
    def secure(self) -> bool:
        """Whether participants reach it by TLS."""
        return self.address.startswith("https://")

    @property
    def hosts(self) -> frozenset[str]:
        """The values of the header Host that are meant for this site."""
        parts = urlsplit(self.address)
        if self.secure or parts.hostname not in ("127.0.0.1", "localhost"):
            return frozenset((parts.netloc,))
        port = "" if parts.port is None else f":{parts.port}"
        return frozenset(f"{name}{port}" for name in ("127.0.0.1", "localhost"))
