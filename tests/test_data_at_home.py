"""The data as a participant has it: where the notebook looks for it, and what it says of data that will not do."""

import hashlib
import re
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from competition.errors import DataError
from competition.splits import open_split
from competition.task.data import download_data, load_data, read_labels, unpack_data
from competition.task.errors import NotebookError
from tests.made_files import packed

IDS = {"train": "id-of-train", "val": "id-of-val"}


@pytest.fixture(autouse=True)
def kaggle(tmp_path, monkeypatch):
    """Give the search a Kaggle of its own, where nothing lies yet, and no DATA_DIR."""
    monkeypatch.delenv("DATA_DIR", raising=False)
    monkeypatch.setattr("competition.task.data.KAGGLE_INPUTS", str(tmp_path / "kaggle"))
    return tmp_path / "kaggle"


@pytest.fixture
def here(tmp_path):
    """Make the notebook's folder."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def drive(data, monkeypatch):
    """Put an organizer's zips where gdown finds them; return the ids that were asked for, and what is sent instead."""
    zips = {name: (data / "public" / f"{name}.zip").read_bytes() for name in IDS}
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in zips.items()}
    asked, sent = [], {IDS[name]: content for name, content in zips.items()}

    class Gdown:
        @staticmethod
        def download(id, output):
            asked.append(id)
            Path(output).write_bytes(b"the beginning")
            if isinstance(sent[id], Exception):
                raise sent[id]
            Path(output).write_bytes(sent[id])

    monkeypatch.setitem(sys.modules, "gdown", Gdown)
    monkeypatch.setattr("competition.task.data.DRIVE_IDS", IDS)
    monkeypatch.setattr("competition.task.data.ZIP_SHA256", checksums)
    return asked, sent


def put(data, place, *, zips=False):
    """Put the data into a place, as folders or as zips."""
    place.mkdir(parents=True, exist_ok=True)
    for name in IDS:
        if zips:
            shutil.copy(data / "public" / f"{name}.zip", place)
        else:
            shutil.copytree(data / "public" / name, place / name)


def prepare(root):
    """Do what the notebook does: return the folders that the loaders read."""
    download_data(root)
    unpack_data(root)
    return [Path(loader.dataset.root) for loader in load_data(root)]


def complaint(root):
    """Return the one line by which the notebook refuses to go on."""
    with pytest.raises(NotebookError) as caught:
        prepare(root)
    [line] = caught.value._render_traceback_()
    assert "\n" not in line
    assert str(caught.value) in line
    return str(caught.value)


def names(folder):
    """Return what lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("zips", [False, True], ids=["folders", "zips"])
@pytest.mark.parametrize("place", ["beside", "DATA_DIR", "Kaggle", "deep in Kaggle"])
def test_data_is_found_in_every_place(data, here, tmp_path, kaggle, monkeypatch, place, zips):
    """Folders are read where they lie; zips are unpacked beside the notebook, wherever they lie."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATA_DIR", "~/my data")
    places = {
        "beside": here,
        "DATA_DIR": tmp_path / "my data",
        "Kaggle": kaggle / "labels",
        "deep in Kaggle": kaggle / "datasets" / "anna" / "labels" / "public",
    }
    put(data, places[place], zips=zips)
    where = here if zips else places[place]
    assert prepare(here) == [where / "train", where / "val"]
    assert prepare(here) == [where / "train", where / "val"]  # and again, when the cell is run again


@pytest.mark.parametrize("slug", ["labels", "data"])
def test_zips_that_kaggle_unpacked_are_found(data, here, kaggle, slug):
    """Kaggle unpacks train.zip, with its folder train/, into another folder train/."""
    for name in IDS:
        shutil.copytree(data / "public" / name, kaggle / slug / name / name)
    assert prepare(here) == [kaggle / slug / name / name for name in IDS]
    assert names(here) == []


def test_a_folder_in_a_folder_of_its_name_is_found_beside_the_notebook(data, here):
    """Windows unpacks train.zip into train/train/, and that is where the data is read."""
    for name in IDS:
        shutil.copytree(data / "public" / name, here / name / name)
    assert prepare(here) == [here / name / name for name in IDS]


