"""What may not leave with an export is found in every byte of it, and then nothing is left behind."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from competition.build import build_data
from competition.pool import fashion_pool
from competition.profiles import NOISE, PROFILES
from competition.task.data import TaskDataset
from grader.contest_file.contest import DEFAULT, Contest, FinalTable
from grader.contest_file.reading import read_contest
from grader.platforms.archives import leak_in
from grader.platforms.exporting import EXPORT_FILE, Plan, write_export
from grader.platforms.secrecy import Search, Secret, Secrets, secrets_of
from grader.verdicts import InfrastructureError

PLAN = Plan("kaggle", "K1", may_hold={"metric": frozenset({"test_a"})}, not_secret=("The labels.",))
FINAL_SEED = 2**31 + 4217


@pytest.fixture(scope="module")
def secrets(data):
    """Collect the secrets of the tests' data, once."""
    return secrets_of(data, Contest(final=FinalTable(seed=FINAL_SEED)))


def zipped(members):
    """Zip some members, compressed."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)
    return stream.getvalue()


def png_again(path):
    """Encode an image anew, so that its file has other bytes."""
    stream = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(stream, "png", compress_level=1)
    return stream.getvalue()


def as_array(data):
    """Write all images of test_b as an array, compressed."""
    stream = io.BytesIO()
    np.savez_compressed(stream, images=TaskDataset(data / "private" / "test_b").images.mul(255).round().byte().numpy())
    return stream.getvalue()


def private_things(data):
    """Yield what must not leave, by name."""
    private = data / "private"
    manifest = json.loads((private / "manifest.json").read_text())
    picture = sorted((private / "test_b" / "data").iterdir())[5]
    yield "labels", (private / "test_b" / "dataset_labels.csv").read_bytes()
    yield "one file name", b"see also " + picture.stem.encode() + b"!"
    yield "an image", picture.read_bytes()
    yield "an image, encoded anew", png_again(picture)
    yield "images as an array", as_array(data)
    yield "a checksum", manifest["splits"]["test_b"]["sha256"].encode()
    yield "the truth", (private / "train_truth.csv").read_bytes()
    yield "one row of the truth", (private / "train_truth.csv").read_bytes().splitlines()[9]
    yield "the private manifest", (private / "manifest.json").read_bytes()
    yield "the final's seed", f'{{"seed": {FINAL_SEED}}}'.encode()
    yield "the final's seed, bare", str(FINAL_SEED).encode()


NAMES = [
    "labels",
    "one file name",
    "an image",
    "an image, encoded anew",
    "images as an array",
    "a checksum",
    "the truth",
    "one row of the truth",
    "the private manifest",
    "the final's seed",
    "the final's seed, bare",
]


@pytest.mark.parametrize("wrapped", ["plain", "member", "member of a member"])
@pytest.mark.parametrize("name", NAMES)
def test_every_private_thing_is_found(data, secrets, tmp_path, name, wrapped):
    """Each private thing is found in a file, in a compressed archive, and in an archive of an archive."""
    raw = b"padding" + dict(private_things(data))[name] if "name" in name else dict(private_things(data))[name]
    if wrapped != "plain":
        raw = zipped({"inner": raw})
    if wrapped == "member of a member":
        raw = zipped({"inner.zip": raw})
    (tmp_path / "file").write_bytes(raw)
    assert leak_in(tmp_path, Search(secrets)) is not None


def test_the_name_of_a_member_counts_too(data, secrets, tmp_path):
    """An archive whose member is named after an image of test_b is found, whatever the member holds."""
    picture = next((data / "private" / "test_b" / "data").iterdir())
    (tmp_path / "file.zip").write_bytes(zipped({f"x/{picture.name}": b"nothing"}))
    assert leak_in(tmp_path, Search(secrets)) is not None


def test_what_is_public_may_leave(data, secrets):
    """All of public/ leaves, with the notebook and both zips; nothing in it is taken for a secret."""
    assert leak_in(data / "public", Search(secrets)) is None


def test_the_public_test_set_may_leave_where_the_plan_says_so(data, secrets):
    """test_a is found, unless it is allowed; test_b is found in any case."""
    test_a, test_b = (data / "private" / split for split in ("test_a", "test_b"))
    assert leak_in(test_a, Search(secrets)) is not None
    assert leak_in(test_a, Search(secrets, {"test_a"})) is None
    assert leak_in(test_b, Search(secrets, {"test_a"})) is not None


@pytest.mark.parametrize("seed", [2**127 + 12345678901234567890, 87654321])
def test_a_seed_is_found_in_every_spelling(seed):
    """Decimal, hexadecimal, and as bytes of either order; a short one as a number behind the word seed."""
    secrets = Secrets()
    secret = Secret("never", "the seed")
    secrets.add_seed(seed, secret)
    size = (seed.bit_length() + 7) // 8
    spellings = [f"x{seed}y".encode(), f'"seed": "{seed}"'.encode(), f"SEED = {seed}".encode()]
    if size > 8:
        spellings += [f"0x{seed:x}".encode(), seed.to_bytes(size, "big") + b"?", b"!" + seed.to_bytes(size, "little")]
    for spelling in spellings:
        assert Search(secrets).find(spelling) == secret, spelling
    assert Search(secrets).find(b"seed 123") is None


def test_a_contest_file_is_found(data, tmp_path):
    """The contest file itself is a secret, as the final's seed is in it."""
    file = tmp_path / "contest.toml"
    file.write_text('title = "Ours"\n')
    search = Search(secrets_of(data, read_contest(file)))
    assert search.find(file.read_bytes()) is not None
    assert search.find(b"something else") is None


