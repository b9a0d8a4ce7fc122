"""Random hostile input: always a verdict, never an error of ours, never a hang.

A small budget by default; ``make fuzz`` tries 10,000 examples of each property.
"""

import copy
import json
import socket
import tempfile
import threading
import time
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from competition.foreign_text import MAX_MESSAGE
from competition.notebook import SOLUTION_MARKER, build_notebook, graft, notebook_text
from competition.task.serving import FRAME_HEADER
from grader.grading.gateway import Gateway
from grader.grading.listening import ChannelEnded
from grader.grading.training import early_end, error_in_notebook
from grader.safe_io import plain_message
from grader.sandbox import Limits, ParticipantClock
from grader.submission import read_submission
from grader.verdicts import ParticipantFault, Verdict
from tests.hostile import damaged

pytestmark = pytest.mark.timeout(7200)

BATCH = 8
TARGETS = torch.arange(BATCH) % 2
LOSSES = [torch.linspace(0, 1, BATCH), torch.linspace(1, 0, BATCH)]
SUBMISSION = json.loads(notebook_text(graft("def your_select_indices(targets, losses):\n    return [[], []]\n")))
LOUDEST_NOTICES = 16 * 1024  # characters: what a participant is told about the ignored cells has an end

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
notebook_like = st.fixed_dictionaries(
    {},
    optional={
        "cells": st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "cell_type": st.sampled_from(["code", "markdown", "raw"]) | json_values,
                    "source": st.sampled_from([SOLUTION_MARKER, [SOLUTION_MARKER + "\n", "x = 1"]]) | json_values,
                    "metadata": json_values,
                    "outputs": json_values,
                },
            )
            | json_values,
            max_size=6,
        )
        | json_values,
        "metadata": json_values,
        "nbformat": json_values,
        "worksheets": json_values,
    },
)
# fmt: off
FRAGMENTS = [
    "%magic\n", "%%cell\n", "!ls\n", "x = !ls\n", "x = %time 1\n", "print?\n", "??\n", "\\\n", "'\\d'", "'''", '"""',
    "(", ")", "[", "{", "\t", "    ", "\x0c", "\r", "\x00", "é", "\U0001d54f", "\ud800", "\u2028", "f'{x!r:{y}}'",
    "def f(): pass\n", "import a.b as c\n", "lambda: x\n", "0xfor 1", "1if 1else 2", "1_0j\n", "is 1\n",
    "*a, b = c\n", "match x:\n case [*_]: pass\n", "async def g(): await x\n", "nonlocal x\n", "return\n",
    "yield\n", "assert (1, 'x')\n", "x" * 300, "(" * 150, "-" * 400 + "1", "keep = 1\n",
    "# LOCKED CELL [metric]: x\n", SOLUTION_MARKER + "\n",
    "your_select_indices = load\n", "def your_select_indices(t, l): return keep\n",
]
# fmt: on
sources = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=10), max_size=25).map("".join)


def a_verdict_or_a_submission(raw):
    """Read bytes as the grader does, up to the notebook that would be run, and check what a participant would see."""
    try:
        submission = read_submission(raw)
    except ParticipantFault as error:
        fault = error
    else:
        fault = None
    if fault is not None:
        assert fault.verdict is Verdict.PRESENTATION_ERROR
        harmless(plain_message(fault.message))
        return None
    notebook = json.loads(notebook_text(graft(submission.solution)))
    assert sum("".join(cell["source"]).startswith(SOLUTION_MARKER) for cell in notebook["cells"]) == 1
    assert sum(map(len, submission.notices)) <= LOUDEST_NOTICES
    for notice in submission.notices:
        harmless(notice)
    return submission


def harmless(text):
    """Check that a text is bounded, can be written anywhere, and steers no terminal."""
    assert len(text) <= MAX_MESSAGE
    text.encode()
    assert text == plain_message(text)


@st.composite
def mutated(draw, document, changes=4):
    """Draw a JSON document in which values were replaced, removed, repeated or exchanged, anywhere in it."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, changes))):
        place = changed
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            inner = place[key]
            if isinstance(inner, dict | list) and inner and draw(st.integers(0, 3)):
                place = inner
                continue
            match draw(st.sampled_from(["replace", "remove", "repeat", "text"])):
                case "replace":
                    place[key] = draw(json_values)
                case "remove":
                    del place[key]
                case "repeat" if isinstance(place, list):
                    place.insert(draw(st.integers(0, len(place))), copy.deepcopy(inner))
                case _:
                    place[key] = draw(sources)
            break
    return changed


@given(st.binary(max_size=400) | damaged(notebook_text(graft("x = 1")).encode()))
@example(b'{"cells": [' + b"1" * 5000 + b"]}")
@example(b"[" * 100_000)
@example('{"cells": []}'.encode("utf-16"))
def test_any_bytes_are_a_submission_or_a_presentation_error(raw):
    """Whatever the bytes, reading them ends in a solution or in the participant's fault."""
    a_verdict_or_a_submission(raw)


@given((json_values | notebook_like | mutated(SUBMISSION)).map(json.dumps))
@example(json.dumps({"cells": [{"cell_type": "x" * 10_000, "source": SOLUTION_MARKER}]}))
@example('{"cells": [{"cell_type": ' + "[" * 900 + "]" * 900 + f', "source": "{SOLUTION_MARKER}"}}]}}')
def test_any_json_is_a_submission_or_a_presentation_error(text):
    """Whatever the JSON, from a number to a notebook in which a value is wrong, it ends so too."""
    a_verdict_or_a_submission(text.encode())


