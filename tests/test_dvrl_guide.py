"""DVRL's guide in one command, the files that it reads and makes, its encoder, and the controls beside it."""

import io
import json
import struct
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.metrics import roc_auc_score
from torchvision.models import inception_v3

from benchmarks import dvrl_guide, dvrl_vs_opendataval, noise_detection
from benchmarks.controls import CONTROLS, out_of_fold, predict_after_weighting, validation_model
from benchmarks.dvrl import load
from benchmarks.dvrl.drawing import markdown
from benchmarks.dvrl.encoder import PretrainedInception
from benchmarks.dvrl.folder import make_folder, read_folder
from benchmarks.fashion_mnist import read_fashion
from benchmarks.stored_results import read_results
from grader.grading import find_data, open_training_splits
from tests.conftest import REPOSITORY
from tests.made_fashion import made_images, write_fashion
from tests.test_dvrl import blobs

SIZES = (200, 60, 100)
TABLES = {
    "dvrl_guide": markdown,
    "dvrl_vs_opendataval": lambda results: dvrl_vs_opendataval.markdown_table(results["runs"]),
    "noise_detection": noise_detection.markdown,
}


@pytest.fixture(scope="module")
def fashion(tmp_path_factory):
    """Write made images as Fashion-MNIST's files, once."""
    return write_fashion(tmp_path_factory.mktemp("fashion") / "images")


def make(folder, sizes=SIZES, **settings):
    """Make the guide's data from made images."""
    images, labels = made_images(sum(sizes), 1)
    make_folder(folder, images, labels.astype(np.int64), sizes=sizes, **settings)
    return folder


def test_the_guides_data_are_made_as_it_has_them(tmp_path):
    """Images are NHWC bytes and labels [N, 1]; a fifth of the training labels is wrong, at the places that are kept."""
    make(tmp_path)
    with np.load(tmp_path / "train.npz") as train:
        assert train["x_train"].shape == (200, 28, 28, 1)
        assert train["x_train"].dtype == np.uint8
        assert train["y_train"].shape == (200, 1)
        assert len(train["noise_idx"]) == 40
    clean = read_folder(make(tmp_path / "clean", noise_rate=0.0))
    noisy = read_folder(tmp_path)
    assert np.array_equal(noisy.corrupted, noisy.train.y != clean.train.y)
    assert np.array_equal(noisy.test.y, clean.test.y)
    assert (tmp_path / "train.npz").read_bytes() == (make(tmp_path / "again") / "train.npz").read_bytes()
    assert (tmp_path / "train.npz").read_bytes() != (make(tmp_path / "other", seed=1) / "train.npz").read_bytes()


def claim_much(folder):
    """Write a file of a few bytes whose array has a million million numbers, by its own header."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**6, 10**6)})
    with zipfile.ZipFile(folder / "valid.npz", "w") as archive:
        archive.writestr("x_valid.npy", header.getvalue())


def lie_about_the_size(folder):
    """Let the zip's own directory claim ten gigabytes for an array."""
    content = bytearray((folder / "valid.npz").read_bytes())
    at = content.index(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 4 * 10**9)
    (folder / "valid.npz").write_bytes(content)


def save_objects(folder):
    """Write labels as Python objects, which only pickle can read."""
    np.savez(folder / "valid.npz", x_valid=np.zeros((2, 4)), y_valid=np.array([0, None]))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "test.npz").unlink(), "test.npz is missing"),
        (lambda folder: (folder / "test.npz").write_bytes(b"PK no zip"), "test.npz cannot be read"),
        (lambda folder: np.savez(folder / "test.npz", x_test=np.zeros((2, 4))), "needs the arrays x_test and y_test"),
        (lambda folder: np.savez(folder / "test.npz", x_test=np.zeros((2, 4)), y_test=np.eye(2)), "must be"),
        (lambda folder: np.savez(folder / "test.npz", x_test=np.zeros((2, 4)), y_test=np.zeros(2)), "y_test integers"),
        (save_objects, "valid.npz cannot be read"),
        (claim_much, "valid.npz: its arrays take 1000000000000 bytes"),
        (lie_about_the_size, "valid.npz: its arrays take 4000"),
    ],
)
def test_a_bad_file_is_told_in_one_sentence(spoil, said, tmp_path):
    """The command names the file and what is wrong with it, allocates nothing for it, and writes nothing."""
    make(tmp_path)
    spoil(tmp_path)
    with pytest.raises(SystemExit, match=said) as refused:
        dvrl_guide.main([str(tmp_path)])
    assert str(refused.value).startswith("error: ")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "dvrl").exists()


