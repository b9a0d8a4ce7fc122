"""Data of one's own: sizes, class prior, flip rates, spreads, computed difficulty, labels that annotators gave."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from competition.build import build_data, draw_splits
from competition.cli import app
from competition.errors import SourceError
from competition.manifest import read_manifest
from competition.pool import Pool, fashion_pool
from competition.pool.difficulty import out_of_fold_difficulty
from competition.profiles import NOISE, Profile
from competition.splits import open_split
from tests.own_images import build, write_table

SMALL = ("--train-size", "40", "--val-size", "20", "--test-size", "20")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Write 50 images of class 0 and 150 of class 1 from the embedded pool; return the folder and the names."""
    folder = tmp_path_factory.mktemp("photos")
    pool = fashion_pool()
    names = {}
    for label, count in ((0, 50), (1, 150)):
        for row in np.flatnonzero(pool.labels == label)[:count].tolist():
            Image.fromarray(pool.images[row]).save(folder / f"{row}.png")
            names[f"{row}.png"] = label
    return folder, names


def source(photos, tmp_path, *columns):
    """Write the CSV of the photos with more columns, each a name and a function of (place, label)."""
    folder, names = photos
    header = ("file", "label", *(name for name, _ in columns))
    rows = [
        (name, label, *(value(place, label) for _, value in columns))
        for place, (name, label) in enumerate(names.items())
    ]
    write_table(tmp_path / "labels.csv", [header, *rows])
    return folder, tmp_path / "labels.csv"


def truth_of(out, name="train"):
    """Read the truth file of a training draw."""
    with open(out / "private" / f"{name}_truth.csv", newline="") as stream:
        return list(csv.DictReader(stream))


def fashion(out, *options):
    """Run ``competition build-data`` on the embedded pool."""
    arguments = ["build-data", "--profile", "debug", "--seed", "1", "--out", str(out), *options]
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "300"})


def test_sizes_prior_rates_and_spreads_are_options_and_stand_in_the_manifest(tmp_path):
    """What an organizer chooses is what the build makes; the manifest says it, and the public part does not."""
    chosen = ("--prior", "0.4", "--flip-rates", "0.2", "0.3", "--spread", "0.1", "0.25")
    result = fashion(tmp_path / "data", *SMALL, *chosen)
    assert result.exit_code == 0, result.output
    manifest = read_manifest(tmp_path / "data" / "private")
    assert {name: entry["images"] for name, entry in manifest["splits"].items()} == {
        **{"train": 40, "val": 20, "test_a": 20, "test_b": 20}
    }
    assert manifest["splits"]["val"]["labels"] == {"0": 12, "1": 8}
    assert manifest["profile"] == "own"
    assert manifest["clean_prior"] == 0.4
    assert manifest["transition_matrix"] == [[0.8, 0.2], [0.3, 0.7]]
    assert manifest["difficulty_spread"] == [0.1, 0.25]
    truth = truth_of(tmp_path / "data")
    assert sum(row["clean_label"] == "1" for row in truth) == 16
    assert set(read_manifest(tmp_path / "data" / "public")) == {"profile", "image_size", "splits"}


