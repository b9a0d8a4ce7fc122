"""The trusted end of the wire, against a client that may do anything."""

import socket
import stat
import threading
import time
from contextlib import suppress

import pytest
import torch

import grader.grading.gateway
from competition.task.serving import FAULT_PRESENTATION, FAULT_RAISED, FRAME_HEADER
from grader.grading.gateway import Gateway
from grader.grading.listening import ChannelEnded, Listener
from grader.sandbox import Limits, ParticipantClock
from grader.verdicts import ParticipantFault, Verdict

TARGETS = torch.tensor([0, 1, 1, 0])
LOSSES = [torch.rand(4), torch.rand(4)]


def connected(tmp_path):
    """Connect to the gateway as soon as it listens."""
    while not (tmp_path / "socket").exists():
        time.sleep(0.001)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(tmp_path / "socket"))
    return connection


def exchange(tmp_path, answer, calls=1, seconds=5.0, limits=Limits()):  # noqa: B008
    """Let the gateway ask `calls` times while a client answers with `answer(connection, call)`."""

    def client():
        with connected(tmp_path) as connection:
            connection.recv(FRAME_HEADER.size, socket.MSG_WAITALL)
            for call in range(calls):
                connection.recv(FRAME_HEADER.size + 16 * len(TARGETS), socket.MSG_WAITALL)
                answer(connection, call)

    with Gateway(tmp_path, ParticipantClock(), limits) as gateway:
        thread = threading.Thread(target=client)
        thread.start()
        try:
            gateway.accept(7, time.monotonic() + seconds, lambda: True)
            return [[s.tolist() for s in gateway.select_indices(TARGETS, LOSSES)] for _ in range(calls)]
        finally:
            gateway.__exit__(None, None, None)
            thread.join()


def pick(first, second, call=0):
    """Make the frame that answers a call."""
    indices = torch.tensor([*first, *second], dtype=torch.int32).numpy().tobytes()
    return FRAME_HEADER.pack(b"PICK", len(first), len(second), call) + indices


def test_valid_answers_come_through(tmp_path):
    """Index lists arrive as they were sent: repeats, empty lists, and frames cut into single bytes."""

    def answer(connection, call):
        for byte in pick([0, 3, 3], [], call):
            connection.send(bytes([byte]))

    assert exchange(tmp_path, answer, calls=2) == [[[0, 3, 3], []]] * 2


def test_an_answer_that_never_comes_counts_as_time_in_the_function(tmp_path):
    """The time of a call that was cut off is the function's too."""

    def client():
        with connected(tmp_path) as connection:
            connection.recv(10_000, socket.MSG_WAITALL)

    thread = threading.Thread(target=client)
    thread.start()
    with Gateway(tmp_path, ParticipantClock(), Limits()) as gateway:
        gateway.accept(7, time.monotonic() + 0.3, lambda: True)
        with pytest.raises(ChannelEnded):
            gateway.select_indices(TARGETS, LOSSES)
        assert gateway.clock.read().answers > 0.05
    thread.join()


def test_an_answer_that_comes_too_late_is_none(tmp_path):
    """The clock is looked at when an answer is there, however seldom the watchdog looks."""

    def answer(connection, call):
        time.sleep(0.2)
        connection.sendall(pick([0], [0]))

    with pytest.raises(ParticipantFault, match="call 1 returned too late") as fault:
        exchange(tmp_path, answer, limits=Limits(seconds=0.2))
    assert fault.value.verdict is Verdict.TIME_LIMIT


def test_a_notebook_that_reads_nothing_does_not_hold_up_the_end(tmp_path):
    """Answers may come before their questions are read; the farewell then finds no room, and is not waited for."""
    calls = 40

    def client():
        connection = connected(tmp_path)
        for call in range(calls):
            connection.sendall(pick([0], [0], call))
        done.wait()
        connection.close()

    done = threading.Event()
    thread = threading.Thread(target=client)
    thread.start()
    with Gateway(tmp_path, ParticipantClock(), Limits()) as gateway:
        gateway.accept(7, time.monotonic() + 60, lambda: True)
        gateway._connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # as large as the kernel's smallest
        with suppress(ChannelEnded):
            for _ in range(calls):
                gateway._deadline = time.monotonic() + 0.2
                gateway.select_indices(TARGETS, LOSSES)
        gateway._deadline = time.monotonic() + 60
        started = time.monotonic()
        gateway.finish()
        assert time.monotonic() - started < 20
    done.set()
    thread.join()


