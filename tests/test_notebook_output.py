"""What becomes of hostile text, images and notebooks before anybody sees them."""

import base64
import json
import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from competition.notebook import SOLUTION_MARKER
from grader.pages.decoding import MAX_SIDE, RESULT, decode_all, read_results
from grader.pages.notebook_output import MAX_IMAGES, MAX_TEXT, Note, Picture, Text, notebook_output
from grader.safe_io import plain_message, plain_text
from tests.browser import chromium, visitor
from tests.made_files import progressive

__all__ = ["chromium", "visitor"]  # fixtures

CANARY = "canary-7d20"
ATTACK = "<img src=x onerror=\"document.title='owned'\">"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\x1b[1;31mred\x1b[0m and \x1b]0;title\x07plain", "red and plain"),
        ("\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("evil\u202egpj\u202c.exe \u2066x\u2069\u200e\u061c", "evilgpj.exe x"),
        ("a\x00b\x07c\x7f\x9b\ud800\ufeff\U000e0041", "abc"),
        ("10%\r50%\r100%\nnext\r\nlast\r", "100%\nnext\nlast"),
        ("tabs\tand\nlines, zażółć, שלום, 👩\u200d🔬", "tabs\tand\nlines, zażółć, שלום, 👩\u200d🔬"),
    ],
)
def test_text_becomes_plain(text, plain):
    """Escape sequences, control, direction and half characters go; letters of any script stay."""
    assert plain_text(text) == plain


def test_a_message_keeps_its_end():
    """A message is bounded, and what is kept is its end, where an error names its cause."""
    message = plain_message("x" * 10_000 + "\x1b[0m the cause ")
    assert len(message) == 4096
    assert message.endswith("x the cause")


# What becomes of a hostile executed notebook


def executed(*outputs, source=SOLUTION_MARKER + "\npass", after=()):
    """Make an executed notebook whose solution cell has these outputs."""
    cells = [
        {"cell_type": "code", "source": "print()", "outputs": [{"output_type": "stream", "text": "before"}]},
        {"cell_type": "code", "source": source, "outputs": list(outputs)},
        {"cell_type": "code", "source": ["final"], "outputs": list(after)},
    ]
    return json.dumps({"cells": cells}).encode()


def display(**bundle):
    """Make an output that displays a bundle; names have an underscore for the slash."""
    return {"output_type": "display_data", "data": {name.replace("_", "/"): value for name, value in bundle.items()}}


def encoded(image, file_format="PNG", **options):
    """Encode an image as a notebook does."""
    stream = BytesIO()
    image.save(stream, file_format, **options)
    return base64.b64encode(stream.getvalue()).decode()


def shown_by(*outputs):
    """Return what the outputs of a solution cell become."""
    return notebook_output(executed(*outputs)).solution


def test_an_image_is_encoded_again_without_what_came_with_it():
    """The pixels stay; text, colour profile and whatever follows the image go."""
    pixels = Image.effect_noise((40, 30), 90).convert("RGB")
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", CANARY)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    raw = base64.b64decode(encoded(pixels, pnginfo=text, icc_profile=profile)) + b"<script>" + CANARY.encode()
    assert CANARY.encode() in raw
    [picture] = shown_by(display(image_png=base64.b64encode(raw).decode(), text_html=ATTACK))
    assert isinstance(picture, Picture)
    assert CANARY.encode() not in picture.png
    again = Image.open(BytesIO(picture.png))
    assert again.info == {}
    assert np.array_equal(np.asarray(again)[..., :3], np.asarray(pixels))


