"""Purity and clean recall of selections, the metrics of data values, npz data, and `grader analyze`."""

import json

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score
from typer.testing import CliRunner

from competition.splits import open_split
from grader.analysis import corrupted_sample_discovery, read_truth, selection_quality
from grader.analysis.analyzing import ANALYSIS_FILE
from grader.analysis.metrics import evaluate_values
from grader.analysis.plots import removal_figure
from grader.analysis.valuation import (
    PCALogisticRegression,
    Samples,
    ValuationData,
    detection,
    read_npz_data,
    removal_curve,
    robust_learning,
    two_means_threshold,
)
from grader.cli import app

NOISY, CLEAN = np.array([0, 1, 1, 0, 1]), np.array([0, 1, 0, 0, 1])


def step(first, second):
    """Make one step's selections."""
    return np.array(first, np.int64), np.array(second, np.int64)


def blobs(samples=400, wrong=0.3, seed=0):
    """Make two classes that a line separates, with wrong training labels in one of them."""
    generator = np.random.default_rng(seed)

    def draw(count):
        y = np.arange(count) % 2
        return Samples(generator.normal(size=(count, 4)) + 2 * y[:, None] - 1, y)

    train, valid, test = draw(samples), draw(200), draw(200)
    corrupted = (train.y == 1) & (generator.random(samples) < 2 * wrong)
    return ValuationData(Samples(train.x, np.where(corrupted, 0, train.y)), valid, test, corrupted)


def test_purity_and_recall_are_those_counted_by_hand():
    """Purity counts repeats, recall counts a sample once per model and epoch; a class is the noisy label."""
    first_epoch = [step([0, 0, 2], [1, 2]), step([0], [])]
    second_epoch = [step([], []), step([1, 1, 1, 0], [0, 1])]
    quality = selection_quality(first_epoch + second_epoch, NOISY, CLEAN, batch_size=3)
    assert quality.purity == pytest.approx((4 + 6) / (6 + 6))
    np.testing.assert_allclose(quality.purity_by_class, [[1, 1 / 3], [1, 1]])
    # Rightly labelled: 0 and 3 as class 0, 1 and 4 as class 1.
    np.testing.assert_allclose(quality.clean_recall_by_class, [[0.5, 0.25], [0.5, 0.5]])
    assert quality.clean_recall == pytest.approx(np.mean([3 / 8, 4 / 8]))
    np.testing.assert_allclose(quality.frequency, [0.25, 0.25, 0.5, 0.75, 0.5])


def test_a_share_of_nothing_is_not_a_number():
    """Where nothing was selected there is no purity, but a recall of zero."""
    quality = selection_quality([step([], [])], NOISY, CLEAN, batch_size=5)
    assert np.isnan(quality.purity)
    assert np.isnan(quality.purity_by_class).all()
    assert quality.clean_recall == 0


@pytest.mark.parametrize(
    ("selections", "words"),
    [
        ([], "0 steps"),
        ([step([0], [0])] * 3, "3 steps are not whole epochs of 2 batches"),
        ([step([0], [3])] * 2, "index 3"),
    ],
)
def test_selections_of_other_data_are_refused(selections, words):
    """Steps that are not whole epochs, and indices outside a batch, mean that run and data do not belong together."""
    with pytest.raises(ValueError, match=words):
        selection_quality(selections, NOISY, CLEAN, batch_size=3)


def test_detection_of_a_small_case_is_that_counted_by_hand():
    """AUC counts pairs, a tie as one half; below the two-means split a label is called wrong."""
    values = np.array([0.1, 0.2, 0.2, 0.8, 0.9, 0.9])
    corrupted = np.array([True, True, False, False, True, False])
    judged = detection(values, corrupted)
    assert judged.threshold == 0.8
    assert judged.auc == pytest.approx((3 + 2.5 + 0.5) / 9)
    assert judged.f1 == pytest.approx(2 / 3)


