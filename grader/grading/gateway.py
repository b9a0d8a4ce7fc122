"""The trusted end of the wire: sends losses, receives index lists, trusts nothing that it reads.

The frame is described in `competition.task.serving`. Every length is checked before it is read, every read has a
deadline, one connection is accepted. No pickle, no ``np.load``.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import numpy as np
import torch

from competition.task.selection import MAX_REPEATS, normalise_selection
from competition.task.selection import PresentationError as BadSelection
from competition.task.serving import FAULT_PRESENTATION, FRAME_HEADER, GATEWAY_SOCKET, MAX_FAULT_BYTES
from grader.sandbox import ParticipantClock
from grader.verdicts import ParticipantFault, Verdict

ACCEPT_POLL_SECONDS = 0.1


class ChannelEnded(Exception):
    """The other end is gone, or never came."""


class Gateway:
    """A listening socket in `folder`, then one connection, then one exchange per batch.

    The socket's appearance is what the notebook's solution cell waits for.

    Attributes:
        selections: the two int64 index tensors of every answered call so far.
        losses: the two float32 loss vectors that were sent in each of these calls.
        clock: runs while this gateway waits for the notebook: to connect, and for each answer.
    """

    def __init__(self, folder: Path, clock: ParticipantClock) -> None:
        self.selections: list[list[torch.Tensor]] = []
        self.losses: list[list[torch.Tensor]] = []
        self.clock = clock
        self._path = folder / Path(GATEWAY_SOCKET).name
        self._listener = socket.socket(socket.AF_UNIX)
        unheard = folder / "s"
        try:
            self._listener.bind(str(unheard))
            self._listener.listen(1)
            unheard.chmod(0o666)  # for a container's own user; nobody else may enter the folder around this one
            unheard.rename(self._path)  # where it is seen, it listens
        except OSError:
            self._listener.close()
            raise
        self._connection: socket.socket | None = None
        self._deadline = 0.0

    def __enter__(self) -> Gateway:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up. A notebook that still waits for a batch then ends."""
        self._listener.close()
        if self._connection is not None:
            self._connection.close()

    def accept(self, seed: int, deadline: float, alive: Callable[[], bool]) -> None:
        """Wait for the notebook, then tell it the training's seed.

        Args:
            deadline: `time.monotonic()` at which every wait of this gateway ends.
            alive: says whether the notebook's processes still run; asked again and again, and may raise.

        Raises:
            ChannelEnded: it ended without connecting.
        """
        self._deadline = deadline
        self._listener.settimeout(ACCEPT_POLL_SECONDS)
        with self.clock.waiting():
            while self._connection is None:
                try:
                    self._connection, _ = self._listener.accept()
                except TimeoutError:
                    if not alive() or time.monotonic() > deadline:
                        raise ChannelEnded from None
        self._listener.close()
        self._path.unlink()
        self._send(FRAME_HEADER.pack(b"SEED", 0, 0, seed))

    def select_indices(self, targets: torch.Tensor, losses: list[torch.Tensor]) -> list[torch.Tensor]:
        """Ask the notebook for the selection of one batch; same signature as the participant's function.

        Raises:
            ParticipantFault: the notebook reported a fault, or answered with something else than two index lists.
            ChannelEnded: it is gone.
        """
        with self.clock.waiting():
            picked = self._exchange(targets, losses)
        try:
            selection = normalise_selection(picked, len(targets))
        except BadSelection as error:
            raise ParticipantFault(Verdict.PRESENTATION_ERROR, str(error)) from None
        self.selections.append(selection)
        self.losses.append(losses)
        return selection

    def _exchange(self, targets: torch.Tensor, losses: list[torch.Tensor]) -> list[np.ndarray]:
        """Send one batch and read the answer, still unchecked: two int32 arrays, of no more than they may hold."""
        call, batch_size = len(self.selections), len(targets)
        arrays = [targets.numpy().astype("<i8"), *(loss.numpy().astype("<f4") for loss in losses)]
        self._send(FRAME_HEADER.pack(b"CALL", batch_size, 0, call) + b"".join(array.tobytes() for array in arrays))
        kind, first, second, number = FRAME_HEADER.unpack(self._receive(FRAME_HEADER.size))
        if kind == b"FAIL" and first <= MAX_FAULT_BYTES:
            text = self._receive(first).decode(errors="replace")
            raise ParticipantFault(
                Verdict.PRESENTATION_ERROR if number == FAULT_PRESENTATION else Verdict.RUNTIME_ERROR, text
            )
        if kind != b"PICK" or number != call or max(first, second) > MAX_REPEATS * batch_size:
            raise ParticipantFault(
                Verdict.PRESENTATION_ERROR,
                f"the answer to batch {call} is not one that the notebook's last cell sends; leave the socket to it",
            )
        return [np.frombuffer(self._receive(4 * count), "<i4") for count in (first, second)]

    def finish(self) -> None:
        """Tell the notebook that the training is over. Whether it still listens does not matter."""
        with contextlib.suppress(ChannelEnded):
            self._send(FRAME_HEADER.pack(b"DONE", 0, 0, len(self.selections)))

    def _connected(self) -> socket.socket:
        if self._connection is None:
            raise ChannelEnded
        self._connection.settimeout(max(self._deadline - time.monotonic(), 0.001))
        return self._connection

    def _send(self, data: bytes) -> None:
        try:
            self._connected().sendall(data)
        except OSError:
            raise ChannelEnded from None

    def _receive(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            try:
                chunk = self._connected().recv(size - len(data))
            except OSError:
                raise ChannelEnded from None
            if not chunk:
                raise ChannelEnded
            data += chunk
        return bytes(data)