def test_jpeg_is_shown_and_large_images_shrink():
    """A JPEG becomes a PNG; an image of more pixels than a page needs is made smaller."""
    jpeg, large = shown_by(
        display(image_jpeg=[encoded(Image.new("L", (20, 10), 200), "JPEG")]),
        display(image_png=encoded(Image.new("L", (2000, 500)))),
    )
    assert (jpeg.width, jpeg.height) == (20, 10)
    assert (large.width, large.height) == (MAX_SIDE, MAX_SIDE // 4)
    assert jpeg.png.startswith(b"\x89PNG")


def png_of(width, height, data=b""):
    """Make a PNG file that claims a size, whatever its data is."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", data) + chunk(b"IEND", b"")).decode()


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (png_of(50_000, 50_000, zlib.compress(bytes(1 << 20))), "cannot be read"),
        (png_of(9000, 9000, zlib.compress(bytes(1 << 20))), "9,000 by 9,000 pixels"),
        (png_of(100, 100, zlib.compress(b"short")), "cannot be read"),
        (png_of(0, 0), "cannot be read"),
        ("not base64 at all!", "cannot be read"),
        (encoded(Image.new("P", (8, 8)), "GIF"), "cannot be read"),
        (base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>").decode(), "cannot be read"),
        ("A" * (6 << 20), "more than 4 MiB"),
    ],
    ids=["bomb", "too many pixels", "cut", "no pixels", "no base64", "GIF", "SVG", "too many bytes"],
)
def test_a_bad_image_becomes_a_note(image, words):
    """A bomb, a broken or huge file, or another format behind the name of PNG is a sentence of ours."""
    [note] = shown_by(display(image_png=image))
    assert isinstance(note, Note)
    assert words in note.text


@pytest.mark.slow
def test_images_that_take_too_long_are_left_out():
    """Images with endless scans, which would take minutes, end in a sentence; those before them are kept."""
    good = display(image_png=encoded(Image.new("L", (4, 4))))
    bad = display(image_jpeg=base64.b64encode(progressive(30_000, side=2040)).decode())
    items = shown_by(good, *[bad] * 12)
    assert isinstance(items[0], Picture)
    assert {item.text for item in items[1:-1]} == {
        "An image was left out, as decoding it takes too much time or memory."
    }


def test_what_was_decoded_before_the_end_is_kept():
    """Of results that break off anywhere, the whole ones are read; nothing to decode starts nothing."""
    png = BytesIO()
    Image.new("L", (4, 4)).save(png, "PNG")
    whole = decode_all([png.getvalue(), b"no image"])
    assert [(each.kind, each.width) for each in whole] == [(0, 4), (2, 0)]
    output = b"".join(RESULT.pack(each.kind, each.width, each.height, len(each.png)) + each.png for each in whole * 2)
    for end in range(len(output)):
        assert list(read_results(output[:end])) == (whole * 2)[: len(list(read_results(output[:end])))]
    assert len(list(read_results(output))) == 4
    assert decode_all([]) == []


def test_output_is_bounded_with_a_notice():
    """Beyond so much text and so many images, only how much more there was is told."""
    texts = [{"output_type": "stream", "text": ["y" * 1000 + "\n"] * 50} for _ in range(3)]
    [text, note] = shown_by(*texts)
    assert text == Text(("y" * 1000 + "\n") * (MAX_TEXT // 1001) + "y" * (MAX_TEXT % 1001))
    assert note == Note(f"{3 * 50 * 1001 - 1 - MAX_TEXT:,} more characters of output are not shown.")
    many = shown_by(*[display(image_png=encoded(Image.new("L", (4, 4))))] * (MAX_IMAGES + 5))
    assert [type(item) for item in many] == [Picture] * MAX_IMAGES + [Note]
    assert many[-1].text.startswith("5 more images")
    noise = encoded(Image.effect_noise((1150, 1150), 100))
    heavy = shown_by(*[display(image_png=noise)] * 6)
    assert sum(len(item.png) for item in heavy if isinstance(item, Picture)) <= 4 << 20
    assert isinstance(heavy[-1], Note)


def test_an_escape_sequence_in_pieces_is_stripped():
    """A stream may be cut anywhere: its pieces are joined before they are made plain."""
    cut = [{"output_type": "stream", "name": "stdout", "text": part} for part in ("a\x1b[3", "1mb\x1b", "[0mc")]
    assert shown_by(*cut) == (Text("abc"),)


def test_errors_and_what_calls_print_are_shown():
    """A traceback is text without colours; the output of the cells behind the solution cell is told apart."""
    error = {"output_type": "error", "ename": "E", "traceback": ["\x1b[31mTraceback", 3, "E: <b>why</b>"]}
    output = notebook_output(executed(error, after=[{"output_type": "stream", "text": "call 1"}]))
    assert output.solution == (Text("Traceback\nE: <b>why</b>"),)
    assert output.calls == (Text("call 1"),)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["cells", "outputs", "output_type", "data", "text", "traceback", "image/png", "text/plain"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
OUTPUT = st.fixed_dictionaries(
    {"output_type": st.sampled_from(["stream", "error", "display_data", "execute_result"]) | JSON},
    optional={
        "text": JSON,
        "traceback": JSON,
        "data": st.dictionaries(st.sampled_from(["image/png", "text/plain"]), JSON),
    },
)


@given(outputs=st.lists(OUTPUT | JSON, max_size=4), source=st.just(SOLUTION_MARKER) | JSON)
def test_any_json_becomes_something_to_show(outputs, source):
    """Whatever JSON stands where outputs should, it becomes texts, images and notes, and never an error of ours."""
    output = notebook_output(executed(*outputs, source=source))
    assert output is None or all(isinstance(item, Text | Picture | Note) for item in output.solution)


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_no_notebook_or_one(raw):
    """Arbitrary bytes and arbitrary JSON are simply no notebook."""
    assert notebook_output(raw) is None


def test_deep_json_is_no_notebook():
    """Nesting beyond what Python reads is no traceback of ours."""
    assert notebook_output(b"[" * 200_000) is None