def test_a_size_that_is_not_given_is_that_of_the_profile(tmp_path):
    """One option changes one number; the profiles are the defaults of all."""
    assert fashion(tmp_path / "data", "--val-size", "20").exit_code == 0
    manifest = read_manifest(tmp_path / "data" / "private")
    assert [entry["images"] for entry in manifest["splits"].values()] == [256, 20, 128, 128]
    assert manifest["transition_matrix"] == NOISE.transition_matrix()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--train-size", "1"), "Invalid value for '--train-size'"),
        (("--test-size", "60000"), "Invalid value for '--test-size'"),
        (("--prior", "1.5"), "a prior of 1.5 is not between 0 and 1"),
        (("--prior", "nan"), "a prior of nan is not between 0 and 1"),
        (("--prior", "0.999"), "of 256 images in train, a prior of 0.999 leaves none to class 0"),
        (("--val-size", "2", "--prior", "0.2"), "of 2 images in val, a prior of 0.2 leaves none to class 1"),
        (("--flip-rates", "0.6", "0.5"), "the flip rates 0.6 and 0.5 make 1 or more together"),
        (("--flip-rates", "0.05", "0.3"), "class 0: flip rate 0.05 with spread 0.1 leaves the range 0 to 1"),
        (("--flip-rates", "-0.1", "0.3"), "class 0: flip rate -0.1"),
        (("--spread", "0", "0.5"), "class 1: flip rate 0.65 with spread 0.5 leaves the range 0 to 1"),
        (("--spread", "-0.1", "0"), "class 0: flip rate 0.1 with spread -0.1 leaves"),
        (("--positive", "dog"), "--positive and --difficulty go with --source folder"),
        (("--difficulty",), "--positive and --difficulty go with --source folder"),
    ],
)
def test_an_impossible_value_is_refused_in_a_line(tmp_path, options, words):
    """Each value out of range is a usage error that says what is wrong, and nothing is built."""
    result = fashion(tmp_path / "data", *options)
    assert result.exit_code == 2
    assert words in result.output
    assert not (tmp_path / "data").exists()


def test_too_few_images_are_counted_by_class_and_split(photos, tmp_path):
    """The message says for each class how many images are missing for which split."""
    result = build(source(photos, tmp_path), tmp_path / "data", "--profile", "debug")
    assert result.exit_code == 1
    assert (
        "error: too few images for profile 'debug': class 1 needs 480 and has 150, missing 42 for train, 96 for val, "
        "96 for test_a, 96 for test_b; class 0 needs 160 and has 50, missing 14 for train, 32 for val"
    ) in result.output
    pool = fashion_pool()
    few = replace(pool, for_test=np.where(pool.labels == 0, pool.for_test & False, pool.for_test))
    with pytest.raises(SourceError, match=r"class 0 needs 8 and has 0, missing 4 for test_a, 4 for test_b; add images"):
        draw_splits(few, Profile("tiny", 32, 16, 16, 16), NOISE, 1)


def test_difficulty_is_computed_where_it_is_asked_for(photos, tmp_path):
    """With --difficulty, rates have a spread, and the same images give the same data."""
    table = source(photos, tmp_path)
    for name in "ab":
        result = build(table, tmp_path / name, *SMALL, "--seed", "1", "--difficulty", "--spread", "0.1", "0.35")
        assert result.exit_code == 0, result.output
        assert "equally often" not in result.output
    first, second = (read_manifest(tmp_path / name / "private") for name in "ab")
    assert first == second
    assert first["difficulty_spread"] == [0.1, 0.35]
    plain = build(table, tmp_path / "c", *SMALL, "--seed", "1")
    assert "--difficulty computes it" in plain.output
    assert read_manifest(tmp_path / "c" / "private")["difficulty_spread"] == [0.0, 0.0]


def test_computed_difficulty_knows_the_hard_images():
    """An image that looks like the other class is the hardest of its own; large pictures and few of them will do."""
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1], 40)
    images = np.where(labels[:, None, None] == 1, 180, 60) + generator.integers(0, 40, (80, 40, 40))
    images[3], images[50] = images[60], images[10]
    images = images.astype(np.uint8)
    difficulty = out_of_fold_difficulty(images, labels)
    assert difficulty.dtype == np.float32
    assert set(np.argsort(difficulty)[-2:]) == {3, 50}
    assert (out_of_fold_difficulty(images, labels) == difficulty).all()
    with pytest.raises(SourceError, match="class 0 has 4"):
        out_of_fold_difficulty(images[36:], labels[36:])


@pytest.mark.slow
def test_the_difficulties_of_the_embedded_pool_are_computed_again():
    """The model that made the embedded pool's difficulties is the one that an organizer's images get."""
    pool = fashion_pool()
    computed = out_of_fold_difficulty(pool.images, pool.labels)
    assert np.corrcoef(computed, pool.difficulty)[0, 1] > 0.99


