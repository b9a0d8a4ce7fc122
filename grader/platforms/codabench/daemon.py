"""The grader on the worker's host, behind a socket: a notebook comes in, scores and the participant's report go out.

Codabench's containers see the socket's folder as ``/app/data``, and nothing else of the host. Who connects may be a
scoring container or one that runs a participant's own command, so every byte is taken for hostile: lengths are checked
before they are read, every read has a deadline, few connections are served at once, and `Caps` bounds what is asked.
The other end is known by its control group, which is that of its container.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from grader.contest import Answer, OneByOne, Workers
from grader.platforms.codabench import hand_over
from grader.platforms.codabench.caps import Caps
from grader.platforms.codabench.scores import scores_of
from grader.safe_io import plain_line
from grader.verdicts import InfrastructureError

TRANSFER_SECONDS = 30.0  # for a request to arrive, and for an answer to be taken
CONNECTIONS = 16
POLL_SECONDS = 0.2
UNKNOWN = "unknown"
CREDENTIALS = struct.Struct("3i")  # process, user, group
FULL = "the grader has had as many submissions as it may grade in an hour; submit again later"
TOO_MANY = "this container has asked too often"

Tell = Callable[[str], None]


class Refused(Exception):
    """There is no answer; the message may be told to whoever asked."""


def container_of(connection: socket.socket) -> str:
    """Return what tells the other end's container from others: the control group of the process that connected."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    process, _, _ = CREDENTIALS.unpack(credentials)
    try:
        return Path(f"/proc/{process}/cgroup").read_text()
    except OSError:
        return UNKNOWN


def hung_up(connection: socket.socket) -> bool:
    """Say whether the other end is gone; whoever waits for an answer sends nothing more."""
    return bool(select.select([connection], [], [], 0)[0])


class Daemon:
    """Serves a socket until it is closed; a context manager.

    Args:
        path: where the socket is made; what a daemon before left there is replaced.
        grader: grades, through a store.
        workers: who grades, and how many at once.
        caps: how much may be asked.
        page: makes the participant's report of an answer, HTML.
        tell: is told a line for each connection.

    Raises:
        InfrastructureError: the socket cannot be made.
    """

    def __init__(
        self,
        path: Path,
        grader: OneByOne,
        workers: Workers,
        caps: Caps,
        page: Callable[[Answer], str],
        tell: Tell,
    ) -> None:
        self._path, self._grader, self._workers, self._caps = path, grader, workers, caps
        self._page, self._tell = page, tell
        self._counting = threading.Lock()
        self._room = threading.BoundedSemaphore(CONNECTIONS)
        self._closing = threading.Event()
        self._gradings = ThreadPoolExecutor(workers.count, "grading")  # threads that last keep their OpenMP teams
        self._listener = listen(path)

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take no more connections; a grading that runs is waited for."""
        self._closing.set()
        self._listener.close()
        self._path.unlink(missing_ok=True)
        self._gradings.shutdown(cancel_futures=True)

    def serve(self) -> None:
        """Accept connections until `close`."""
        while not self._closing.is_set():
            if not self._room.acquire(timeout=POLL_SECONDS):
                continue
            try:
                connection, _ = self._listener.accept()
            except OSError:  # nobody came, or it is closed
                self._room.release()
                continue
            threading.Thread(target=self._attend, args=(connection,), daemon=True).start()

    def _attend(self, connection: socket.socket) -> None:
        """Serve one connection; whatever it does ends no other."""
        with connection:
            try:
                reply = self._reply(connection)
                connection.settimeout(TRANSFER_SECONDS)
                connection.sendall(reply)
            except (OSError, CancelledError) as error:
                self._tell(f"a connection ended early: {plain_line(str(error))}")
            finally:
                self._room.release()

    def _reply(self, connection: socket.socket) -> bytes:
        """Read a request and return the whole answer to it."""
        try:
            with self._counting:
                if not self._caps.may_ask(container_of(connection), time.monotonic()):
                    raise Refused(TOO_MANY)
            raw = self._request(connection)
            return self._gradings.submit(self._answer, connection, raw).result()
        except Refused as refused:
            self._tell(f"refused: {refused}")
            said = str(refused).encode()
            return hand_over.REPLY.pack(b"FAIL", len(said), 0) + said

    def _request(self, connection: socket.socket) -> bytes:
        """Read the notebook that somebody sends.

        Raises:
            Refused: it is no request, or too large.
            OSError: it does not come in time.
        """
        deadline = time.monotonic() + TRANSFER_SECONDS
        kind, size = hand_over.REQUEST.unpack(hand_over.receive(connection, hand_over.REQUEST.size, deadline))
        if kind != b"GRAD" or size > hand_over.MAX_NOTEBOOK_BYTES:
            raise Refused("this is no request of the scoring program")
        return hand_over.receive(connection, size, deadline)

    def _answer(self, connection: socket.socket, raw: bytes) -> bytes:
        """Grade in a thread of the gradings, unless nobody waits for it any more.

        Raises:
            Refused: there is no room for a training, or it failed by our own fault.
            ConnectionError: nobody waits.
        """
        if hung_up(connection):
            raise ConnectionError("nobody waits for the answer")
        started = time.monotonic()
        try:
            answer = self._grader.grade(raw, self._workers, self._may_train)
            if answer is None:
                raise Refused(FULL)
            scores = json.dumps(scores_of(answer.record)).encode()
            page = self._page(answer).encode()
        except InfrastructureError as error:
            self._tell(f"not graded, our own fault: {plain_line(error.message)}")
            raise Refused("the grader had a problem of its own, and its organizer knows of it") from None
        how = f"{time.monotonic() - started:.1f} s" if answer.trained else "found"
        self._tell(f"{answer.run.name}: {answer.record.verdict.value}, BAC {answer.record.bac_mean or 0.0:.4f}, {how}")
        return hand_over.REPLY.pack(b"DONE", len(scores), len(page)) + scores + page

    def _may_train(self) -> bool:
        with self._counting:
            return self._caps.may_train(time.monotonic())


def listen(path: Path) -> socket.socket:
    """Make the socket, open to every user, as a container may run as any.

    Raises:
        InfrastructureError: it cannot be made, or another daemon serves it.
    """
    listener = socket.socket(socket.AF_UNIX)
    try:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as other:
            other.connect(str(path))
            listener.close()
            raise InfrastructureError(f"another grader serves {path} already")
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen(CONNECTIONS)
        listener.settimeout(POLL_SECONDS)
    except OSError as error:
        listener.close()
        raise InfrastructureError(f"the socket {path} cannot be made: {error}") from None
    return listener