@pytest.mark.parametrize("zips", [False, True], ids=["folders", "zips"])
def test_what_lies_nearer_wins(data, here, tmp_path, kaggle, monkeypatch, zips):
    """The notebook's folder comes before DATA_DIR, and that before Kaggle, be it as zips or as folders."""
    put(data, kaggle / "a")
    put(data, kaggle / "b")
    assert prepare(here)[0] == kaggle / "a" / "train"
    put(data, tmp_path / "mine")
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "mine"))
    assert prepare(here)[0] == tmp_path / "mine" / "train"
    put(data, here, zips=zips)
    assert prepare(here) == [here / "train", here / "val"]


def test_quotes_around_data_dir_do_no_harm(data, here, tmp_path, monkeypatch):
    """`%env DATA_DIR="/a folder"` sets the quotes too; the folder is found."""
    put(data, tmp_path / "a folder")
    monkeypatch.setenv("DATA_DIR", f'"{tmp_path / "a folder"}"')
    assert prepare(here)[0] == tmp_path / "a folder" / "train"


def test_train_and_val_may_lie_in_different_places(data, here, tmp_path, monkeypatch):
    """A folder with one of the two is no hindrance: the other is looked for further on."""
    put(data, tmp_path / "mine")
    shutil.rmtree(tmp_path / "mine" / "train")
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "mine"))
    shutil.copy(data / "public" / "train.zip", here)
    assert prepare(here) == [here / "train", tmp_path / "mine" / "val"]


def test_without_data_the_notebook_says_what_to_put_where(data, here, monkeypatch):
    """Where nothing is, or only one of both, the message names the missing part, the notebook's folder and DATA_DIR."""
    said = complaint(here)
    assert said.startswith("There is no train/ with a dataset_labels.csv in it, and no train.zip: put")
    assert f"into {here}, or name their folder with %env DATA_DIR=... in a cell above." in said
    shutil.copytree(data / "public" / "train", here / "train")
    monkeypatch.setenv("DATA_DIR", "/no/such/folder")
    said = complaint(here)
    assert said.startswith("There is no val/ with")
    assert said.endswith("(it is /no/such/folder now).")
    assert names(here) == ["train"]


def test_cells_run_out_of_order_say_which_comes_first(data, here):
    """Unpacking before the download, and loading before unpacking, name the call that is missing."""
    with pytest.raises(NotebookError, match=r"no train/ and no train\.zip: run download_data\(\) first"):
        unpack_data(here)
    put(data, here, zips=True)
    with pytest.raises(NotebookError, match=r"no train/: run download_data\(\) and unpack_data\(\) first"):
        load_data(here)


def test_only_what_is_missing_is_downloaded(data, here, drive):
    """A folder or a zip keeps gdown away; otherwise each zip is downloaded by its id, and nothing else is left."""
    asked, _ = drive
    shutil.copytree(data / "public" / "train", here / "train")
    download_data(here)
    download_data(here)
    assert asked == ["id-of-val"]
    assert names(here) == ["train", "val.zip"]
    shutil.rmtree(here / "train")
    assert prepare(here) == [here / "train", here / "val"]
    assert asked == ["id-of-val", "id-of-train"]
    assert names(here) == ["train", "train.zip", "val", "val.zip"]


@pytest.mark.parametrize("error", [OSError("no route\n\n\tto host"), RuntimeError("quota"), ImportError("no gdown")])
def test_a_download_that_fails_leaves_nothing_behind(here, drive, error):
    """Whatever stops gdown in the middle, the notebook says in one line why, and what else can be done."""
    drive[1]["id-of-train"] = error
    said = complaint(here)
    reason = " ".join(str(error).split())
    assert said.startswith(f"train.zip could not be downloaded ({type(error).__name__}: {reason}). Run this cell again")
    assert str(here) in said
    assert names(here) == []


def test_a_download_with_another_checksum_leaves_nothing_behind(here, drive):
    """A sign-in page instead of the zip is told by its checksum, and is not kept."""
    drive[1]["id-of-train"] = b"<html>Sign in</html>"
    said = complaint(here)
    assert said.startswith("What was downloaded is not train.zip: its sha256 is")
    assert hashlib.sha256(b"<html>Sign in</html>").hexdigest() in said
    assert names(here) == []


