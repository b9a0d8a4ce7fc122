"""The data: noise, pools, builds, manifests."""

import csv
import hashlib
import json
import re
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import competition.build
from competition.build import build_data, check_leaks, draw_splits, redraw_train
from competition.cli import app
from competition.errors import DataError, SourceError
from competition.manifest import read_manifest
from competition.noise import NoiseRates, flip_probabilities, noisy_labels
from competition.pool import fashion_pool
from competition.profiles import NOISE, PROFILES, Profile
from competition.splits import open_split

TINY = Profile("tiny", 32, 16, 16, 16)


def test_flip_rates_grow_with_difficulty_around_the_class_rate():
    """Within a class the rate rises with difficulty, its mean is the class's, and classes do not mix."""
    clean = np.array([1] * 100 + [0] * 50)
    difficulty = np.random.default_rng(0).random(150).astype(np.float32)
    rates = NoiseRates(0.5, 0.1, spread_1=0.2, spread_0=0.05)
    probabilities = flip_probabilities(clean, difficulty, rates)
    for label, mean, spread in ((1, 0.5, 0.2), (0, 0.1, 0.05)):
        member = probabilities[clean == label]
        assert member.mean() == pytest.approx(mean)
        assert member.min() == pytest.approx(mean - spread, abs=0.01)
        assert member.max() == pytest.approx(mean + spread, abs=0.01)
        assert (np.diff(member[np.argsort(difficulty[clean == label])]) > 0).all()


def test_noise_is_a_pure_function_of_its_arguments():
    """The same labels, difficulties, rates and generator give the same noise, at the rate asked for."""
    clean = np.repeat([0, 1], 20_000)
    difficulty = np.zeros(40_000, dtype=np.float32)
    rates = NoiseRates(0.4, 0.1)
    first, second = (noisy_labels(clean, difficulty, rates, np.random.default_rng(3)) for _ in range(2))
    assert (first == second).all()
    assert (first != clean)[clean == 1].mean() == pytest.approx(0.4, abs=0.02)
    assert (first != clean)[clean == 0].mean() == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ({"flip_1_to_0": 0.9, "flip_0_to_1": 0.0, "spread_1": 0.2}, r"class 1: flip rate 0\.9 with spread 0\.2 leaves"),
        ({"flip_1_to_0": 0.5, "flip_0_to_1": 0.1, "spread_0": 0.2}, r"class 0: flip rate 0\.1 with spread 0\.2 leaves"),
        ({"flip_1_to_0": 0.5, "flip_0_to_1": 0.1, "spread_0": -0.1}, r"class 0: .* with spread -0\.1 leaves"),
        ({"flip_1_to_0": float("nan"), "flip_0_to_1": 0.1}, r"class 1: flip rate nan"),
        ({"flip_1_to_0": 0.5, "flip_0_to_1": 0.5}, "make 1 or more together"),
    ],
)
def test_impossible_rates_are_refused(rates, words):
    """A rate whose spread leaves the range of a probability is an error, no clipped surprise; so are useless labels."""
    with pytest.raises(ValueError, match=words):
        NoiseRates(**rates)


def test_the_embedded_pool_serves_the_full_profile_with_no_image_twice():
    """It holds enough images of each class in both parts, all different, in at most 10 MB."""
    pool = fashion_pool()
    splits = draw_splits(pool, PROFILES["full"], NOISE, seed=1)
    check_leaks(pool, splits)
    assert {name: len(split.rows) for name, split in splits.items()} == PROFILES["full"].sizes()
    assert len({image.tobytes() for image in pool.images}) == len(pool.images) >= 15_000
    assert all((pool.for_test[split.rows] == name.startswith("test")).all() for name, split in splits.items())
    assert all(split.clean.mean() == pytest.approx(0.75, abs=0.01) for split in splits.values())
    noisy = np.bincount(splits["train"].labels)
    assert 6_500 < noisy[0] < 7_500  # most are called 0, though most are 1


