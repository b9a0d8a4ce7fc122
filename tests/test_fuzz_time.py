"""What hostile notebooks and images may cost: a second of CPU time and 512 MB in the grader's own process, at most.

A part that stands there thousands of times finds what takes the square of a length, and nested ones what takes a power.
`make fuzz` tries 10,000 examples of each property; those of `in_all` are as many in `make test-all` too.
"""

import base64
import json
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

import competition.pool.pictures
from competition.errors import SourceError
from competition.notebook import SOLUTION_MARKER
from competition.pool.pictures import FORMATS, grey_values, read_picture
from grader.contest.entries import identify
from grader.contest.similarity import similar_pairs
from grader.grading.training import early_end, error_in_notebook
from grader.pages.decoding import DECODED, MAX_SIDE, decode
from grader.pages.notebook_output import Note, Picture, Text, notebook_output
from grader.submission import read_submission
from grader.verdicts import ParticipantFault, Verdict
from tests.hostile import damaged, in_all, repeated, scratch_folder, within_bounds
from tests.made_files import TEXT_BOMB, png, progressive, saved
from tests.own_images import MODES
from tests.test_fuzz import FRAGMENTS

pytestmark = pytest.mark.timeout(14_400)

# What may stand before, again and again, and behind. `#` becomes a number, so that each is another one.
BEFORE = [
    "",
    "try:\n",
    "match a:\n",
    "d = {",
    "x = ",
    "f(",
    "class A:\n",
    "def f():\n",
    "print(",
    "with ",
    "del ",
    "for ",
]
AGAIN = [
    "except a:\n def f(): 0\n",
    " import a\n",
    " case 1:\n  import a\n",
    "a#: 0, a#: 1, ",
    "q#, ",
    "q# = ",
    "a.",
    "a[",
    "a;",
]
AGAIN += [
    "(",
    "[",
    "{",
    "{1:",
    "f(",
    "f(a=",
    "lambda: ",
    "lambda x=",
    "not ",
    "-",
    "~",
    "await ",
    "a if b else ",
    "a, ",
]
AGAIN += [
    "[a for a in ",
    "f'{",
    "f'{a}'",
    "'{}'.format(a)\n",
    "'%s' % a\n",
    "a: 'b'\n",
    "*a, ",
    "a is 1\n",
    "import a#\n",
]
AGAIN += [
    "__all__ += ['a']\n",
    "global a#\n",
    "if a: 0\n",
    "@a\n",
    "# a\n",
    " ",
    "\n",
    "\r",
    "\x0b",
    "=",
    "?",
    "%",
    "\\\n",
]
BEHIND = ["", "1", "0)", "}", "]", "except a: pass\n", "\n", "x", "'"]
sizes = st.integers(3, 16).map(lambda power: 1 << power)