def test_what_cannot_be_done_is_told_before_the_long_work(tmp_path, fashion):
    """A missing folder, missing images, files that are there already, a wrong parameter: one sentence each."""
    make(tmp_path / "data")
    for words, said in (
        ([tmp_path / "none"], "is no folder"),
        ([tmp_path / "new", "--make-data", "--images", tmp_path], "missing: apt-get install dataset-fashion-mnist"),
        ([tmp_path / "data", "--make-data", "--images", fashion, "--sizes", 9, 9, 9], "is there already"),
        ([tmp_path / "new", "--make-data", "--images", fashion], "there are 400 in all"),
        ([tmp_path / "data", "--hidden-dim", 0], "hidden_dim must be at least 1"),
        ([tmp_path / "data", "--encoder", tmp_path / "none"], "cannot be read"),
        ([tmp_path / "data", "--plot"], "measure first, without --plot"),
    ):
        with pytest.raises(SystemExit, match=said):
            dvrl_guide.main([str(word) for word in words])


def test_damaged_images_are_told_in_one_sentence(tmp_path):
    """Files that are no images, or fewer labels than images, are named."""
    folder = write_fashion(tmp_path / "images", 20)
    (folder / "train-labels-idx1-ubyte.gz").write_bytes((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())
    with pytest.raises(SystemExit, match="not those of Fashion-MNIST"):
        read_fashion(folder)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"no gzip")
    with pytest.raises(SystemExit, match="cannot be read"):
        read_fashion(folder)


@pytest.mark.slow
def test_one_command_leads_from_three_files_to_values_and_evaluations(tmp_path, fashion, capsys):
    """It makes the data, writes values, a valuator that gives the same ones, figures and a plot, and draws it again."""
    folder = tmp_path / "guide"
    sizes = ["--sizes", *map(str, SIZES)]
    words = ["--iterations", "30", "--seeds", "1", "--activation", "tanh", "--metric", "accuracy"]
    dvrl_guide.main([str(folder), "--make-data", "--images", str(fashion), *sizes, *words])
    printed = capsys.readouterr().out
    results = json.loads((folder / "dvrl" / "evaluations.json").read_text())
    assert results["parameters"] == {"iterations": 30, "activation": "tanh", "metric": "accuracy"}
    assert (results["classes"], results["samples"], results["corrupted"]) == (10, 200, 40)
    assert [run["system"] for run in results["runs"]] == ["DVRL", *CONTROLS, "random values"]
    assert all(len(run["lowest"]) == 20 for run in results["runs"])
    assert "nan" not in printed
    data, values = read_folder(folder), np.load(folder / "dvrl" / "values-0.npy")
    valuator = load(folder / "dvrl" / "valuator-0.safetensors")
    np.testing.assert_allclose(valuator.value(data.train.x, data.train.y), values, atol=1e-3)
    (folder / "dvrl" / "evaluations.png").unlink()
    dvrl_guide.main([str(folder), "--plot"])
    assert capsys.readouterr().out == printed[printed.index("| values") : printed.rindex("|") + 2]
    assert (folder / "dvrl" / "evaluations.png").stat().st_size > 20_000


