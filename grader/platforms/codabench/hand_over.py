"""The scoring program of ``worker`` mode: hands the one notebook of a submission to the grader on the worker's host.

It runs in Codabench's container, with nothing but Python's standard library, and is no part of the kit there. What it
was sent it takes for hostile; the grader behind the socket it trusts, and bounds what it reads of it all the same.

Exit status: 0 with scores, also where the fault is the participant's; 1 where it is ours, which Codabench shows as
Failed and does not count.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
import sys
import time
from pathlib import Path

RESULTS = "/app/input/res"
OUTPUT = "/app/output"
SOCKET = "/app/data/grader.sock"
MAX_NOTEBOOK_BYTES = 16 << 20
MAX_ENTRIES = 10_000  # files and folders that are looked through
LEFT_BEHIND = ("__MACOSX", ".ipynb_checkpoints")  # folders that systems and editors leave in a zip
REQUEST = struct.Struct(">4sI")  # b"GRAD", length of the notebook
REPLY = struct.Struct(">4sII")  # b"DONE", lengths of scores.json and the page; or b"FAIL", of a sentence, and 0
MAX_SCORES_BYTES, MAX_PAGE_BYTES = 1 << 16, 64 << 20
PRESENTATION_ERROR = 1
FAULT_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>PresentationError</title></head>
<body style="font-family: sans-serif; max-width: 45em; margin: 2em auto; padding: 0 1em">
<h1>PresentationError</h1><p>{}.</p>
<p>make_submission.py of the starting kit makes a zip that is right.</p></body></html>
"""


class Fault(Exception):
    """The submission's own fault; the message tells what to do and quotes nothing of it."""


class GraderFailed(Exception):
    """Our fault: the submission is not counted."""


def notebooks_below(folder: str) -> list[str]:
    """Return the paths of the regular files below `folder` that are notebooks by their names, following no link."""
    found, entries, folders = [], 0, [folder]
    while folders:
        with os.scandir(folders.pop()) as listing:
            for entry in listing:
                entries += 1
                if entries > MAX_ENTRIES:
                    raise Fault("The submission holds too many files: zip the notebook alone")
                if entry.is_dir(follow_symlinks=False):
                    folders += [] if entry.name in LEFT_BEHIND else [entry.path]
                elif entry.name.lower().endswith(".ipynb") and not entry.name.startswith("._"):
                    found.append(entry.path)
    return sorted(found)


def read_notebook(folder: str) -> bytes:
    """Return the bytes of the one notebook below `folder`.

    Raises:
        Fault: there is none, or more than one, or it is no regular file, or too large.
    """
    found = notebooks_below(folder) if Path(folder).is_dir() else []
    if len(found) != 1:
        what = "no notebook" if not found else f"{len(found)} notebooks"
        raise Fault(f"The submission holds {what}: zip one .ipynb file, and nothing else")
    if not stat.S_ISREG(os.lstat(found[0]).st_mode):
        raise Fault("The notebook is no regular file: zip the file itself")
    descriptor = os.open(found[0], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Fault("The notebook is no regular file: zip the file itself")
        raw = stream.read(MAX_NOTEBOOK_BYTES + 1)
    if len(raw) > MAX_NOTEBOOK_BYTES:
        raise Fault("The notebook is larger than 16 MiB: clear its outputs")
    return raw


def receive(connection: socket.socket, size: int, deadline: float) -> bytes:
    """Read exactly `size` bytes until `deadline`, of `time.monotonic()`.

    Raises:
        OSError: they do not come.
    """
    data = bytearray()
    while len(data) < size:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        chunk = connection.recv(min(size - len(data), 1 << 20))
        if not chunk:
            raise ConnectionError("it hung up")
        data += chunk
    return bytes(data)


def ask(raw: bytes, path: str, seconds: float) -> tuple[bytes, bytes]:
    """Have the grader grade a notebook; return the bytes of scores.json and of the page.

    Raises:
        GraderFailed: it cannot be reached, fails, or takes longer than `seconds`.
    """
    deadline = time.monotonic() + seconds
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            connection.connect(path)
            connection.sendall(REQUEST.pack(b"GRAD", len(raw)) + raw)
            kind, first, second = REPLY.unpack(receive(connection, REPLY.size, deadline))
            if first > MAX_SCORES_BYTES or second > MAX_PAGE_BYTES:
                raise GraderFailed("the grader answered with more than it may")
            scores, page = receive(connection, first, deadline), receive(connection, second, deadline)
    except OSError as error:
        raise GraderFailed(f"the grader on the worker's host gave no answer: {error}") from None
    if kind != b"DONE":
        raise GraderFailed(scores.decode(errors="replace"))
    return scores, page


def main(seconds: float) -> int:
    """Hand over the notebook, write what came back, and return the exit status."""
    try:
        scores, page = ask(read_notebook(RESULTS), SOCKET, seconds)
    except Fault as fault:
        zero = {"bac": 0.0, "points": 0, "verdict": PRESENTATION_ERROR, "seconds": 0.0}
        scores, page = json.dumps(zero).encode(), FAULT_PAGE.format(fault).encode()
        print(fault)
    except GraderFailed as failure:
        print(f"not graded, and not counted: {failure}", file=sys.stderr)
        return 1
    Path(OUTPUT, "detailed_results.html").write_bytes(page)
    Path(OUTPUT, "scores.json").write_bytes(scores)
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