@pytest.mark.parametrize("seed", range(5))
def test_the_two_means_split_is_that_of_k_means(seed):
    """The exact split has the clusters that scikit-learn's k-means finds from many starts."""
    generator = np.random.default_rng(seed)
    values = np.round(np.concatenate([generator.normal(0, 1, 40), generator.normal(3, 0.5, 25)]), 1)
    clusters = KMeans(2, n_init=20, random_state=0).fit(values[:, None])
    upper = clusters.labels_ == clusters.cluster_centers_[:, 0].argmax()
    np.testing.assert_array_equal(values >= two_means_threshold(values), upper)


def test_values_that_know_the_truth_reach_the_optimal_line():
    """They have AUC 1, F1 1 and the optimal discovery curve; their negative finds nothing before all right ones."""
    corrupted = blobs().corrupted
    judged, discovery = detection(1.0 - corrupted, corrupted), corrupted_sample_discovery(1.0 - corrupted, corrupted)
    assert (judged.auc, judged.f1) == (1, 1)
    np.testing.assert_allclose(discovery.found, discovery.optimal)
    assert discovery.area == discovery.optimal_area
    assert corrupted_sample_discovery(1.0 * corrupted, corrupted).found[10] == 0


def test_discovery_counts_what_lies_in_each_bin():
    """The curve is the plain count among the lowest values where none are equal."""
    generator = np.random.default_rng(3)
    values, corrupted = generator.permutation(200) * 1.0, generator.random(200) < 0.3
    discovery = corrupted_sample_discovery(values, corrupted)
    plain = [np.count_nonzero(corrupted & (values < count)) / corrupted.sum() for count in range(0, 201, 10)]
    np.testing.assert_allclose(discovery.found, plain)
    np.testing.assert_allclose(discovery.inspected, np.arange(21) / 20)


def test_values_that_know_nothing_are_as_good_as_chance():
    """Random values have an area near one half; equal values have exactly the random line, and flag nothing."""
    generator = np.random.default_rng(1)
    corrupted = generator.random(4000) < 0.3
    assert corrupted_sample_discovery(generator.random(4000), corrupted).area == pytest.approx(0.5, abs=0.02)
    equal = corrupted_sample_discovery(np.ones(4000), corrupted)
    np.testing.assert_allclose(equal.found, equal.random)
    judged = detection(np.ones(4000), corrupted)
    assert (judged.auc, judged.f1) == (0.5, 0)


def test_ties_are_the_mean_over_random_orders():
    """The curve of values with ties is the mean of the curves of many ways to break them."""
    generator = np.random.default_rng(2)
    values, corrupted = generator.integers(0, 3, 60) * 1.0, generator.random(60) < 0.4
    broken = [
        corrupted_sample_discovery(values + 0.5 * generator.permutation(60) / 60, corrupted).found for _ in range(2000)
    ]
    np.testing.assert_allclose(corrupted_sample_discovery(values, corrupted).found, np.mean(broken, axis=0), atol=0.01)


@pytest.mark.parametrize("corrupted", [np.zeros(4, bool), np.ones(4, bool)])
def test_there_must_be_something_to_detect(corrupted):
    """Without a wrong label, or without a right one, detection is refused."""
    for metric in (detection, corrupted_sample_discovery):
        with pytest.raises(ValueError, match="nothing to tell apart"):
            metric(np.arange(4.0), corrupted)


def test_removing_low_values_helps_and_removing_high_values_harms():
    """With values that know the truth, both curves go their ways, and the same number of samples is left."""
    data = blobs(wrong=0.4)
    values = 1.0 - data.corrupted
    low, high = (
        removal_curve(values, data, lowest_first=lowest_first, generator=np.random.default_rng(0))
        for lowest_first in (True, False)
    )
    assert low.test[0] == high.test[0]
    assert low.test[8] > low.test[0] + 0.02
    assert high.test[8] < high.test[0] - 0.1
    assert low.best == low.test[low.valid.argmax()] > low.test[0]
    np.testing.assert_allclose(low.removed, np.arange(20) / 20)