@pytest.mark.slow
def test_where_nobody_knows_the_wrong_labels_there_is_no_discovery(tmp_path):
    """Without `noise_idx` the other evaluations are made, and no panel is empty."""
    folder = make(tmp_path, sizes=(120, 60, 60))
    with np.load(folder / "train.npz") as train:
        np.savez(folder / "train.npz", x_train=train["x_train"], y_train=train["y_train"])
    dvrl_guide.main([str(folder), "--iterations", "10", "--seeds", "1"])
    results = json.loads((folder / "dvrl" / "evaluations.json").read_text())
    assert results["corrupted"] is None
    assert all("auc" not in run and "discovery" not in run for run in results["runs"])


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_an_inception_of_ones_own_encodes_the_images(suffix, tmp_path):
    """With a file of weights, of either kind, the whole command runs on 2,048 features."""
    torch.manual_seed(0)
    state = inception_v3(weights=None, init_weights=False).state_dict()
    weights = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(state, weights)
    else:
        save_file(state, weights)
    images, labels = made_images(60, 1)
    few = labels.astype(np.int64) % 2
    make_folder(tmp_path / "data", images, few, sizes=(30, 10, 20))
    dvrl_guide.main([str(tmp_path / "data"), "--encoder", str(weights), "--iterations", "2", "--seeds", "1"])
    results = json.loads((tmp_path / "data" / "dvrl" / "evaluations.json").read_text())
    assert (results["encoder"], results["classes"]) == ("Inception-v3", 2)
    valuator = load(tmp_path / "data" / "dvrl" / "valuator-0.safetensors")
    assert valuator.sample_shape == [2048]
    features = PretrainedInception(weights).transform(images[:2])
    assert valuator.value(features, [0, 1]).shape == (2,)


def test_weights_of_something_else_are_refused(tmp_path):
    """Weights of another network, a pickle that would execute something, and features instead of images are told."""
    torch.save({"a": torch.ones(1)}, tmp_path / "other.pth")
    torch.save(torch.nn.Linear(1, 1), tmp_path / "pickle.pth")
    save_file({"a": torch.ones(1)}, tmp_path / "other.safetensors")
    (tmp_path / "text.pth").write_text("no weights")
    for name, said in (
        ("other.pth", "no weights of torchvision's inception_v3"),
        ("other.safetensors", "no weights of torchvision's inception_v3"),
        ("pickle.pth", "is no file of weights"),
        ("text.pth", "is no file of weights"),
        ("none.pth", "cannot be read"),
    ):
        with pytest.raises(ValueError, match=said) as refused:
            PretrainedInception(tmp_path / name)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", CONTROLS)
def test_the_controls_find_wrong_labels(name):
    """On three blobs with 30 % flipped labels each gives these low values, and helps its model to learn."""
    x, noisy, clean = (part.numpy() for part in blobs(600, 3, 1, flip_rate=0.3))
    val_x, _, val_y = (part.numpy() for part in blobs(120, 3, 2))
    values = CONTROLS[name](x, noisy, val_x, val_y, 0)
    assert values.shape == (600,)
    assert roc_auc_score(noisy == clean, values) > 0.95
    fresh_x, _, fresh_y = (part.numpy() for part in blobs(300, 3, 3))
    assert (predict_after_weighting(values, x, noisy, fresh_x) == fresh_y).mean() > 0.9


def test_each_control_learns_from_what_it_says():
    """One looks at no other training label, the other at no validation sample, and neither at the label it values."""
    x, noisy, _ = (part.numpy() for part in blobs(90, 3, 1, flip_rate=0.3))
    val_x, _, val_y = (part.numpy() for part in blobs(30, 3, 2))
    other = noisy.copy()
    other[1:] = (other[1:] + 1) % 3
    assert validation_model(x, noisy, val_x, val_y)[0] == validation_model(x, other, val_x, val_y)[0]
    assert np.array_equal(out_of_fold(x, noisy, val_x, val_y), out_of_fold(x, noisy, -val_x, 1 - val_y))
    sums = [validation_model(x, np.full(90, label), val_x, val_y) for label in range(3)]
    np.testing.assert_allclose(np.sum(sums, axis=0), 1)
    few = np.where(np.arange(90) < 3, 3, noisy)
    with pytest.raises(ValueError, match="3 training samples"):
        out_of_fold(x, few, val_x, val_y)
    assert validation_model(x, few, val_x, val_y)[:3].max() == 0  # a class that the model never saw


