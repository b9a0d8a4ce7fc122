"""An organizer's own images and labels file: what is read, and what is said of each kind of bad input."""

import os
import re
import subprocess

import numpy as np
import pytest
from PIL import Image

from competition.errors import SourceError
from competition.pool.folder import folder_pool
from competition.pool.labels_file import read_labels
from competition.pool.pictures import FORMATS, grey_values, read_picture
from competition.task.data import load_data
from tests.made_files import TEXT_BOMB, png, progressive, saved
from tests.own_images import build, write_source, write_table


def test_a_folder_of_ones_own_becomes_a_competition(tmp_path):
    """Images of any mode and size, resized on request, build a whole data folder that the task can load."""
    source = write_source(tmp_path / "source", images=960, sizes=((20, 24), (31, 17)))
    result = build(source, tmp_path / "data", "--size", "28", "--profile", "debug")
    assert result.exit_code == 0, result.output
    assert "every image flips equally often" in result.output
    train, val = load_data(tmp_path / "data" / "public")
    assert next(iter(train))[0].shape == (128, 1, 28, 28)
    assert len(val.dataset) == 128


def test_grey_values_survive_every_mode(tmp_path):
    """The same grey picture stored in any mode reads as the same grey values; transparent parts are black."""
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for mode in ("L", "RGB", "RGBA", "P", "LA"):
        Image.fromarray(grey).convert(mode).save(tmp_path / f"{mode}.png")
        found = grey_values(read_picture(tmp_path, f"{mode}.png"), None, 8)
        assert np.abs(found.astype(int) - grey).max() <= 1, mode
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "sixteen.png")
    assert (grey_values(read_picture(tmp_path, "sixteen.png"), None, 16) == grey).all()
    Image.new("RGBA", (8, 8), (255, 255, 255, 0)).save(tmp_path / "clear.png")
    assert (grey_values(read_picture(tmp_path, "clear.png"), None, 8) == 0).all()


