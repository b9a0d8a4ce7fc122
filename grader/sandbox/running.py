"""A notebook that is being executed, whatever runs it."""

from __future__ import annotations

import subprocess
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import IO

from grader.verdicts import ParticipantFault

CAPTURED_BYTES = 256 * 1024


class Running(ABC):
    """A notebook that is being executed; each backend fills in what differs.

    Attributes:
        pid: the process from which its whole tree descends, as far as it is this machine's to see.
        kernel_limits: whether the kernel limits its memory and its tasks, so that nobody else needs to.
    """

    kernel_limits = False

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self.pid = process.pid
        self._process = process
        self._output = bytearray()
        self._dropped = 0
        self._killed_by_us = False
        self._reader = threading.Thread(target=self._drain, args=(process.stdout,), daemon=True)
        self._reader.start()

    def alive(self) -> bool:
        """Say whether papermill still runs."""
        return self._process.poll() is None

    def wait(self, seconds: float) -> None:
        """Give papermill time to end by itself."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(seconds, 0.0))

    def kill(self) -> None:
        """Kill the notebook and all its processes, from any thread."""
        if self.alive():
            self._killed_by_us = True
            self._kill()

    def stop(self) -> None:
        """Kill the notebook and all its processes; return when none lives."""
        self.kill()
        self._process.wait()

    def breach(self) -> ParticipantFault | None:
        """Return the fault of a limit that was broken, as far as the backend can tell; see `Watchdog` for the rest."""
        return None

    def cpu_seconds(self) -> float | None:
        """Return the CPU time of all its processes so far, None where the backend cannot tell."""
        return None

    def is_full(self) -> bool:
        """Say whether there is no room left for its files; only after `stop`."""
        return False

    def lost(self) -> str | None:
        """Say what ended it from outside, which no notebook can do from inside; None where nothing did. After `stop`.

        Its outermost process is ours and out of its reach: where a signal ended that, and we did not send it, somebody
        else did. Who kills the kernel inside, the notebook or somebody else, cannot be told apart.
        """
        ended = self._process.returncode
        if self._killed_by_us or ended is None or ended >= 0:
            return None
        return f"the sandbox was killed from outside (signal {-ended})"

    @abstractmethod
    def executed(self, limit: int) -> bytes | None:
        """Return the executed notebook of at most `limit` bytes, untrusted; None where there is none. After `stop`."""

    def captured(self) -> bytes:
        """Return what it printed so far: the first `CAPTURED_BYTES`, and a notice where there was more."""
        notice = f"\n[cut: {self._dropped:,} more bytes of output]\n" if self._dropped else ""
        return bytes(self._output) + notice.encode()

    def close(self) -> None:
        """Stop it and let go of everything."""
        self.stop()
        self._reader.join(timeout=5)

    def _kill(self) -> None:
        self._process.kill()

    def _drain(self, stream: IO[bytes]) -> None:
        with stream:
            while chunk := stream.read(65536):
                kept = chunk[: CAPTURED_BYTES - len(self._output)]
                self._output += kept
                self._dropped += len(chunk) - len(kept)