@pytest.mark.parametrize(
    ("columns", "options", "words"),
    [
        (("difficulty",), ("--difficulty",), "the CSV has a column difficulty: remove it"),
        ((), ("--spread", "0.1", "0.1"), "--spread needs to know which images are hard: add --difficulty"),
        (("noisy_label",), ("--flip-rates", "0.1", "0.2"), "a column noisy_label, so nothing is flipped: leave"),
        (("noisy_label",), ("--difficulty",), "a column noisy_label, so nothing is flipped: leave"),
    ],
)
def test_options_that_do_not_fit_the_csv_are_refused(photos, tmp_path, columns, options, words):
    """Two sources of one thing, or a spread that nothing could follow, are refused instead of one being ignored."""
    table = source(photos, tmp_path, *((name, lambda place, label: 0) for name in columns))
    result = build(table, tmp_path / "data", *SMALL, *options)
    assert result.exit_code == 1
    assert words in result.output
    assert not (tmp_path / "data").exists()


def test_labels_of_annotators_are_taken_as_they_are(photos, tmp_path):
    """With a column noisy_label nothing is flipped; truth, manifest and summary tell what the annotators did."""

    def annotated(place, label):
        return 1 - label if place % 5 < (2 if label else 1) else label

    table = source(photos, tmp_path, ("noisy_label", annotated))
    result = build(table, tmp_path / "data", *SMALL, "--redraw", "1")
    assert result.exit_code == 0, result.output
    folder, names = photos
    given = {
        Image.open(folder / name).tobytes(): (label, annotated(place, label))
        for place, (name, label) in enumerate(names.items())
    }
    for draw, where in (("train", "public/train"), ("redraw-1", "private/redraw-1")):
        truth = truth_of(tmp_path / "data", draw)
        pictures = [Image.open(tmp_path / "data" / where / "data" / row["file"]).tobytes() for row in truth]
        assert [(int(row["clean_label"]), int(row["noisy_label"])) for row in truth] == [given[p] for p in pictures]
    manifest = read_manifest(tmp_path / "data" / "private")
    truth = truth_of(tmp_path / "data")
    rates = [
        np.mean([row["noisy_label"] != row["clean_label"] for row in truth if row["clean_label"] == str(label)])
        for label in (0, 1)
    ]
    assert manifest["noise"] == "annotated"
    assert manifest["found_flip_rates"] == pytest.approx(rates)
    assert manifest["transition_matrix"][1] == pytest.approx([rates[1], 1 - rates[1]])
    assert f"are wrong, {rates[0]:.1%} of class 0 and {rates[1]:.1%} of class 1." in result.output
    assert "equally often" not in result.output
    val = open_split(tmp_path / "data" / "public", "val").dataset
    assert int(val.targets.sum()) == 15  # right labels, as in every build


def test_annotators_labels_are_not_drawn_anew(tmp_path):
    """A redraw of annotated images needs images left over; where all are used it is refused with the reason."""
    pool = fashion_pool()
    rows = np.concatenate([np.flatnonzero(pool.labels == label)[:count] for label, count in ((0, 20), (1, 60))])
    own = Pool("own", pool.images[rows], pool.labels[rows], None, None, [str(row) for row in rows])
    profile = Profile("tiny", 32, 16, 16, 16)
    with pytest.raises(SourceError, match="--redraw needs images that stand in no split"):
        build_data(replace(own, noisy=own.labels), profile, NOISE, 1, tmp_path / "data", redraws=1)
    assert build_data(own, profile, NOISE, 1, tmp_path / "data", redraws=1)["noise"] == "drawn"


def test_classes_of_other_names_are_told(photos, tmp_path):
    """--positive decides which class is 1; summary and private manifest keep the names."""
    folder, names = photos
    rows = [("file", "label"), *((name, "coat " if label else "dress") for name, label in names.items())]
    write_table(tmp_path / "labels.csv", rows)
    result = build((folder, tmp_path / "labels.csv"), tmp_path / "data", *SMALL, "--positive", "coat")
    assert result.exit_code == 0, result.output
    assert "class 0 is 'dress', class 1 'coat'" in result.output
    manifest = read_manifest(tmp_path / "data" / "private")
    assert manifest["classes"] == ["dress", "coat"]
    assert manifest["splits"]["test_a"]["labels"] == {"0": 5, "1": 15}
