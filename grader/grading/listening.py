"""Sockets in the gateway's folder, at which the trusted side waits for the notebook: where one is seen, it listens."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

ACCEPT_POLL_SECONDS = 0.1
UNHEARD = "s"  # a name in the folder, as short as any


class ChannelEnded(Exception):
    """The other end is gone, or never came."""


class Listener:
    """A listening Unix socket for one connection.

    Args:
        path: its place; its folder is one that nobody else may enter.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX)
        unheard = path.with_name(UNHEARD)
        try:
            self._socket.bind(str(unheard))
            self._socket.listen(1)
            unheard.chmod(0o666)  # for a container's own user
            unheard.rename(path)
        except OSError:
            self._socket.close()
            raise

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def accept(self, deadline: float, alive: Callable[[], bool]) -> socket.socket:
        """Wait for the connection; then the socket is gone.

        Args:
            deadline: `time.monotonic()` at which the wait ends.
            alive: says whether the notebook's processes still run; asked again and again, and may raise.

        Raises:
            ChannelEnded: it ended without connecting.
        """
        self._socket.settimeout(ACCEPT_POLL_SECONDS)
        while True:
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                if not alive() or time.monotonic() > deadline:
                    raise ChannelEnded from None
                continue
            self._socket.close()
            self._path.unlink()
            return connection