def damaged_zips(archive):
    """Yield a name and the bytes of each thing that a participant may have instead of the zip `archive`."""
    yield "a web page", b"<!DOCTYPE html><html>Sign in</html>"
    yield "nothing", b""
    for share in (0.01, 0.5, 0.99, 0.9999):
        yield f"the first {share:.2%}", archive[: int(len(archive) * share)]
    yield "the last half", archive[len(archive) // 2 :]
    deflated = bytearray(packed({"train/dataset_labels.csv": "file,label\n" * 99}))
    yield "damaged inside", bytes(deflated[:60] + b"\xff\xff" + deflated[62:])
    encrypted = bytearray(packed({"train/dataset_labels.csv": "file,label\n"}, zipfile.ZIP_STORED))
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted[encrypted.index(header) + flags] |= 1
    yield "encrypted", bytes(encrypted)


def test_half_a_zip_and_a_web_page_are_told(data, here):
    """What is no zip file, or only a part of one, is refused by its name, and nothing is unpacked."""
    shutil.copytree(data / "public" / "val", here / "val")
    for what, content in damaged_zips((data / "public" / "train.zip").read_bytes()):
        (here / "train.zip").write_bytes(content)
        said = complaint(here)
        assert said.startswith(f"{here / 'train.zip'} cannot be unpacked, it is another file or a part of one ("), what
        assert said.endswith("delete it, get it again, and run this cell again.")
        assert names(here) == ["train.zip", "val"], what


@pytest.mark.parametrize(
    ("files", "count"),
    [({"holiday.jpg": "x"}, "no"), ({"train/dataset_labels.csv": "x", "val/dataset_labels.csv": "x"}, "2")],
    ids=["no labels", "both splits"],
)
def test_a_zip_of_something_else_is_told(here, files, count):
    """A zip without labels, or with those of several splits, is refused, and nothing is unpacked."""
    for name in IDS:
        (here / f"{name}.zip").write_bytes(packed(files))
    assert complaint(here) == (
        f"{here / 'train.zip'} holds {count} dataset_labels.csv, so it is another file: delete it, and get train.zip "
        "again."
    )
    assert names(here) == ["train.zip", "val.zip"]


def test_zips_of_another_layout_unpack_too(data, here):
    """A zip without the folder at its top gives the same `train/` as one with it, also if a Mac has packed it."""
    folder = data / "public" / "train"
    with zipfile.ZipFile(here / "train.zip", "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder))
        archive.writestr("__MACOSX/._dataset_labels.csv", b"\0")
    shutil.copy(data / "public" / "val.zip", here)
    prepare(here)
    assert {"data", "dataset_labels.csv"} <= set(names(here / "train"))


def test_an_empty_folder_in_the_way_is_named(data, here):
    """A folder train/ without labels is not taken for data, with a zip beside it or without."""
    (here / "train").mkdir()
    assert complaint(here).startswith("There is no train/ with a dataset_labels.csv in it, and no train.zip")
    put(data, here, zips=True)
    said = complaint(here)
    assert said.startswith(f"{here / 'train'} holds no dataset_labels.csv: delete it, and run this cell again")


def rewrite(folder, change):
    """Put what `change` makes of the labels file's bytes in its place."""
    labels = folder / "dataset_labels.csv"
    labels.write_bytes(change(labels.read_bytes()))


def replace_line(number, line):
    """Make a change of one line of a labels file, which count from 1."""

    def change(content):
        lines = content.split(b"\n")
        lines[number - 1] = line
        return b"\n".join(lines)

    return change


AS_SPREADSHEETS_SAVE = {
    "a byte order mark": lambda content: b"\xef\xbb\xbf" + content,
    "semicolons": lambda content: content.replace(b",", b";"),
    "lines of Windows": lambda content: content.replace(b"\n", b"\r\n"),
    "blank lines": lambda content: content.replace(b"\n", b"\n\n", 5) + b"\n,\n\n",
    "no last line's end": lambda content: content.rstrip(b"\n"),
    "quotes": lambda content: re.sub(rb"([0-9a-f]+\.png)", rb'"\1"', content),
    "all of these": lambda content: b"\xef\xbb\xbf" + content.replace(b",", b";").replace(b"\n", b"\r\n") + b";\r\n",
}


@pytest.mark.parametrize("change", AS_SPREADSHEETS_SAVE.values(), ids=AS_SPREADSHEETS_SAVE)
def test_a_labels_file_that_a_spreadsheet_saved_is_the_same_data(data, here, change, monkeypatch):
    """What a spreadsheet does to the file changes neither order nor labels nor checksum, here and at the grader."""
    put(data, here)
    before = read_labels(here / "train" / "dataset_labels.csv")
    checksum = open_split(here, "train", verify=False).sha256
    rewrite(here / "train", change)
    assert read_labels(here / "train" / "dataset_labels.csv") == before
    assert open_split(here, "train", verify=False).sha256 == checksum
    monkeypatch.setattr("competition.task.data.DATA_SHA256", {"train": checksum, "val": ""})
    load_data(here)


WRONG_LABELS = {  # a change of the labels file, and what is said of it
    "a word": (replace_line(7, b"abc.png,coat"), ", line 7: expected a file name and 0 or 1, not 'abc.png,coat'"),
    "another class": (replace_line(2, b"abc.png,7"), ", line 2: expected a file name and 0 or 1, not 'abc.png,7'"),
    "no label": (replace_line(3, b"abc.png"), ", line 3: expected a file name and 0 or 1, not 'abc.png'"),
    "no name": (replace_line(3, b",1"), ", line 3: expected a file name and 0 or 1, not ',1'"),
    "a header alone": (lambda content: b"file,label\n", " holds no labels"),
    "nothing": (lambda content: b"", " holds no labels"),
    "no UTF-8": (lambda content: content.decode().encode("utf-16"), " cannot be read ('utf-8' codec can't decode"),
}


@pytest.mark.parametrize(("change", "words"), WRONG_LABELS.values(), ids=WRONG_LABELS)
def test_a_wrong_labels_file_is_told_with_its_line(data, here, change, words):
    """Whoever opens the file in the notebook or at the grader is told the line that is wrong, and what to do."""
    put(data, here)
    rewrite(here / "train", change)
    said = complaint(here)
    assert said.startswith(f"{here / 'train'} was changed or is not whole: ")
    assert f"{here / 'train' / 'dataset_labels.csv'}{words}" in said
    assert said.endswith(". Delete it, and unpack train.zip again.")
    with pytest.raises(DataError) as caught:
        open_split(here, "train", verify=False)
    assert str(caught.value).startswith(f"{here / 'train' / 'dataset_labels.csv'}{words}")
    assert str(caught.value).endswith(": restore train/, or build the data again")


def break_chunk(path):
    """Make an image of several chunks, and damage the second."""
    noise = np.random.default_rng(0).integers(0, 256, (400, 400), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"IDAT")] + bytes(4) + content[content.rindex(b"IDAT") + 4 :])