@pytest.mark.slow
def test_the_smallest_comparison_with_opendataval(tmp_path, fashion, capsys, monkeypatch):
    """All rows but the peer's, which has an environment of its own, stand in the table and in the plot."""
    monkeypatch.setattr(dvrl_vs_opendataval, "require_peer", lambda: None)
    monkeypatch.delitem(dvrl_vs_opendataval.SYSTEMS, "OpenDataVal")
    monkeypatch.setattr(dvrl_vs_opendataval, "ROWS", dvrl_vs_opendataval.ROWS[1:])
    monkeypatch.setattr(dvrl_vs_opendataval, "LONG_STEPS", 3)
    for name, size in (("TRAIN", 200), ("VAL", 60), ("TEST", 100)):
        monkeypatch.setattr(dvrl_vs_opendataval, name, size)
    words = ["--images", str(fashion), "--steps", "2", "--seeds", "1", "--out", str(tmp_path / "results.json")]
    dvrl_vs_opendataval.main(words)
    printed = capsys.readouterr().out
    for row in dvrl_vs_opendataval.ROWS:
        assert printed.count(f"| {row} |") == 2
    assert "nan" not in printed
    dvrl_vs_opendataval.main([*words, "--plot"])
    assert capsys.readouterr().out in printed
    assert (tmp_path / "results.png").stat().st_size > 20_000


def test_the_comparisons_look_for_peers_and_results_first(tmp_path, monkeypatch):
    """Without OpenDataVal, cleanlab or results there is one sentence, before anything is read or drawn."""
    monkeypatch.setattr(dvrl_vs_opendataval.importlib.util, "find_spec", lambda name: None)
    out = ["--out", str(tmp_path / "results.json")]
    for command, words, said in (
        (dvrl_vs_opendataval, [], "OpenDataVal is missing: run 'make peers'"),
        (dvrl_vs_opendataval, ["--plot"], "measure first, without --plot"),
        (noise_detection, ["--peers-python", str(tmp_path / "python")], "run 'make peers'"),
        (noise_detection, ["--plot"], "measure first, without --plot"),
    ):
        with pytest.raises(SystemExit, match=said):
            command.main([*out, *words])
    (tmp_path / "results.json").write_text("[]")
    for command in (dvrl_vs_opendataval, noise_detection):
        with pytest.raises(SystemExit, match="holds no results of this benchmark"):
            command.main([*out, "--plot"])


@pytest.mark.slow
def test_both_controls_stand_beside_the_methods_values(data, tmp_path):
    """Each kind of values of the noise detection has a row, and the plot is drawn."""
    public = open_training_splits(find_data(data))
    valued = noise_detection.data_values(public)
    assert set(CONTROLS) < valued.keys()
    corrupted = np.arange(len(public["train"].dataset)) % 3 == 0
    rows = [noise_detection.judge(name, vectors, corrupted, [0.5]) for name, vectors in valued.items()]
    results = {"rows": [vars(row) for row in rows], "optimal_area": 0.8}
    assert noise_detection.markdown(results).count("\n") == 1 + len(valued)
    noise_detection.plot(results, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").is_file()


def test_the_tables_of_the_page_are_those_that_were_measured():
    """Each row of the three tables of detection comes from the stored results."""
    page = (REPOSITORY / "docs" / "benchmarks.md").read_text()
    results = {name: read_results(REPOSITORY / "benchmarks" / "results" / f"{name}.json") for name in TABLES}
    for name, table in TABLES.items():
        for row in table(results[name]).splitlines():
            assert row in page, row
