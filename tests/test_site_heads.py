"""Connections that ask for nothing: they end, and those that ask are served as before."""

import socket
import time

import pytest

from grader.site import heads
from tests.site import form, notebook, serve
from tests.test_site_uploads import head_of

__all__ = ["serve"]  # a fixture
START = "GET /board HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"


def read_all(connection):
    """Read until the other end closes."""
    said = b""
    while part := connection.recv(65536):
        said += part
    return said


@pytest.mark.parametrize("beginning", ["", START, "GET"])
def test_a_connection_without_a_whole_head_is_closed(serve, monkeypatch, beginning):
    """Whoever sends nothing, or stops in the middle of a request's head, is cut off without an answer."""
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.5)
    serving = serve()
    with socket.create_connection(("127.0.0.1", serving.port), timeout=30) as connection:
        connection.sendall(beginning.format(port=serving.port).encode())
        assert read_all(connection) == b""


def test_dripping_bytes_win_no_time(serve, monkeypatch):
    """The time is for the whole head: a byte now and then does not begin it anew."""
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.5)
    serving = serve()
    deadline = time.monotonic() + 30
    with socket.create_connection(("127.0.0.1", serving.port), timeout=0.1) as connection:
        while time.monotonic() < deadline:
            try:
                connection.sendall(b"x")
                if connection.recv(1) == b"":
                    return
            except TimeoutError:
                continue
            except OSError:  # closed with a byte of ours unread
                return
    pytest.fail("the connection stayed open")


def test_a_second_head_has_its_time_too(serve, monkeypatch):
    """After an answer, half of another request is no way to stay."""
    monkeypatch.setattr(heads, "HEAD_SECONDS", 1.0)
    serving = serve()
    head = START.format(port=serving.port)
    with socket.create_connection(("127.0.0.1", serving.port), timeout=30) as connection:
        connection.sendall(f"{head}\r\n{head}".encode())
        said = read_all(connection)
    assert said.startswith(b"HTTP/1.1 200")
    assert said.count(b"HTTP/1.1") == 1


def test_a_body_may_take_longer_than_a_head(serve, monkeypatch):
    """The time ends with the head: a notebook that arrives later is received."""
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.3)
    serving = serve()
    body = form(notebook())
    with socket.create_connection(("127.0.0.1", serving.port), timeout=30) as connection:
        connection.sendall(head_of(serving.member("Ann"), len(body)) + body[:100])
        time.sleep(1.0)
        connection.sendall(body[100:])
        assert connection.recv(65536).startswith(b"HTTP/1.1 201")