def test_what_is_left_are_the_right_samples_and_a_single_class_has_no_score():
    """The evaluator is fitted on the samples that stay, in file order; on one class alone it is not fitted at all."""
    seen = []

    class Majority:
        def fit(self, x, y, sample_weight=None):
            seen.append(x[:, 0].tolist())
            self.label = np.bincount(y).argmax()

        def predict_proba(self, x):
            return np.tile(np.eye(2)[self.label], (len(x), 1))

    places = Samples(np.arange(20.0)[:, None], np.repeat([0, 1], 10))
    data = ValuationData(places, places, Samples(places.x[:4], np.array([0, 0, 0, 1])), None)
    curve = removal_curve(
        np.arange(20.0),
        data,
        lowest_first=True,
        generator=np.random.default_rng(0),
        evaluator=Majority(),
        metric=accuracy_score,
    )
    assert seen == [list(range(first, 20)) for first in range(10)]
    assert curve.test[:2].tolist() == [0.75, 0.25]
    assert np.isnan(curve.test[10:]).all()


def test_weighting_by_good_values_is_robust():
    """Weights that know the truth beat equal ones; an ensemble of scikit-learn's is an evaluator as well."""
    data = blobs(wrong=0.4)
    learned = robust_learning(1.0 - data.corrupted, data)
    assert learned.weighted > learned.unweighted + 0.02
    assert robust_learning(np.ones(400), data).weighted == learned.unweighted
    forest = RandomForestClassifier(10, random_state=0)
    forests = robust_learning(1.0 - data.corrupted, data, evaluator=forest, metric=accuracy_score)
    assert forests.weighted > forests.unweighted
    assert not hasattr(forest, "estimators_")


def test_the_default_evaluator_balances_the_classes():
    """Repeating one class, or giving it a larger weight, changes no prediction."""
    data = blobs(wrong=0)
    rare = (data.train.y == 0) | (np.arange(400) % 10 == 1)
    x, y = data.train.x[rare], data.train.y[rare]
    plain = PCALogisticRegression().fit(x, y)
    weighted = PCALogisticRegression().fit(x, y, np.where(y == 1, 7.0, 1.0))
    np.testing.assert_array_equal(plain.predict(data.test.x), weighted.predict(data.test.x))
    assert plain.predict(data.test.x).mean() == pytest.approx(0.5, abs=0.1)


@pytest.fixture
def npz_data(tmp_path):
    """Write the three files of DVRL's format, with images and CIFAR-10's labels [N, 1]."""
    folder, data = tmp_path / "npz", blobs(120)
    folder.mkdir()
    for name, part in (("train", data.train), ("valid", data.valid), ("test", data.test)):
        arrays = {f"x_{name}": part.x.reshape(-1, 2, 2), f"y_{name}": part.y[:, None]}
        np.savez_compressed(folder / f"{name}.npz", **arrays)
    return folder, data


def rewrite(path, **changes):
    """Change arrays of an npz file; None removes one."""
    with np.load(path) as file:
        arrays = dict(file) | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def test_npz_data_is_read(npz_data):
    """Arrays come with their shapes, labels flat; wrong labels are known where the training file names them."""
    folder, data = npz_data
    read = read_npz_data(folder)
    assert read.train.x.shape == (120, 2, 2)
    np.testing.assert_array_equal(read.valid.y, data.valid.y)
    assert read.corrupted is None
    rewrite(folder / "train.npz", noise_idx=np.flatnonzero(data.corrupted))
    np.testing.assert_array_equal(read_npz_data(folder).corrupted, data.corrupted)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("test", {"x_test": None, "images": np.zeros(3)}, "needs the arrays x_test and y_test; it has y_test, images"),
        ("valid", {"y_valid": np.zeros(7, int)}, "they are .* and .7,."),
        ("valid", {"x_valid": np.zeros((200, 3))}, "samples differ in shape"),
        ("train", {"x_train": np.full((120, 2, 2), np.nan)}, "finite numbers"),
        ("train", {"y_train": np.zeros(120)}, "y_train integers"),
        ("train", {"y_train": np.zeros(120, int)}, "at least two classes"),
        ("train", {"noise_idx": np.array([120])}, "noise_idx must be integers from 0 to 119"),
        ("train", {"y_train": np.array([None] * 120)}, "cannot be read as arrays of numbers"),
    ],
)
def test_npz_data_that_does_not_fit_is_refused_with_what_is_expected(npz_data, name, changes, words):
    """Missing arrays, shapes, dtypes and pickled objects: the message names the file and what it should hold."""
    rewrite(npz_data[0] / f"{name}.npz", **changes)
    with pytest.raises(ValueError, match=words):
        read_npz_data(npz_data[0])