WRONG_IMAGES = {
    "missing": (lambda path: path.unlink(), " is missing"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:60]), " cannot be read (image file is truncated"),
    "no image": (lambda path: path.write_text("a note"), " cannot be read (cannot identify image file"),
    "a broken chunk": (break_chunk, " cannot be read (broken PNG file"),
    "another size": (lambda path: Image.new("L", (5, 5)).save(path), " has another size than "),
}


@pytest.mark.parametrize(("change", "words"), WRONG_IMAGES.values(), ids=WRONG_IMAGES)
def test_a_missing_or_damaged_image_is_named(data, here, change, words):
    """The message of the notebook, and that of the grader, names the image that is missing or damaged."""
    put(data, here)
    image = here / "train" / "data" / read_labels(here / "train" / "dataset_labels.csv")[9][0]
    change(image)
    said = complaint(here)
    assert said.startswith(f"{here / 'train'} was changed or is not whole: {image}{words}")
    assert said.endswith(". Delete it, and unpack train.zip again.")
    with pytest.raises(DataError) as caught:
        open_split(here, "train", verify=False)
    assert str(caught.value).startswith(f"{image}{words}")


def test_other_data_than_the_organizers_is_refused_at_home_alone(data, here, monkeypatch):
    """A notebook that knows its data's checksums takes no other data; the grader looks after its own."""
    put(data, here)
    checksums = {name: open_split(here, name, verify=False).sha256 for name in IDS}
    monkeypatch.setattr("competition.task.data.DATA_SHA256", checksums)
    prepare(here)
    shutil.rmtree(here / "val")
    shutil.copytree(here / "train", here / "val")
    assert complaint(here) == (
        f"{here / 'val'} is not the data of this competition: delete it, and put the organizers' val/ or val.zip there."
    )
    monkeypatch.setattr("competition.task.data.FINAL_EVALUATION_MODE", True)
    prepare(here)
