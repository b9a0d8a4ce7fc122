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
from grader.grading.listening import ChannelEnded, Listener
from grader.sandbox import Limits, ParticipantClock, too_slow
from grader.verdicts import ParticipantFault, Verdict

FAREWELL_SECONDS = 0.5


class Gateway:
    """A listening socket in `folder`, then one connection, then one exchange per batch.

    The socket's appearance is what the notebook's solution cell waits for.

    Args:
        limits: how long the clock may run: an answer that comes later is none.

    Attributes:
        selections: the two int64 index tensors of every answered call so far.
        losses: the two float32 loss vectors that were sent in each of these calls.
        clock: runs while this gateway waits for the notebook: to connect, and for each answer.
    """

    def __init__(self, folder: Path, clock: ParticipantClock, limits: Limits) -> None:
        self.selections: list[list[torch.Tensor]] = []
        self.losses: list[list[torch.Tensor]] = []
        self.clock = clock
        self._limits = limits
        self._path = folder / Path(GATEWAY_SOCKET).name
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
        if self._connection is not None:
            self._connection.close()

    def accept(self, seed: int, deadline: float, alive: Callable[[], bool]) -> None:
        """Let the solution cell begin, and its clock; wait for the notebook, then tell it the training's seed.

        Args:
            deadline: `time.monotonic()` at which every wait of this gateway ends.
            alive: see `Listener.accept`.

        Raises:
            ParticipantFault: it came too late.
            ChannelEnded: it ended without connecting.
        """
        self._deadline = deadline
        with self.clock.waiting(), Listener(self._path) as listener:
            self._connection = listener.accept(deadline, alive)
        self._require_time()
        self._send(FRAME_HEADER.pack(b"SEED", 0, 0, seed))

    def select_indices(self, targets: torch.Tensor, losses: list[torch.Tensor]) -> list[torch.Tensor]:
        """Ask the notebook for the selection of one batch; same signature as the participant's function.

        Raises:
            ParticipantFault: the notebook reported a fault, answered with something else than two index lists, or too
                late.
            ChannelEnded: it is gone.
        """
        with self.clock.waiting():
            picked = self._exchange(targets, losses)
        self._require_time()
        try:
            selection = normalise_selection(picked, len(targets))
        except BadSelection as error:
            raise ParticipantFault(Verdict.PRESENTATION_ERROR, str(error)) from None
        self.selections.append(selection)
        self.losses.append(losses)
        return selection

    def _require_time(self) -> None:
        """Raise the fault of a clock that has run out, as the watchdog looks at it from time to time only."""
        reading = self.clock.read()
        if reading.seconds > self._limits.seconds:
            raise too_slow(self._limits, reading, self.clock.batches)

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
        """Tell the notebook that the training is over; whether it still listens does not matter."""
        self._deadline = min(self._deadline, time.monotonic() + FAREWELL_SECONDS)
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