def test_missing_and_damaged_npz_files_are_named(npz_data):
    """A file that is not there, or is no npz file, is named."""
    (npz_data[0] / "valid.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ValueError, match=r"valid\.npz cannot be read"):
        read_npz_data(npz_data[0])
    (npz_data[0] / "valid.npz").unlink()
    with pytest.raises(ValueError, match=r"valid\.npz is missing"):
        read_npz_data(npz_data[0])


def analyze(source, data, *options):
    """Run `grader analyze`."""
    arguments = ["analyze", str(source), "--data", str(data), *options]
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"}, catch_exceptions=False)


def image_sizes(folder):
    """Return name and pixel size of every plot, from the PNG headers."""
    return {path.name: np.frombuffer(path.read_bytes()[16:24], ">u4").tolist() for path in sorted(folder.glob("*.png"))}


def test_a_run_is_analyzed(grade, light, data):
    """Class 1 alone is selected: purity, recall and the frequency as values are exactly those of its labels."""
    cell = (
        "def your_select_indices(targets, losses):\n"
        "    ones = [place for place, label in enumerate(targets) if label == 1]\n"
        "    return [ones, ones + ones]\n"
    )
    graded = grade(cell)
    assert graded.record["verdict"] == "OK", graded.printed
    result = analyze(graded.run, data)
    assert result.exit_code == 0, result.output
    found = json.loads((graded.run / "analysis" / ANALYSIS_FILE).read_text())
    train = open_split(data / "public", "train").dataset
    noisy, clean = train.targets.numpy(), read_truth(data / "private", train).numpy()
    right = noisy == clean
    assert found["selection"]["purity"] == pytest.approx(right[noisy == 1].mean())
    assert found["selection"]["clean_recall"] == pytest.approx((right & (noisy == 1)).sum() / right.sum())
    assert found["selection"]["purity_by_class"][0][0] is None
    assert found["corrupted"] == np.count_nonzero(~right)
    assert found["detection"]["f1"] == pytest.approx(
        2 * np.sum(~right & (noisy == 0)) / (np.sum(~right) + np.sum(noisy == 0))
    )
    assert found["robust_learning"]["weighted"] is None  # one class has no weight
    sizes = image_sizes(graded.run / "analysis")
    assert list(sizes) == ["discovery.png", "removal.png", "selection.png", "values.png"]
    assert all(min(size) > 400 for size in sizes.values())
    record = json.loads((graded.run / "record.json").read_text())
    for change, words in (
        ({"data_sha256": "0"}, "was graded on other data"),
        ({"verdict": "TimeLimitExceeded"}, "ended with TimeLimitExceeded"),
    ):
        (graded.run / "record.json").write_text(json.dumps(record | change))
        refused = analyze(graded.run, data)
        assert refused.exit_code == 3
        assert words in refused.output
    (graded.run / "record.json").write_text(json.dumps(record))
    (graded.run / "selections.npz").write_bytes(b"PK")
    assert "selections.npz is damaged" in analyze(graded.run, data).output


def write_csv(path, rows):
    """Write data values as a CSV file."""
    path.write_text("file,value\n" + "".join(f"{name},{value!r}\n" for name, value in rows))


def test_values_are_analyzed_from_an_array_and_from_a_table_alike(data, tmp_path):
    """A .npy file in file order and a CSV file in any order give the same metrics; there is no selection in them."""
    train = open_split(data / "public", "train").dataset
    values = np.random.default_rng(0).random(256)
    np.save(tmp_path / "values.npy", values)
    write_csv(tmp_path / "values.csv", sorted(zip(train.files, values.tolist(), strict=True)))
    for kind in ("npy", "csv"):
        result = analyze(tmp_path / f"values.{kind}", data, "--out", str(tmp_path / kind))
        assert result.exit_code == 0, result.output
    array, table = (json.loads((tmp_path / kind / ANALYSIS_FILE).read_text()) for kind in ("npy", "csv"))
    assert array | {"source": "values.csv"} == table
    assert array["selection"] is None
    corrupted = train.targets.numpy() != read_truth(data / "private", train).numpy()
    assert array["detection"]["auc"] == detection(values, corrupted).auc
    assert list(image_sizes(tmp_path / "npy")) == ["discovery.png", "removal.png", "values.png"]


@pytest.mark.parametrize("classes", [2, 3])
def test_the_line_of_chance_is_that_of_the_classes(npz_data, classes):
    """The removal plot has it at 1 / classes."""
    folder, known = npz_data
    for name in ("train", "valid", "test"):
        rewrite(folder / f"{name}.npz", **{f"y_{name}": np.arange(len(getattr(known, name).y)) % classes})
    analysis = evaluate_values("values", known.train.x[:, 0], read_npz_data(folder), None)
    levels = {line.get_label(): line.get_ydata()[0] for line in removal_figure(analysis).axes[0].lines}
    assert levels[f"chance ({1 / classes:.3f})"] == 1 / classes


def test_values_for_npz_data_are_analyzed(npz_data, tmp_path):
    """Where nobody knows the wrong labels, training metrics alone are computed; where they are named, all are."""
    folder, known = npz_data
    np.save(tmp_path / "values.npy", 1.0 - known.corrupted)
    assert analyze(tmp_path / "values.npy", folder).exit_code == 0
    found = json.loads((tmp_path / "analysis" / ANALYSIS_FILE).read_text())
    assert (found["detection"], found["discovery"], found["corrupted"]) == (None, None, None)
    assert found["robust_learning"]["weighted"] > found["robust_learning"]["unweighted"]
    assert list(image_sizes(tmp_path / "analysis")) == ["removal.png", "values.png"]
    rewrite(folder / "train.npz", noise_idx=np.flatnonzero(known.corrupted))
    assert "AUC 1.000, F1 1.000" in analyze(tmp_path / "values.npy", folder).output


def test_values_that_do_not_fit_are_refused_with_what_is_expected(data, npz_data, tmp_path):
    """Wrong length, not finite, not numbers, another file, missing names, no data: exit status 3, and what to do."""
    names = open_split(data / "public", "train").dataset.files
    write_csv(tmp_path / "half.csv", [(name, 0.5) for name in [*names[:127], names[0], "other.png"]])
    write_csv(tmp_path / "whole.csv", [(name, 0.5) for name in names])
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "text.csv").write_text("a,b\n1,2\n")
    for name, array in (("short", np.ones(255)), ("nan", np.full(256, np.nan)), ("words", np.array(["a"] * 256))):
        np.save(tmp_path / f"{name}.npy", array)
    for name, folder, words in (
        ("short.npy", data, "expected 256 values, one per training sample, not float64 (255,)"),
        ("nan.npy", data, "256 of the values are not finite"),
        ("words.npy", data, "not <U1 (256,)"),
        ("text.npy", data, "values in"),
        ("text.csv", data, "columns file and value"),
        ("half.csv", data, "129 are missing, 1 are unknown, 1 are repeated"),
        ("whole.csv", npz_data[0], "give the values as a .npy file"),
        ("whole.csv", data / "public", "there is no test_a"),
        ("whole.csv", tmp_path / "nowhere", "no data in"),
    ):
        result = analyze(tmp_path / name, folder)
        assert result.exit_code == 3, name
        assert words in result.output, name
    assert not (tmp_path / "analysis").exists()
    assert analyze(tmp_path / "nothing.npy", data).exit_code == 2
    assert "runs are graded on data made by build-data" in analyze(tmp_path, npz_data[0]).output
