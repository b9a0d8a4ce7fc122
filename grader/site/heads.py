"""A connection on which no whole request head arrives in time is closed, so that idle ones cannot fill the server.

uvicorn has a time-out for connections that say nothing after an answer, and none for one that begins with nothing, or
with half a line. Bodies are timed where they are read; see `receiving`.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0


class TimedHeads(H11Protocol):
    """uvicorn's HTTP/1.1 protocol, with a time-out for each request's line and headers."""

    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take what came; go on waiting while it is no whole head."""
        super().data_received(data)
        if self._answering():
            self._stop_waiting()
        elif self._head is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self._head = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _give_up(self) -> None:
        self._head = None
        if not self._answering() and not self.transport.is_closing():
            self.transport.close()