@pytest.mark.parametrize(
    ("frame", "verdict", "words"),
    [
        (pick([4], [0]), Verdict.PRESENTATION_ERROR, "holds the index 4"),
        (pick([-1], [0]), Verdict.PRESENTATION_ERROR, "holds the index -1"),
        (pick([0], [0], call=1), Verdict.PRESENTATION_ERROR, "leave the socket"),
        (pick([0] * 17, []), Verdict.PRESENTATION_ERROR, "leave the socket"),
        (FRAME_HEADER.pack(b"PICK", 2**32 - 1, 2**32 - 1, 0), Verdict.PRESENTATION_ERROR, "leave the socket"),
        (FRAME_HEADER.pack(b"DONE", 0, 0, 0), Verdict.PRESENTATION_ERROR, "leave the socket"),
        (b"\x80\x04pickle.." * 9, Verdict.PRESENTATION_ERROR, "leave the socket"),
        (FRAME_HEADER.pack(b"FAIL", 2**32 - 1, 0, 0), Verdict.PRESENTATION_ERROR, "leave the socket"),
        (FRAME_HEADER.pack(b"FAIL", 4, 0, FAULT_RAISED) + b"oops", Verdict.RUNTIME_ERROR, "oops"),
        (FRAME_HEADER.pack(b"FAIL", 3, 0, FAULT_PRESENTATION) + b"bad", Verdict.PRESENTATION_ERROR, "bad"),
        (FRAME_HEADER.pack(b"FAIL", 2, 0, 99) + b"\xff\xfe", Verdict.RUNTIME_ERROR, "\ufffd"),
    ],
)
def test_a_forged_frame_is_the_participants_fault(tmp_path, frame, verdict, words):
    """Whatever a frame claims, the grader reads no more than it allows and gives a verdict."""
    with pytest.raises(ParticipantFault) as fault:
        exchange(tmp_path, lambda connection, call: connection.sendall(frame))
    assert fault.value.verdict is verdict
    assert words in fault.value.message


@pytest.mark.parametrize("sent", [b"", pick([0, 1], [2])[:-3], b"PI"])
def test_silence_and_half_a_frame_end_the_channel(tmp_path, sent):
    """A client that hangs up in the middle of an answer ends the channel."""
    with pytest.raises(ChannelEnded):
        exchange(tmp_path, lambda connection, call: connection.sendall(sent))


def test_a_silent_client_is_not_waited_for_beyond_the_deadline(tmp_path):
    """A client that keeps the connection open and says nothing is left at the deadline."""
    started = time.monotonic()
    with pytest.raises(ChannelEnded):
        exchange(tmp_path, lambda connection, call: connection.recv(1), seconds=0.5)
    assert time.monotonic() - started >= 0.5


def test_only_one_connection_is_accepted(tmp_path):
    """Once the notebook is connected, the socket is gone: nobody else can connect or listen there."""

    def answer(connection, call):
        with socket.socket(socket.AF_UNIX) as second, pytest.raises(OSError, match="No such file"):
            second.connect(str(tmp_path / "socket"))
        connection.sendall(pick([0], [0]))

    assert exchange(tmp_path, answer) == [[[0], [0]]]


def test_a_container_s_user_may_connect(tmp_path):
    """The socket may be written by anybody; who may come near it is a matter of the folder around."""
    with Listener(tmp_path / "socket"):
        [only] = tmp_path.iterdir()
        assert (only.name, stat.S_IMODE(only.stat().st_mode)) == ("socket", 0o666)


def test_a_solution_cell_begins_with_its_clock(tmp_path):
    """As long as the gateway is not waiting, there is no socket to be seen; afterwards there is none either."""

    def client():
        with connected(tmp_path) as connection:
            connection.recv(FRAME_HEADER.size, socket.MSG_WAITALL)

    clock, thread = ParticipantClock(), threading.Thread(target=client)
    with Gateway(tmp_path, clock, Limits()) as gateway:
        assert not list(tmp_path.iterdir())
        thread.start()
        gateway.accept(7, time.monotonic() + 60, lambda: clock.read().begun)
        thread.join()
        assert not list(tmp_path.iterdir())


def test_a_notebook_that_never_connects_is_noticed(tmp_path):
    """When the processes end without connecting, the wait ends."""
    with Gateway(tmp_path, ParticipantClock(), Limits()) as gateway, pytest.raises(ChannelEnded):
        gateway.accept(7, time.monotonic() + 60, lambda: False)


def test_the_frames_are_the_same_whatever_is_scored(grade, light, monkeypatch):
    """Grading on val, test_a and test_b sends the notebook byte-identical frames: nothing of a test set crosses."""
    sent = []

    class Watched(Gateway):
        def _send(self, data):
            sent[-1] += data
            super()._send(data)

    monkeypatch.setattr(grader.grading.gateway, "Gateway", Watched)
    cell = "def your_select_indices(t, l):\n    return [[i for i in range(len(t)) if l[0][i] < 0.7]] * 2\n"
    digests = []
    for split in ("val", "test_a", "test_b"):
        sent.append(b"")
        graded = grade(cell, "--split", split)
        assert graded.status == 0, graded.printed
        digests.append(graded.record["split_sha256"])
    assert sent[0] == sent[1] == sent[2]
    assert len(sent[0]) > 12 * 16 * 128
    assert len(set(digests)) == 3