@pytest.mark.parametrize("beginning", [b"\x1f\x8b\x08", b"7z\xbc\xaf\x27\x1c", b"\0" * 257 + b"ustar"])
def test_an_archive_that_nobody_searches_is_refused(tmp_path, beginning):
    """What could hide a secret from the search is no part of an export."""
    (tmp_path / "file").write_bytes(beginning + b"\0" * 100)
    with pytest.raises(InfrastructureError, match="cannot be searched"):
        leak_in(tmp_path, Search(Secrets()))


def test_a_leak_leaves_nothing_behind(data, tmp_path):
    """An export in which a secret is found is refused in one sentence, and no file of it stays."""
    labels = (data / "private" / "test_b" / "dataset_labels.csv").read_bytes()
    with pytest.raises(InfrastructureError, match=r"nothing was exported: the labels of test_b stands? in metric/x"):
        write_export(tmp_path / "out", PLAN, DEFAULT, data, lambda folder: put(folder / "metric" / "x", labels))
    assert list(tmp_path.iterdir()) == []


def put(path, raw):
    """Write a file, with its folder."""
    path.parent.mkdir()
    path.write_bytes(raw)


def test_an_export_says_what_was_left_out(data, tmp_path):
    """EXPORT.json names kit, data, what was left out and why, and what the mode cannot keep secret."""
    labels = (data / "private" / "test_a" / "dataset_labels.csv").read_bytes()
    out = tmp_path / "out"
    write_export(out, PLAN, DEFAULT, data, lambda folder: put(folder / "metric" / "x", labels))
    said = json.loads((out / EXPORT_FILE).read_text())
    assert (out / "metric" / "x").read_bytes() == labels
    assert {"test_b", "train_truth", "seed", "redraws"} <= said["left_out"].keys()
    assert said["data"].keys() == {"train", "val", "test_a"}
    assert said["not_secret"] == ["The labels."]
    with pytest.raises(ValueError, match="nothing is overwritten"):
        write_export(out, PLAN, DEFAULT, data, lambda folder: None)


def test_the_same_file_beside_the_metric_is_a_leak(data, tmp_path):
    """Only the parts that the plan names may hold test_a."""
    labels = (data / "private" / "test_a" / "dataset_labels.csv").read_bytes()
    with pytest.raises(InfrastructureError, match="test_a"):
        write_export(tmp_path / "out", PLAN, DEFAULT, data, lambda folder: put(folder / "data" / "x", labels))


def test_a_redraw_may_not_leave(tmp_path):
    """Names, truth and fresh images of a further training draw are found; what it shares with train stays public."""
    pool = fashion_pool()
    data = tmp_path / "data"
    build_data(replace(pool, images=pool.images[:, ::2, ::2]), PROFILES["debug"], NOISE, 2**100 + 1, data, redraws=1)
    secrets = secrets_of(data, DEFAULT)
    search = Search(secrets, {"test_a"})
    assert leak_in(data / "public", search) is None
    picture = sorted((data / "private" / "redraw-1" / "data").iterdir())[3]
    row = (data / "private" / "redraw-1_truth.csv").read_bytes().splitlines()[1]
    assert search.find(f"look at {picture.name}".encode()).what == "a file name of redraw-1"
    assert search.find(picture.read_bytes()).what == "an image of redraw-1"
    assert search.find(row) is not None
    assert search.find(f"{2**100 + 1}".encode()).what == "the seed of the data"


few_letters = st.binary().map(lambda raw: bytes(each % 3 for each in raw))


@given(st.lists(few_letters.filter(lambda needle: len(needle) >= 8), max_size=5), few_letters, st.data())
def test_the_search_finds_what_a_plain_search_finds(needles, text, data):
    """The fast search finds a secret exactly where one of them stands in the text, at any place."""
    if needles and data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(text)))
        text = text[:place] + data.draw(st.sampled_from(needles)) + text[place:]
    secrets = Secrets(needles={needle: Secret("never", str(needle)) for needle in needles})
    found = Search(secrets).find(text)
    assert (found is not None) == any(needle in text for needle in needles)
    assert found is None or any(found.what == str(needle) and needle in text for needle in needles)