@given(sources, st.lists(sources, max_size=4))
@example("print('\\d', 1 is 1)", ["'\\d'"])
@example("%a\n" * 600, ["%b\n" * 600])
@example("return [" + " + ".join(f"name{k}" for k in range(500)) + "]", [f"name{k} = 1" for k in range(500)])
def test_any_source_is_compared_without_an_error(solution, others):
    """Whatever stands in the cells, magics and half Python included, comparing them gives bounded, harmless notices."""
    cells = [{"cell_type": "code", "source": source} for source in others]
    marked = {"cell_type": "code", "source": f"{SOLUTION_MARKER}\n{solution}"}
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        a_verdict_or_a_submission(json.dumps({"cells": [*cells, marked]}).encode())
    assert not warned  # the organizer's terminal is no place for a participant's warnings


EXECUTED = {
    "cells": [
        {"cell_type": "code", "outputs": [{"output_type": "stream", "name": "stdout", "text": ["a\n"]}], "source": "1"},
        {"cell_type": "code", "outputs": [{"output_type": "error", "ename": "E", "traceback": ["a", "\x1b[31mb"]}]},
    ],
    "metadata": {},
}


@given(
    st.binary(max_size=300)
    | damaged(json.dumps(EXECUTED).encode())
    | (json_values | mutated(EXECUTED)).map(json.dumps).map(str.encode)
)
@example(json.dumps({"cells": [{"outputs": [{"output_type": "error", "traceback": ["\ud800\u202e"]}]}]}).encode())
@example(json.dumps({"cells": [{"outputs": [{"output_type": "error", "traceback": ["x" * 10**6]}]}]}).encode())
def test_any_executed_notebook_gives_a_bounded_message(executed):
    """Whatever the sandbox left behind, the verdict is RuntimeError, with a bounded and harmless message."""
    found = error_in_notebook(executed)
    assert found is None or isinstance(found, str)
    fault = early_end(executed, 3)
    assert fault.verdict is Verdict.RUNTIME_ERROR
    harmless(plain_message(fault.message))


def answer(call, first, second):
    """Make a valid frame."""
    indices = torch.tensor([*first, *second], dtype=torch.int32).numpy().tobytes()
    return FRAME_HEADER.pack(b"PICK", len(first), len(second), call) + indices


indices = st.lists(st.integers(0, BATCH - 1), max_size=4 * BATCH)
valid_answers = st.builds(answer, st.integers(0, 2), indices, indices)
headers = st.builds(
    FRAME_HEADER.pack,
    st.sampled_from([b"PICK", b"FAIL", b"DONE", b"SEED", b"CALL"]) | st.binary(min_size=4, max_size=4),
    st.integers(0, 40) | st.integers(0, 2**32 - 1),
    st.integers(0, 40) | st.integers(0, 2**32 - 1),
    st.integers(-1, 3) | st.integers(-(2**63), 2**63 - 1),
)
frames = st.one_of(
    valid_answers,
    valid_answers.flatmap(damaged),
    headers,
    st.builds(bytes.__add__, headers, st.binary(max_size=4 * 4 * BATCH)),
    st.binary(max_size=64),
)
# Each answer: the frame, how much of it comes at once, and whether the rest comes late.
exchanges = st.lists(st.tuples(frames, st.integers(0, 200), st.booleans()), min_size=1, max_size=3)


@given(exchanges, st.sampled_from(["hang up", "stay silent"]))
@example([(answer(0, [1], [2]), 200, False), (answer(1, [], []), 3, True)], "hang up")
def test_any_frames_are_answers_a_fault_or_the_end_of_the_channel(exchange, farewell):
    """Whatever a client sends, in whatever pieces, the gateway returns valid indices or ends with a known error."""
    with tempfile.TemporaryDirectory() as folder, Gateway(Path(folder), ParticipantClock(), Limits()) as gateway:
        over = threading.Event()
        peer = threading.Thread(target=send, args=(folder, exchange, farewell, over))
        peer.start()
        fault = None
        try:
            gateway.accept(7, time.monotonic() + 0.3, lambda: True)
            for _ in range(3):
                picked = gateway.select_indices(TARGETS, LOSSES)
                assert [selection.dtype for selection in picked] == [torch.int64] * 2
                assert all(0 <= index < BATCH for selection in picked for index in selection.tolist())
                assert all(len(selection) <= 4 * BATCH for selection in picked)
            gateway.finish()
        except ParticipantFault as error:
            fault = error
        except ChannelEnded:
            pass
        finally:
            over.set()
            peer.join()
    if fault is not None:
        assert fault.verdict in (Verdict.PRESENTATION_ERROR, Verdict.RUNTIME_ERROR)
        harmless(plain_message(fault.message))


def send(folder, exchange, farewell, over):
    """Play the notebook's end: send what was drawn, whether it was asked for or not."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            while not (place := Path(folder) / "socket").exists():
                time.sleep(0.001)
            connection.connect(str(place))
            for frame, at_once, late in exchange:
                connection.sendall(frame[:at_once])
                if late:
                    over.wait(0.01)
                connection.sendall(frame[at_once:])
        except OSError:
            return
        if farewell == "stay silent":
            over.wait(5)


def test_the_starter_is_what_is_mutated():
    """The document that the mutations start from is a submission, so that they explore its neighbourhood."""
    assert a_verdict_or_a_submission(json.dumps(SUBMISSION).encode()).notices == ()
    assert len(SUBMISSION["cells"]) == len(build_notebook().cells)