def test_the_same_arguments_build_the_same_data(tmp_path):
    """Two builds agree in every file, zips and manifests included; another seed gives other names and other noise."""
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        build_data(fashion_pool(), TINY, NOISE, seed, tmp_path / name)
    files = {
        name: {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        for name in "abc"
    }
    assert files["a"] == files["b"]
    assert not {p for p in files["a"] if p.suffix == ".png"} & set(files["c"])


def test_a_stream_of_chance_leaves_the_others_alone():
    """Other noise rates change labels, but neither images nor order nor names."""
    first = draw_splits(fashion_pool(), TINY, NOISE, 1)["train"]
    second = draw_splits(fashion_pool(), TINY, NoiseRates(0.1, 0.1), 1)["train"]
    assert (first.rows == second.rows).all()
    assert first.names == second.names
    assert (first.labels != second.labels).any()


def test_the_public_part_gives_nothing_away(data):
    """Opaque names, PNGs without metadata, no truth, no seed, nothing of a test set."""
    public = data / "public"
    names = sorted(path.name for path in public.iterdir())
    texts = ["README.md", "manifest.json", "requirements.txt", "starter_notebook.ipynb"]
    assert names == [*texts, "train", "train.zip", "val", "val.zip"]
    for path in (public / "train" / "data").iterdir():
        assert re.fullmatch(r"[0-9a-f]{16}\.png", path.name)
        with Image.open(path) as image:
            assert image.info == {}
    text = (public / "manifest.json").read_text()
    assert set(json.loads(text)) == {"profile", "image_size", "splits"}
    assert set(json.loads(text)["splits"]) == {"train", "val"}
    private = read_manifest(data / "private")
    assert private["seed"] == "7"
    assert all(private["splits"][split]["sha256"] not in text for split in ("test_a", "test_b"))


def test_the_truth_file_names_every_training_image_with_both_labels(data):
    """`train_truth.csv` agrees with the public labels, and with the manifest on how many are wrong."""
    with open(data / "private" / "train_truth.csv", newline="") as stream:
        truth = list(csv.DictReader(stream))
    with open(data / "public" / "train" / "dataset_labels.csv", newline="") as stream:
        labels = list(csv.DictReader(stream))
    assert [(row["file"], row["noisy_label"]) for row in truth] == [(row["file"], row["label"]) for row in labels]
    wrong = sum(row["noisy_label"] != row["clean_label"] for row in truth)
    assert wrong == read_manifest(data / "private")["flipped"] > 0


def test_the_zips_hold_the_folders(data):
    """Each zip holds exactly the files of its folder."""
    for split in ("train", "val"):
        with zipfile.ZipFile(data / "public" / f"{split}.zip") as archive:
            inside = {name: archive.read(name) for name in archive.namelist()}
        folder = data / "public" / split
        outside = {p.relative_to(folder.parent).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        assert inside == outside


def test_without_a_seed_the_build_draws_a_secret_one(tmp_path):
    """Two builds without --seed differ and warn of nothing; one with --seed warns that the answers can be rebuilt."""
    options = ["build-data", "--profile", "debug", "--out"]
    runs = [CliRunner().invoke(app, [*options, str(tmp_path / name)]) for name in "ab"]
    seeds = [int(read_manifest(tmp_path / name / "private")["seed"]) for name in "ab"]
    assert [run.exit_code for run in runs] == [0, 0]
    assert seeds[0] != seeds[1]
    assert max(seeds) > 2**64
    seeded = CliRunner().invoke(app, [*options, str(tmp_path / "c"), "--seed", "1"])
    assert "rebuild the secret answers" in seeded.output
    assert "warning" not in runs[0].output


def test_a_finished_build_is_never_overwritten(tmp_path):
    """Building where something stands already is refused, and what stands there stays."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "precious").write_text("")
    result = CliRunner().invoke(app, ["build-data", "--profile", "debug", "--out", str(tmp_path / "data")])
    assert result.exit_code == 1
    assert "exists already" in result.output
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["precious"]


def test_what_was_made_meanwhile_is_not_touched(tmp_path, monkeypatch):
    """A folder that appears while a build runs stays as it is, nothing is moved into it, and nothing else is left."""
    out = tmp_path / "data"

    def meanwhile(public, kit_url):
        out.mkdir()
        (out / "precious").write_text("")

    monkeypatch.setattr(competition.build, "write_handout", meanwhile)
    with pytest.raises(DataError, match="exists already"):
        build_data(fashion_pool(), TINY, NOISE, 1, out)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["data", "data/precious"]


def test_one_picture_in_two_splits_fails_the_build(tmp_path):
    """A source with a duplicate picture is refused once its copies would stand in different splits."""
    pool = fashion_pool()
    splits = draw_splits(pool, TINY, NOISE, 1)
    pool.images[splits["test_a"].rows[0]] = pool.images[splits["train"].rows[0]]
    with pytest.raises(SourceError, match="the same picture would stand in train and in test_a: train"):
        build_data(pool, TINY, NOISE, 1, tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", ["pixels", "label", "name", "missing image", "missing labels", "broken image"])
def test_changed_data_is_noticed(tmp_path, change):
    """Whatever changes in a split, opening it names the file, or else the split, and says what to do."""
    build_data(fashion_pool(), TINY, NOISE, 1, tmp_path / "data")
    folder = tmp_path / "data" / "public"
    labels = folder / "train" / "dataset_labels.csv"
    image = min((folder / "train" / "data").iterdir())
    if change == "pixels":
        Image.fromarray(255 - np.asarray(Image.open(image))).save(image)
    elif change == "label":
        lines = labels.read_text().splitlines()
        lines[1] = lines[1][:-1] + str(1 - int(lines[1][-1]))
        labels.write_text("\n".join(lines) + "\n")
    elif change == "name":
        image.rename(image.with_name("other.png"))
        labels.write_text(labels.read_text().replace(image.name, "other.png"))
    elif change == "missing image":
        image.unlink()
    elif change == "missing labels":
        labels.unlink()
    else:
        image.write_bytes(image.read_bytes()[:60])
    where = {"missing image": image, "broken image": image, "missing labels": labels}.get(change, folder / "train")
    with pytest.raises(DataError, match=rf"^{re.escape(str(where))} .*restore train/.*, or build the data again$"):
        open_split(folder, "train")
    open_split(folder, "val")


def test_checksums_do_not_depend_on_the_png_encoder(tmp_path):
    """Recompressing every image changes files, but no checksum."""
    build_data(fashion_pool(), TINY, NOISE, 1, tmp_path / "data")
    folder = tmp_path / "data" / "public"
    for path in (folder / "val" / "data").iterdir():
        before = hashlib.sha256(path.read_bytes()).hexdigest()
        with Image.open(path) as image:
            image.load()
        image.save(path, compress_level=0)
        assert hashlib.sha256(path.read_bytes()).hexdigest() != before
    open_split(folder, "val")


def test_difficulties_reach_the_noise():
    """Within a class, harder images flip more often."""
    hard = replace(fashion_pool(), difficulty=np.linspace(0, 1, 18_800, dtype=np.float32))
    train = draw_splits(hard, PROFILES["full"], NoiseRates(0.5, 0.0, spread_1=0.5), 1)["train"]
    flipped = train.labels != train.clean
    ones = train.clean == 1
    assert hard.difficulty[train.rows[ones & flipped]].mean() > hard.difficulty[train.rows[ones & ~flipped]].mean()


def test_redraws_leave_the_build_alone_and_prefer_images_that_stand_nowhere():
    """A redraw has the size and balance of train, new names and noise, and none of the other splits' images."""
    pool, profile = fashion_pool(), PROFILES["standard"]
    splits = draw_splits(pool, profile, NOISE, 1)
    first, second = (redraw_train(pool, splits, NOISE, 1, number) for number in (1, 2))
    taken = np.concatenate([split.rows for split in splits.values()])
    for redraw in (first, second):
        assert len(set(redraw.rows)) == profile.train
        assert redraw.clean.mean() == splits["train"].clean.mean()
        assert (redraw.labels != redraw.clean).mean() == pytest.approx(
            0.75 * NOISE.flip_1_to_0 + 0.25 * NOISE.flip_0_to_1, abs=0.04
        )
        assert not set(redraw.rows) & set(taken)  # this profile leaves enough images over
        assert not set(redraw.names) & set(splits["train"].names)
    assert set(first.rows) != set(second.rows)
    full = draw_splits(pool, PROFILES["full"], NOISE, 1)
    scarce = redraw_train(pool, full, NOISE, 1, 1)
    check_leaks(pool, full | {"redraw-1": scarce})
    spare = set(np.flatnonzero(~pool.for_test)) - {row for split in full.values() for row in split.rows}
    assert spare <= set(scarce.rows) <= spare | set(full["train"].rows)


def test_redraws_are_written_into_the_private_part(tmp_path):
    """`build-data --redraw 2` changes no file of the build without, and adds the redraws with their truth."""
    options = ["build-data", "--profile", "debug", "--seed", "5", "--out"]
    for name, more in (("a", []), ("b", ["--redraw", "2"])):
        assert CliRunner().invoke(app, [*options, str(tmp_path / name), *more]).exit_code == 0
    files = {
        name: {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        for name in "ab"
    }
    added = files["b"].keys() - files["a"].keys()
    assert all(files["a"][path] == files["b"][path] for path in files["a"] if path.name != "manifest.json")
    assert {path.parts[1] for path in added} == {"redraw-1", "redraw-2", "redraw-1_truth.csv", "redraw-2_truth.csv"}
    assert len(open_split(tmp_path / "b" / "private", "redraw-2").dataset) == 256
