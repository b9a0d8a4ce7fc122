"""Hostile input for Hypothesis: names, damaged and repeated bytes. And the bounds on what reading it may cost."""

import gc
import tempfile
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st

MOST_SECONDS, MOST_BYTES = 1.0, 512 << 20  # of CPU time and memory, in the grader's own process
TRIES = 3
EXAMPLES = 10_000
IN_MEMORY = Path("/dev/shm")  # where a store of ten thousand examples waits for no disk

NASTY = [
    *(
        "\x1b[2J",
        "\x1b]0;title\x07",
        "\x1b]8;;http://x\x1b\\",
        "\x9b31m",
        "\x1b",
        "\x07",
        "\x08",
        "\r",
        "\n",
        "\t",
        "\x7f",
    ),
    *("\u202e", "\u2066", "\u200b", "\u2028", "\ufeff", "\U000e0041", "[bold]", "[/]", "{0}", "%s", '"', "'", ";", ","),
    *("=1+1", "@x", "-1", "＝cmd", "＋", "－", "＠", "\ud800", "é", "李", "👩\u200d🔬"),
]


def is_plain(printed):
    """Say whether a text has no character that moves a cursor, turns a line around or hides."""
    wanted = "\n\t\u200d\u200c"
    return all(each in wanted or unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for each in printed)


def scratch_folder():
    """Make a folder for one example; a context manager that gives its name and removes it."""
    return tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None)


def in_all(test):
    """Give a property of which 10,000 examples take about a minute so many in `make test-all` already."""
    most = settings.default.max_examples
    return settings(max_examples=EXAMPLES if most >= settings.get_profile("thorough").max_examples else most)(test)


def memory(name):
    """Return a figure of this process's memory in bytes: "VmRSS" now, "VmHWM" at most."""
    with open("/proc/self/status") as stream:
        return next(int(line.split()[1]) << 10 for line in stream if line.startswith(name))


def within_bounds(call, *arguments):
    """Call something that reads hostile input; return what it returns. It may take a second of CPU time, and 512 MB.

    Where it seems to take more it is called again, as other work on the machine can only add to what is measured.
    """
    for _ in range(TRIES):
        with open("/proc/self/clear_refs", "w") as stream:
            stream.write("5")  # forget the highest memory until now
        before, started = memory("VmRSS"), time.process_time()
        result = call(*arguments)
        seconds, grown = time.process_time() - started, memory("VmHWM") - before
        if seconds <= MOST_SECONDS and grown <= MOST_BYTES:
            return result
        gc.collect()
    return pytest.fail(f"{call} took {seconds:.1f} s of CPU time and {grown >> 20} MB")


@st.composite
def damaged(draw, raw):
    """Draw bytes in which some were exchanged, removed or put in between."""
    data = bytearray(raw)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        data[start : start + draw(st.integers(0, 64))] = draw(st.binary(max_size=16))
    return bytes(data)


@st.composite
def repeated(draw, raw, most=1 << 16):
    """Draw bytes or text of which a part stands there again and again, up to so many bytes or characters."""
    start = draw(st.integers(0, max(len(raw) - 1, 0)))
    part = raw[start : start + draw(st.integers(1, 64))]
    times = draw(st.integers(0, 16)) and most // max(len(part), 1) >> draw(st.integers(0, 12))
    return raw[:start] + part * times + raw[start:]


@st.composite
def names(draw, most=1 << 16):
    """Draw a name of people or files, of nasty parts, any text, or something again and again."""
    parts = st.sampled_from([*NASTY, *MORE_NASTY]) | st.text(max_size=6)
    name = "".join(draw(st.lists(parts, min_size=1, max_size=5)))
    return draw(repeated(name, most)) if draw(st.integers(0, 3)) == 0 else name


MORE_NASTY = [
    *(
        "\u0301",
        "\u0316",
        "\ufdfa",
        "\u200d",
        "\u3164",
        "\udcff",
        "\0",
        "/",
        "\\",
        "..",
        ".",
        "~",
        "#",
        " ",
        "_",
        " - ",
    ),
    *(
        "reference",
        "(rеfеrеncе)",
        "Anna",
        "аnnа",
        "ＡＮＮＡ",
        "CON",
        ".ipynb",
        ".IPYNB",
        ".zip",
        ".py",
        "__MACOSX",
        "x" * 260,
    ),
    *("_1234567_assignsubmission_file_", "_LATE_12_34_", "submitted", "-1", "9" * 30, "timestamp.txt", "ß", "İ", "ﬁ"),
]
