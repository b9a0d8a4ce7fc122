"""A notebook without a kernel, for tests that look elsewhere: sandbox, socket, training and record are the real ones.

A kernel with all its libraries takes most of the time of a small grading. Here a bare interpreter in the sandbox runs
the solution cell instead, with lists for tensors, and answers the trainer.
"""

from __future__ import annotations

import pytest

from competition.notebook import BELL, SERVE_MAGIC
from grader.sandbox import INPUT_NOTEBOOK, Job
from grader.sandbox.job import GATEWAY_FOLDER, OUTPUT_NOTEBOOK, SOCKET

ANSWER = f"""
import array, json, os, shutil, socket, struct, time, traceback
shutil.copyfile("{GATEWAY_FOLDER}/{INPUT_NOTEBOOK}", "{OUTPUT_NOTEBOOK}")
cells = ["".join(cell["source"]) for cell in json.load(open("{OUTPUT_NOTEBOOK}"))["cells"]]
[solution] = [cell.removeprefix({SERVE_MAGIC!r}) for cell in cells if cell.startswith({SERVE_MAGIC!r})]
header = struct.Struct("<4sIIq")
names = {{}}
try:
    with socket.socket(socket.AF_UNIX) as bell:
        bell.connect("{BELL}")
    while not os.path.exists("{GATEWAY_FOLDER}/{SOCKET}"):
        time.sleep(0.01)
    os.listdir("train/data")
    exec(solution, names)
except BaseException:
    error = {{"output_type": "error", "ename": "", "evalue": "", "traceback": [traceback.format_exc()]}}
    json.dump({{"cells": [{{"outputs": [error]}}]}}, open("{OUTPUT_NOTEBOOK}", "w"))
    raise
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect("{GATEWAY_FOLDER}/{SOCKET}")
    stream = connection.makefile("rb")
    while True:
        kind, size, _, number = header.unpack(stream.read(header.size))
        if kind == b"DONE":
            break
        if kind == b"SEED":
            continue
        read = [array.array(code, stream.read(width * size)) for code, width in (("q", 8), ("f", 4), ("f", 4))]
        try:
            picked = names["your_select_indices"](list(read[0]), [list(read[1]), list(read[2])])
        except BaseException:
            text = traceback.format_exc().encode()[-4096:]
            connection.sendall(header.pack(b"FAIL", len(text), 0, 0) + text)
            raise
        lists = [array.array("i", indices) for indices in picked]
        connection.sendall(header.pack(b"PICK", *map(len, lists), number) + b"".join(map(bytes, lists)))
"""


@pytest.fixture
def light(monkeypatch):
    """Run no kernel: cells get lists for tensors, and return two lists of integers."""
    monkeypatch.setattr(Job, "papermill", lambda job: ["-S", "-c", ANSWER])