@st.composite
def long_sources(draw, most=1 << 16):
    """Draw a cell's text that says the same again and again, up to so many characters."""
    unit = "".join(
        draw(
            st.lists(st.sampled_from(AGAIN) | st.sampled_from(FRAGMENTS) | st.text(max_size=4), min_size=1, max_size=3)
        )
    )
    before, behind = draw(st.sampled_from(BEFORE)), draw(st.sampled_from(BEHIND))
    times = min(draw(sizes), most // max(len(unit.encode(errors="replace")), 1))
    middle = "".join(unit.replace("#", str(k)) for k in range(times)) if "#" in unit else unit * times
    return before + middle + behind


def compare(source):
    """Compare a cell with another, as `grader similar` does."""
    return similar_pairs({"long": source, "other": "x = 1\n" * 30}, ["x = 2"], 0.5)


def notebook_of(solution, others):
    """Return the bytes of a notebook with these cells."""
    cells = [{"cell_type": "code", "source": source} for source in (*others, f"{SOLUTION_MARKER}\n{solution}")]
    return json.dumps({"cells": cells}).encode()


def permuted(count):
    """Return names of the same 39 letters in other orders."""
    letters = "ab" * 19 + "c"
    return [
        "".join(letters[(place * (k % 18 * 2 + 1) + k) % 39] for place in range(39)) + f"{k:x}" for k in range(count)
    ]


@given(long_sources(), st.lists(long_sources(1 << 19), max_size=2))
@example("try:\n" + " import a\n" * 6_000 + "except a: pass\n", [])
@example("try:\n pass\n" + "except a:\n def f(): 0\n" * 2_800, [])
@example("d = {" + "".join(f"a{k}: 0, a{k}: 1, " for k in range(2_800)) + "}", [])
@example("\n".join([f"z = {name}" for name in permuted(20)] + [f"{name[::-1]} = 1" for name in permuted(1_300)]), [])
@example("0xf" + "f" * 60_000, [])
@example("x", [" " * 262_000, "a;" * 120_000])
@example("x", ["#a\n" * 4_000_000])
def test_no_cell_takes_long_to_read_or_to_compare(solution, others):
    """Whatever stands in the cells as often as it may, reading them, hints included, and comparing them is quick."""
    raw = notebook_of(solution, others)
    with suppress(ParticipantFault):
        within_bounds(read_submission, raw)
    within_bounds(identify, raw)
    within_bounds(compare, solution)


JSON_PARTS = [
    "[",
    "{",
    '{"a":',
    '"',
    "1,",
    "0.1,",
    "[],",
    "{},",
    '{"a": {}},',
    '"a",',
    "9" * 4_000 + ",",
    "1e999,",
    "\\u000b",
    "\\ud800",
]
JSON_PARTS += ["null,", " ", "\n", '"cells": [', '"source":', "}", "]", "\x00", "\xff", '{"cell_type": "code"},']


@st.composite
def long_json(draw):
    """Draw the bytes of something like JSON in which a part stands again and again, up to 16 MiB."""
    unit = "".join(draw(st.lists(st.sampled_from(JSON_PARTS), min_size=1, max_size=3))).encode("latin-1")
    head, tail = draw(st.sampled_from([(b"", b""), (b'{"cells": [', b"0]}"), (b'{"metadata": [', b'0], "cells": []}')]))
    most = 1 << draw(st.integers(4, 24))
    return head + unit * ((most - 64) // len(unit)) + tail


@pytest.mark.slow
@given(long_json())
@example(b'{"cells": [' + b"[]," * 5_000_000 + b"0]}")
@example(b'{"cells": [' + b'{"a": {}},' * 330_000 + b"0]}")
@example(b"[" * (16 << 20))
@example(b'{"cells": [{"source": "' + b"\\n" * (8 << 20) + b'"}]}')
def test_no_file_takes_long_to_read(raw):
    """Whatever the JSON is made of, submitted or left in the sandbox, reading it is quick and takes no gigabyte."""
    with pytest.raises(ParticipantFault) as fault:
        within_bounds(read_submission, raw)
    assert fault.value.verdict is Verdict.PRESENTATION_ERROR
    assert within_bounds(error_in_notebook, raw) is None
    assert within_bounds(early_end, raw, 3).verdict is Verdict.RUNTIME_ERROR
    assert within_bounds(notebook_output, raw) is None


def made_pictures():
    """Make small pictures of all formats and modes; not every format has every mode."""
    for file_format in FORMATS:
        for mode in MODES:
            picture = Image.effect_noise((16, 12), 60).convert("I" if mode == "I;16" else mode)
            try:
                yield saved(picture, format=file_format)
            except (OSError, ValueError):
                continue


PICTURES = [*made_pictures(), progressive(3), png(16, 12, bytes(300), TEXT_BOMB), png(2_000, 2_000, bytes(9))]
PICTURES += [
    b"<svg xmlns='http://www.w3.org/2000/svg'><script>x</script></svg>",
    b"no image",
    b"%!PS-Adobe-3.0 EPSF-3.0\n",
]
bytes_of_pictures = st.sampled_from(PICTURES).flatmap(lambda raw: damaged(raw) | repeated(raw, 1 << 18))


def look_at(raw):
    """Read a picture of an organizer's own as `build-data` does; return its grey values, or what is said of it."""
    with scratch_folder() as scratch:
        (path := Path(scratch) / "a.png").write_bytes(raw)
        try:
            picture = read_picture(path.parent, "a.png")
        except SourceError as error:
            return str(error)
        return grey_values(picture, 28, 16).shape


@in_all
@given(bytes_of_pictures)
@example(progressive(3_000, side=512))
def test_any_picture_of_ones_own_is_read_or_refused_in_a_line(raw):
    """Whatever the bytes, of a picture that is no larger than a screen: grey values, or one plain line, and quickly."""
    with patch.object(competition.pool.pictures, "MAX_PIXELS", 1 << 22):
        found = within_bounds(look_at, raw)
    assert found == (28, 28) or (found.isprintable() and "/a.png: " in found)


def test_the_pictures_that_are_damaged_are_of_all_formats():
    """What the damage starts from can be read, but for what is hostile from the start."""
    assert len([raw for raw in PICTURES if look_at(raw) == (28, 28)]) > 25


@in_all
@given(bytes_of_pictures)
def test_a_decoder_of_outputs_ends_with_an_image_or_none(raw):
    """Whatever the bytes, what runs in the child process never raises, and what it makes is small."""
    result = decode(raw)
    assert (result.kind == DECODED) == bool(result.png)
    assert result.kind != DECODED or 0 < max(result.width, result.height) <= MAX_SIDE


KINDS = st.sampled_from(["image/png", "image/jpeg", "image/gif", "image/svg+xml", "text/plain"])


@pytest.mark.slow
@given(st.lists(st.tuples(KINDS, bytes_of_pictures), min_size=1, max_size=14))
@example([("image/jpeg", progressive(2_000, side=2_000))] * 12)
def test_no_outputs_of_images_take_long(images):
    """Whatever a notebook shows, the grader's own process makes texts, images of its own and notes of it, quickly."""
    outputs = [{"output_type": "display_data", "data": {kind: base64.b64encode(raw).decode()}} for kind, raw in images]
    cells = [{"cell_type": "code", "source": SOLUTION_MARKER, "outputs": outputs}]
    shown = within_bounds(notebook_output, json.dumps({"cells": cells}).encode()).solution
    assert all(isinstance(item, Text | Picture | Note) for item in shown)
    for item in shown:
        if isinstance(item, Picture):
            assert Image.open(BytesIO(item.png)).info == {}
