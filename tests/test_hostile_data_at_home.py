"""Data that somebody else made, in the notebook and in `grader check`: nothing hangs, fills the disk or gets out."""

import os
import shutil

import pytest
from PIL import Image

from competition.errors import DataError
from competition.splits import open_split
from competition.task.data import TaskDataset, read_labels, unpack_data
from competition.task.errors import NotebookError
from tests.conftest import ALL_SAMPLES
from tests.made_files import TEXT_BOMB, packed, png, saved

LABELS = b"file,label\na.png,1\n"


@pytest.fixture
def here(data, tmp_path):
    """Make the notebook's folder, where val/ lies already."""
    shutil.copytree(data / "public" / "val", tmp_path / "home" / "val")
    return tmp_path / "home"


def names(folder):
    """Return what lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


def refused(root):
    """Return the line by which `unpack_data` refuses train.zip; nothing of it may have been kept."""
    with pytest.raises(NotebookError) as caught:
        unpack_data(root)
    assert names(root) == ["train.zip", "val"]
    return str(caught.value)


def test_a_zip_bomb_is_told_before_it_is_unpacked(data, here, monkeypatch):
    """A zip of more bytes or files than any data has is refused by its table of contents."""
    (here / "train.zip").write_bytes(packed({"train/dataset_labels.csv": bytes(9_999)}))
    monkeypatch.setattr("competition.task.data.MAX_UNPACKED_BYTES", 9_998)
    assert "it is another file or a part of one (1 files, 9,999 bytes): delete it" in refused(here)
    monkeypatch.undo()
    monkeypatch.setattr("competition.task.data.MAX_FILES", 1)
    (here / "train.zip").write_bytes(packed({"train/dataset_labels.csv": LABELS, "train/data/a.png": b""}))
    assert f"(2 files, {len(LABELS)} bytes)" in refused(here)


def test_a_zip_that_claims_less_than_it_holds_unpacks_no_more(here):
    """The bound cannot be passed by a wrong table of contents: what holds more than it claims is refused."""
    content = bytearray(packed({"train/dataset_labels.csv": bytes(1 << 20)}))
    for header, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = content.index(header) + place
        content[start : start + 4] = (100).to_bytes(4, "little")
    (here / "train.zip").write_bytes(content)
    assert "cannot be unpacked" in refused(here)


@pytest.mark.parametrize("name", ["../slipped.txt", "/slipped.txt", "train/../../slipped.txt", "../val/slipped.txt"])
def test_a_zip_writes_nothing_outside_its_folder(here, tmp_path, name):
    """Paths that climb out of the zip, or begin at the root, end up where all of it is unpacked."""
    (here / "train.zip").write_bytes(packed({name: b"x", "train/dataset_labels.csv": LABELS}))
    unpack_data(here)
    assert names(here) == ["train", "train.zip", "val"]
    assert names(here / "val") == ["data", "dataset_labels.csv"]
    assert names(tmp_path) == ["home"]


WRONG_NAMES = {
    "a path upwards": ("../abc.png,1", "'../abc.png,1'"),
    "an absolute path": ("/abc.png,1", "'/abc.png,1'"),
    "control characters": ("\x1b[2Ja.png,1", r"'\x1b[2Ja.png,1'"),
    "NUL": ("a\0.png,1", r"'a\x00.png,1'"),
    "a long line": ("a" * 9_999, f"'{'a' * 80}'"),
    "a label that is no class": ("abc.png,2", "'abc.png,2'"),
}


@pytest.mark.parametrize(("line", "shown"), WRONG_NAMES.values(), ids=WRONG_NAMES)
def test_a_line_of_the_labels_file_leads_nowhere_else(tmp_path, line, shown):
    """A name that leaves the folder or plays with the terminal is refused with its line, quoted and short."""
    (tmp_path / "dataset_labels.csv").write_text(f"file,label\n{line}\n")
    with pytest.raises(NotebookError) as caught:
        read_labels(tmp_path / "dataset_labels.csv")
    assert str(caught.value).endswith(f", line 2: expected a file name and 0 or 1, not {shown}")


def test_a_quotation_without_an_end_is_told(tmp_path):
    """What the CSV reader itself refuses is told as a file that cannot be read."""
    (tmp_path / "dataset_labels.csv").write_text('file,label\n"' + "a" * 200_000)
    with pytest.raises(NotebookError, match=r"dataset_labels\.csv cannot be read \(field larger than field limit"):
        read_labels(tmp_path / "dataset_labels.csv")


BAD_IMAGES = {
    "a bomb": (lambda path: path.write_bytes(png(60_000, 60_000)), "Image size (3600000000 pixels) exceeds limit"),
    "a large picture": (lambda path: path.write_bytes(png(1_025, 9)), "it has 1025 x 9 pixels"),
    "a text bomb": (lambda path: path.write_bytes(png(9, 9, bytes(90), TEXT_BOMB)), "Decompressed data too large"),
    "another format": (
        lambda path: path.write_bytes(saved(Image.new("L", (9, 9)), format="EPS")),
        "cannot identify image file",
    ),
    "a named pipe": (os.mkfifo, "it is no file of at most 64 MiB"),
    "a folder": (lambda path: path.mkdir(), "it is no file of at most 64 MiB"),
    "a large file": (lambda path: (path.touch(), os.truncate(path, (64 << 20) + 1)), "it is no file of at most 64 MiB"),
}


@pytest.mark.parametrize(("make", "words"), BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_a_hostile_image_is_named_and_not_waited_for(tmp_path, make, words):
    """Whatever stands in place of an image, the notebook and the grader say which one it is, in one line."""
    (tmp_path / "train" / "data").mkdir(parents=True)
    (tmp_path / "train" / "dataset_labels.csv").write_bytes(LABELS)
    image = tmp_path / "train" / "data" / "a.png"
    make(image)
    with pytest.raises(NotebookError) as caught:
        _ = TaskDataset(tmp_path / "train").images
    assert str(caught.value).startswith(f"{image} cannot be read ({words}")
    assert str(caught.value).isprintable()
    with pytest.raises(DataError, match="restore train/, or build the data again"):
        open_split(tmp_path, "train", verify=False)


def put_pipe(path):
    path.unlink()
    os.mkfifo(path)


HOSTILE = {  # what is done to train/, and what the last lines say
    "a pipe for an image": (lambda labels, image: put_pipe(image), "{image} cannot be read (it is no file"),
    "a pipe for the labels": (lambda labels, image: put_pipe(labels), "{labels} cannot be read (it is no file"),
    "a bomb": (lambda labels, image: image.write_bytes(png(60_000, 60_000)), "{image} cannot be read (Image size ("),
    "a third label": (
        lambda labels, image: labels.write_text("file,label\nabc.png,2\n"),
        "{labels}, line 2: expected a file name and 0 or 1, not 'abc.png,2'",
    ),
}


@pytest.mark.parametrize(("change", "words"), HOSTILE.values(), ids=HOSTILE)
def test_grader_check_says_what_is_wrong_with_somebodys_data(data, tmp_path, grade, change, words):
    """Neither a pipe nor a bomb nor a label that is no class stops `grader check` from ending with a message."""
    theirs = tmp_path / "theirs"
    shutil.copytree(data / "public", theirs)
    labels = theirs / "train" / "dataset_labels.csv"
    image = min((theirs / "train" / "data").iterdir())
    change(labels, image)
    checked = grade(ALL_SAMPLES, command="check", folder=theirs)
    assert checked.status == 3
    assert words.format(labels=labels, image=image) in " ".join(checked.printed.split())
    assert "restore train/, or build the data again" in " ".join(checked.printed.split())