@pytest.mark.parametrize(("bits", "shift"), [(16, 8), (12, 4), (10, 2)])
def test_deep_grey_is_scaled_by_what_the_whole_folder_uses(tmp_path, bits, shift):
    """Values that fill 12 of 16 bits do not become nearly black, a darker picture stays darker, and a note says so."""
    deep = np.linspace(0, 2**bits - 1, 256).astype(np.uint16).reshape(16, 16)
    rows = [("file", "label")]
    for name, values in (("bright", deep), ("dark", deep // 8)):
        Image.fromarray(values).save(tmp_path / f"{name}.png")
        rows.append((f"{name}.png", len(rows) % 2))
    write_table(tmp_path / "labels.csv", rows)
    pool = folder_pool(tmp_path, tmp_path / "labels.csv")
    assert (pool.images == np.stack([deep >> shift, (deep // 8) >> shift])).all()
    result = build((tmp_path, tmp_path / "labels.csv"), tmp_path / "data")
    assert f"grey values take {bits} bits, 0 to {2**bits - 1:,}" in result.output


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            [("file", "label"), ("a", "2"), ("b", "0 ")],
            "labels must be 0 or 1, also found '2' (line 2); call the class",
        ),
        ([("file", "label"), ("a", "1"), ("b", "cat")], "labels must be 0 or 1, also found 'cat' (line 3)"),
        ([("file", "label"), ("a", "1"), ("b", "")], "also found '' (line 3)"),
        ([("file", "label"), ("a", "1"), ("b", "\x1b[31mred")], "also found 'red' (line 3)"),
        ([("file", "label"), ("a", "1"), ("b", "1")], "needs images of both classes; none has the label '0'"),
        ([("file", "label")], "needs images of both classes"),
        ([], "the columns are missing; expected file, label"),
        ([("name", "label"), ("a", "1")], "the columns are name, label; expected file, label"),
        ([("file", "label", "label"), ("a", "1", "0")], "the columns are file, label, label"),
        ([("file", "label"), ("a", "1"), ("b",)], "line 3: 1 value(s), expected 2 (file, label)"),
        ([("file", "label"), ("a", "1"), ("b", "0", "7")], "line 3: 3 value(s), expected 2 (file, label)"),
        ([("file", "label"), ("a", "1"), (), ("b", "0"), ("./a", "0")], "more than once: './a' (lines 2 and 5)"),
        ([("file", "label"), ("a\0b", "1")], "line 2: 'ab' names no file in the folder of images"),
        ([("file", "label"), ("../a", "1")], "line 2: '../a' names no file in the folder of images"),
        ([("file", "label"), ("/etc/a", "1")], "line 2: '/etc/a' names no file in the folder of images"),
        ([("file", "label"), ("", "1")], "line 2: '' names no file in the folder of images"),
        ([("file", "label"), ("a" * 200_000, "1")], "line 2: not CSV (field larger than field limit"),
        (
            [("file", "label", "difficulty"), ("a", "1", "hard"), ("z", "0", "0")],
            "line 2: the difficulty 'hard' is not a number",
        ),
        (
            [("file", "label", "difficulty"), ("a", "1", "nan"), ("z", "0", "0")],
            "line 2: the difficulty 'nan' is not finite",
        ),
        (
            [("file", "label", "difficulty"), ("a", "1", "1e99"), ("z", "0", "0")],
            "line 2: the difficulty '1e99' is not finite",
        ),
        (
            [("file", "label", "noisy_label"), ("a", "1", "2"), ("z", "0", "0")],
            "noisy_labels must be 0 or 1, also found '2' (line 2)",
        ),
    ],
)
def test_a_wrong_labels_file_is_refused_in_one_line(tmp_path, rows, words):
    """Wrong labels, columns, rows, names and difficulties each give one plain line, with the line where it stands."""
    write_table(tmp_path / "labels.csv", rows)
    with pytest.raises(SourceError, match=re.escape(words)) as caught:
        read_labels(tmp_path / "labels.csv")
    assert str(caught.value).isprintable()


def test_blanks_around_labels_do_no_harm(tmp_path):
    """A trailing blank, a byte order mark, blanks in the header and blank lines change nothing."""
    (tmp_path / "labels.csv").write_bytes(b"\xef\xbb\xbffile, label\r\na.png,0 \r\n\r\nb.png, 1\r\n , \r\n")
    table = read_labels(tmp_path / "labels.csv")
    assert (table.files, table.labels.tolist(), table.classes) == (["a.png", "b.png"], [0, 1], ("0", "1"))


def test_classes_of_other_names_are_read_with_positive(tmp_path):
    """The class that --positive names becomes 1, the other one 0; a name not found and a third class are refused."""
    path = tmp_path / "labels.csv"
    write_table(path, [("file", "label", "noisy_label"), ("a", "cat", "cat"), ("b", "dog", "cat")])
    table = read_labels(path, "dog")
    assert (table.labels.tolist(), table.noisy.tolist(), table.classes) == ([0, 1], [0, 0], ("cat", "dog"))
    with pytest.raises(SourceError, match=r"no image has the label 'cow' of --positive, found 'cat' \(line 2\), 'dog'"):
        read_labels(path, "cow")
    write_table(path, [("file", "label"), ("a", "cat"), ("b", "dog"), ("c", "cow")])
    with pytest.raises(SourceError, match="a competition has two classes, found 'cat'"):
        read_labels(path, "dog")


@pytest.mark.parametrize("kind", ["missing", "a folder", "a pipe", "no UTF-8"])
def test_a_labels_file_that_is_no_text_file_is_refused(tmp_path, kind):
    """What stands in place of the CSV is named, and a pipe is not waited for."""
    path = tmp_path / "labels.csv"
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "no UTF-8":
        path.write_bytes("file,label\n".encode("utf-16"))
    words = {"missing": "no such file; give the CSV", "no UTF-8": "not UTF-8 text"}.get(kind, "no regular file")
    with pytest.raises(SourceError, match=words):
        read_labels(path)


def put_link(path):
    (path.parent / "there.png").write_bytes(saved(Image.new("L", (8, 8)), format="PNG"))
    path.symlink_to("there.png")


def put_folder_behind_a_link(path):
    (path.parent.parent / "elsewhere").mkdir()
    put_link(path.parent.parent / "elsewhere" / "inside.png")
    path.symlink_to("../elsewhere")


FORMAT_NAMES = "PNG, JPEG, BMP, GIF, TIFF or WEBP"
BAD_IMAGES = {  # what is put into the place of an image, and what is said of it
    "nothing": (lambda path: None, "no such file, but the labels file names it"),
    "a note": (lambda path: path.write_text("a note"), f"cannot be read (it is no {FORMAT_NAMES} image)"),
    "half a PNG": (lambda path: path.write_bytes(saved(Image.effect_noise((64, 64), 9), format="PNG")[:999]), "cannot"),
    "a bomb": (lambda path: path.write_bytes(png(60_000, 60_000)), "cannot be read (DecompressionBombError"),
    "a large picture": (lambda path: path.write_bytes(png(11_000, 10_000)), "11,000 x 10,000 pixels, at most"),
    "a text bomb": (lambda path: path.write_bytes(png(8, 8, bytes(72), TEXT_BOMB)), "cannot be read (ValueError"),
    "seven pixels": (lambda path: path.write_bytes(saved(Image.new("L", (7, 9)), format="PNG")), "7 x 9 pixels; at"),
    "endless scans": (lambda path: path.write_bytes(progressive(200)), "206 scans, at most 100 are read"),
    "EPS": (lambda path: path.write_bytes(saved(Image.new("L", (9, 9)), format="EPS")), "cannot be read (it is no PNG"),
    "floats": (lambda path: path.write_bytes(saved(Image.new("F", (9, 9)), format="TIFF")), "floating-point pixels"),
    "negative": (
        lambda path: path.write_bytes(saved(Image.new("I", (9, 9), -5), format="TIFF")),
        "negative values",
    ),
    "a link": (put_link, "is a symbolic link, no regular file"),
    "a folder": (lambda path: path.mkdir(), "is a folder, no regular file"),
    "a named pipe": (os.mkfifo, "is a named pipe, no regular file"),
}


@pytest.mark.parametrize(("make", "words"), BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_a_bad_image_is_named_with_the_reason(tmp_path, make, words):
    """Each kind of thing in place of an image is refused in one line that names it, and no pipe is waited for."""
    make(tmp_path / "bad.png")
    with pytest.raises(SourceError) as caught:
        read_picture(tmp_path, "bad.png")
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'bad.png'}: {words}")
    assert said.isprintable()


def test_an_image_behind_a_link_to_a_folder_is_refused(tmp_path):
    """Images may lie in folders of the folder, but a link to one leads nowhere."""
    (tmp_path / "images" / "deep").mkdir(parents=True)
    (tmp_path / "images" / "deep" / "inside.png").write_bytes(saved(Image.new("L", (8, 8)), format="PNG"))
    assert read_picture(tmp_path / "images", "deep/inside.png").size == (8, 8)
    put_folder_behind_a_link(tmp_path / "images" / "linked")
    with pytest.raises(SourceError, match="lies behind a symbolic link"):
        read_picture(tmp_path / "images", "linked/there.png")


def test_no_image_starts_another_program(tmp_path, monkeypatch):
    """An EPS named .png is refused before Pillow could call Ghostscript."""
    monkeypatch.setattr(subprocess, "check_call", lambda *arguments, **options: pytest.fail("a program was started"))
    (tmp_path / "a.png").write_bytes(saved(Image.new("L", (9, 9)), format="EPS"))
    with pytest.raises(SourceError, match="is no PNG"):
        read_picture(tmp_path, "a.png")
    assert "EPS" not in FORMATS


def test_all_bad_images_of_a_folder_are_told_at_once(tmp_path):
    """A line for each, without what a name could do to the terminal, and one that counts them; nothing is built."""
    images, labels = write_source(tmp_path / "source", images=8)
    (images / "3.png").write_text("not an image")
    (images / "5.png").unlink()
    table = [line.split(",") for line in labels.read_text().splitlines()]
    write_table(labels, [*table, ("\x1b]0;owned\x07ghost\n.png", "1")])
    result = build((images, labels), tmp_path / "data")
    assert result.exit_code == 1
    assert [line for line in result.output.splitlines() if line.startswith("error: ")] == [
        f"error: {images}/3.png: cannot be read (it is no {FORMAT_NAMES} image)",
        f"error: {images}/5.png: no such file, but the labels file names it",
        f"error: {images}/ghost .png: no such file, but the labels file names it",
        "error: 3 of 9 images cannot be used",
    ]
    assert "\x1b" not in result.output
    assert not (tmp_path / "data").exists()


def test_images_of_several_or_large_sizes_need_a_size(tmp_path):
    """Without --size, images of two sizes, or over 512 x 512, are refused with the sizes found."""
    with pytest.raises(SourceError, match=r"0\.png is 24 x 20 and 1\.png is 9 x 8"):
        folder_pool(*write_source(tmp_path / "two", images=8, sizes=((20, 24), (8, 9))))
    source = write_source(tmp_path / "large", images=2, sizes=((20, 600),))
    with pytest.raises(SourceError, match=r"the images are 600 x 20 pixels, at most 512 x 512 can be used"):
        folder_pool(*source)
    assert folder_pool(*source, size=28).images.shape == (2, 28, 28)
    with pytest.raises(SourceError, match="no such folder"):
        folder_pool(tmp_path / "nowhere", source[1])
