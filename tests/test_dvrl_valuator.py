"""DVRL outside the notebook: the cell's bits, new samples, parameters, what it accepts, saving and loading."""

import json
import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from benchmarks.dvrl import DVRL, load, save
from benchmarks.dvrl.core import ACTIVATIONS
from benchmarks.dvrl.rewards import METRICS
from benchmarks.dvrl.storage import FORMAT
from benchmarks.images_and_labels import as_images, as_labels
from reference_solutions import dvrl_filter
from tests.test_dvrl import blobs


def short(**parameters):
    """Make a valuator that needs little time."""
    return DVRL(**{"iterations": 40, "batch_size": 200, "masks": 4} | parameters)


@pytest.fixture(scope="module")
def fitted():
    """Fit a valuator to three blobs with 30 % flipped labels, once."""
    x, noisy, _ = blobs(500, 3, 1, flip_rate=0.3)
    val_x, _, val_y = blobs(90, 3, 2)
    return short().fit(x, noisy, val_x, val_y)


def test_it_computes_what_the_cell_computes():
    """With the cell's settings the values have the cell's bits, with either predictor."""
    x, noisy, _ = blobs(200, 3, 1, flip_rate=0.3)
    val_x, _, val_y = blobs(60, 3, 2)
    for predictor in ("ridge", "softmax"):
        settings = {"predictor": predictor, "iterations": 12, "masks": 4, "inner_iterations": 5, "seed": 3}
        pca = make_pipeline(FunctionTransformer(dvrl_filter.flatten), PCA(6, whiten=True, random_state=3))
        cell = dvrl_filter.DVRL(pca, **settings).fit(x, noisy, val_x, val_y)
        ours = DVRL(**settings).fit(x, noisy, val_x, val_y)
        assert np.array_equal(ours.data_values, cell.data_values)
        assert ours.best_step == cell.best_step


def test_a_thousand_steps_are_the_default():
    """The notebook's cell takes 200, as it has to be quick."""
    assert DVRL().iterations == 1000
    assert dvrl_filter.DVRL().iterations == 200


def test_samples_that_it_was_not_fitted_on_are_valued(fitted):
    """New samples with wrong labels get lower values than others, training samples the values that they have."""
    x, noisy, _ = blobs(500, 3, 1, flip_rate=0.3)
    np.testing.assert_allclose(fitted.value(x, noisy), fitted.data_values, atol=1e-6)
    fresh_x, fresh_noisy, fresh_clean = blobs(300, 3, 5, flip_rate=0.3)
    values = fitted.value(fresh_x, fresh_noisy)
    assert values.shape == (300,)
    assert values.dtype == np.float32
    assert roc_auc_score(fresh_noisy == fresh_clean, values) > 0.9


def test_the_kept_step_values_new_samples(fitted):
    """What values new samples is the estimator of the best step, not of the last one."""
    x, noisy, _ = blobs(120, 3, 1, flip_rate=0.3)
    val_x, _, val_y = blobs(60, 3, 2)

    class Worsening(DVRL):
        looks = 0

        def performance(self, x, y, weights, val_x, val_y):
            result = super().performance(x, y, weights, val_x, val_y)
            if weights.dim() == 1:
                self.looks += 1
                return torch.tensor(-float(self.looks))
            return result

    dvrl = Worsening(iterations=40, evaluate_every=10, masks=4).fit(x, noisy, val_x, val_y)
    assert dvrl.best_step == 10
    np.testing.assert_allclose(dvrl.value(x, noisy), dvrl.data_values, atol=1e-6)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_reward_and_activation_are_parameters(metric, activation):
    """With each reward, wrong labels get lower values; the estimator has the wanted activation everywhere."""
    x, noisy, clean = blobs(400, 3, 1, flip_rate=0.3)
    val_x, _, val_y = blobs(120, 3, 2)
    dvrl = short(metric=metric, activation=activation).fit(x, noisy, val_x, val_y)
    assert roc_auc_score(noisy == clean, dvrl.data_values) > 0.7
    assert sum(isinstance(module, ACTIVATIONS[activation]) for module in dvrl.estimator.modules()) == 5
    assert activation == "relu" or not any(isinstance(m, torch.nn.ReLU) for m in dvrl.estimator.modules())


@pytest.mark.parametrize("classes", [2, 4])
def test_the_rewards_are_those_of_scikit_learn(classes):
    """Accuracy and area under the curve, ties included, are what scikit-learn computes for each selection."""
    generator = np.random.default_rng(0)
    scores = generator.integers(1, 6, (3, 50, classes)).astype(np.float32)
    probabilities = scores / scores.sum(-1, keepdims=True)
    y = np.arange(50) % classes
    found = {name: METRICS[name](torch.from_numpy(probabilities), torch.from_numpy(y)).numpy() for name in METRICS}
    for row, (accuracy, area) in zip(probabilities, zip(found["accuracy"], found["auc"], strict=True), strict=True):
        assert accuracy == pytest.approx(accuracy_score(y, row.argmax(1)))
        wanted = np.mean([roc_auc_score(y == label, row[:, label]) for label in range(classes)])
        assert area == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("shape", [(8, 32, 32, 3), (8, 3, 32, 32), (8, 28, 28), (8, 28, 28, 1)])
def test_images_of_every_layout_become_one(shape):
    """Bytes become 0 to 1 and the channels come first, whether they came first, last or not at all."""
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    found = as_images(images)
    assert found.dtype == torch.float32
    assert found.shape == ((8, 3, 32, 32) if 32 in shape else (8, 1, 28, 28))
    wanted = images.transpose(0, 3, 1, 2) if shape[-1] in (1, 3) else images
    np.testing.assert_allclose(found.numpy().ravel(), wanted.ravel() / np.float32(255))
    assert torch.equal(as_images(torch.from_numpy(images)), found)


def test_the_shapes_of_cifar_are_accepted():
    """NHWC bytes with labels [N, 1] give the values that NCHW numbers with labels [N] give."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
    labels = (np.arange(60) % 2).astype(np.uint8)[:, np.newaxis]
    cifar = short(iterations=5).fit(images, labels, images[:20], labels[:20])
    numbers = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    plain = short(iterations=5).fit(numbers, labels[:, 0], numbers[:20], labels[:20, 0])
    assert np.array_equal(cifar.data_values, plain.data_values)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.zeros(5), r"must be \[N, D\], .*, not \[5\]"),
        (np.zeros((2, 3, 4, 5, 6)), r"not \[2, 3, 4, 5, 6\]"),
        (np.zeros((0, 4)), r"not \[0, 4\]"),
        (np.zeros((2, 5, 5, 2)), "cannot be told which axis"),
        (np.zeros((2, 3, 5, 3)), "cannot be told which axis"),
        (np.array([["a", "b"]]), "must be numbers"),
        (np.array([[None, 1]]), "must be numbers"),
        (np.array([[np.nan, 1]]), "finite"),
        (torch.ones(2, 2, dtype=torch.bool), "must be numbers"),
    ],
)
def test_other_images_are_refused_in_a_sentence(images, said):
    """What is no image and no feature is named, and nothing is guessed."""
    with pytest.raises(ValueError, match=said) as refused:
        as_images(images)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "labels", [np.eye(3), np.zeros(3), np.zeros(2, int), np.array([0, 1, -1]), np.array([0, 1, 5000]), ["a", "b", "c"]]
)
def test_other_labels_are_refused_in_a_sentence(labels):
    """One-hot rows, fractions, other counts, negative and absurd classes, and words are no labels."""
    with pytest.raises(ValueError, match="labels must") as refused:
        as_labels(labels, 3)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"metric": "loss"}, "metric must be one of log_likelihood, accuracy, auc, not 'loss'"),
        ({"activation": "swish"}, "activation must be one of relu"),
        ({"predictor": "forest"}, "predictor must be one of ridge, softmax"),
        ({"iterations": 0}, "iterations must be at least 1, not 0"),
        ({"layer_number": 1}, "layer_number must be at least 2"),
        ({"masks": 1}, "masks must be at least 2"),
    ],
)
def test_wrong_parameters_are_refused_before_anything_is_learned(parameters, said):
    """The message has the parameter and what it may be."""
    with pytest.raises(ValueError, match=said):
        DVRL(**parameters)


def test_data_that_do_not_fit_each_other_are_refused():
    """A class that the validation set lacks, one class alone, other shapes and other labels are each named."""
    x, noisy, clean = blobs(60, 3, 1)
    with pytest.raises(ValueError, match="it has 0 of class 2"):
        short().fit(x, noisy, x[clean < 2], clean[clean < 2])
    with pytest.raises(ValueError, match="all the same"):
        short().fit(x, torch.zeros(60, dtype=torch.int64), x, clean)
    with pytest.raises(ValueError, match=r"shape \[6\] of the training images, not \[5\]"):
        short().fit(x, noisy, x[:, :5], clean)
    with pytest.raises(ValueError, match="fit first"):
        short().value(x, noisy)
    dvrl = short(iterations=2).fit(x, noisy, x, clean)
    with pytest.raises(ValueError, match="from 0 to 2 as in training; there is 3"):
        dvrl.value(x[:1], [3])


@pytest.mark.parametrize("predictor", ["ridge", "softmax"])
def test_what_was_saved_values_as_before(predictor, tmp_path):
    """A loaded valuator gives the same values and predictions, and can be fitted again."""
    x, noisy, _ = blobs(100, 3, 1, flip_rate=0.3)
    settings = {"iterations": 4, "activation": "tanh", "hidden_dim": 20, "layer_number": 3, "inner_iterations": 3}
    dvrl = short(predictor=predictor, metric="auc", seed=2, **settings).fit(x, noisy, x, noisy)
    save(dvrl, tmp_path / "valuator.safetensors")
    loaded = load(tmp_path / "valuator.safetensors")
    fresh, labels, _ = blobs(40, 3, 7)
    np.testing.assert_allclose(loaded.value(fresh, labels), dvrl.value(fresh, labels), atol=1e-3)
    torch.testing.assert_close(loaded.predict_proba(fresh), dvrl.predict_proba(fresh))
    assert np.array_equal(loaded.data_values, dvrl.data_values)
    assert (loaded.best_step, loaded.metric, loaded.activation) == (dvrl.best_step, "auc", "tanh")
    loaded.iterations = 2
    assert len(loaded.fit(x, noisy, x, noisy).data_values) == 100
    assert list(tmp_path.iterdir()) == [tmp_path / "valuator.safetensors"]


def test_an_encoder_of_ones_own_is_given_again(tmp_path):
    """Its weights are not in the file, so loading asks for it; one that is not needed is refused."""
    x, noisy, _ = blobs(100, 3, 1, flip_rate=0.3)
    own = FunctionTransformer()
    dvrl = short(encoder=own, iterations=3).fit(x, noisy, x, noisy)
    save(dvrl, tmp_path / "own")
    with pytest.raises(ValueError, match="needs the encoder"):
        load(tmp_path / "own")
    np.testing.assert_allclose(load(tmp_path / "own", own).value(x, noisy), dvrl.data_values, atol=1e-3)
    save(short(iterations=3).fit(x, noisy, x, noisy), tmp_path / "pca")
    with pytest.raises(ValueError, match="has an encoder of its own"):
        load(tmp_path / "pca", own)


def test_what_is_not_numbers_alone_is_not_saved(tmp_path):
    """A classifier of one's own would have to be pickled, and an unfitted valuator has nothing to save."""
    x, noisy, _ = blobs(60, 2, 1, flip_rate=0.2)
    with pytest.raises(ValueError, match="not a classifier of your own"):
        save(short(predictor=LogisticRegression(), iterations=2, masks=2).fit(x, noisy, x, noisy), tmp_path / "v")
    with pytest.raises(ValueError, match="nothing to save"):
        save(short(), tmp_path / "v")
    assert list(tmp_path.iterdir()) == []


def rewritten(path, change):
    """Write a valuator's file again after `change(arrays, description)`."""
    arrays = load_file(path)
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    description = json.loads(header["__metadata__"]["description"])
    change(arrays, description)
    save_file(arrays, path, {"format": FORMAT, "description": json.dumps(description)})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda arrays, words: arrays.pop("range"), "its arrays are"),
        (lambda arrays, words: arrays.update(more=torch.ones(1)), "its arrays are"),
        (lambda arrays, words: arrays["range"].fill_(torch.nan), "range has numbers that are not finite"),
        (lambda arrays, words: arrays.update(range=torch.ones(2, dtype=torch.float64)), "range is torch.float64"),
        (lambda arrays, words: words.update(hidden_dim=10**12), "a size in its description"),
        (lambda arrays, words: words.update(hidden_dim=10**6), "estimator"),
        (lambda arrays, words: words.update(layer_number=10**5), "impossible number of layers"),
        (lambda arrays, words: words.update(hidden_dim=True), "a size in its description is True"),
        (lambda arrays, words: words.update(activation="__import__"), "unknown activation"),
        (lambda arrays, words: words.update(metric=["auc"]), "unhashable|metric"),
        (lambda arrays, words: words.pop("sample_shape"), "sample_shape"),
        (lambda arrays, words: words.update(sample_shape=[7]), "encoder"),
    ],
)
def test_a_file_that_is_something_else_is_refused(change, said, fitted, tmp_path):
    """An array or a word that does not fit is told in one sentence, and nothing large is allocated for it."""
    path = tmp_path / "valuator.safetensors"
    save(fitted, path)
    rewritten(path, change)
    with pytest.raises(ValueError, match=f"no valuator that was saved here: .*({said})") as refused:
        load(path)
    assert "\n" not in str(refused.value)


def test_a_file_of_another_kind_is_refused(fitted, tmp_path):
    """A missing file, a folder, a pickle, a cut file and foreign safetensors are refused, and no pickle is opened."""
    path = tmp_path / "valuator"
    with pytest.raises(ValueError, match="cannot be read"):
        load(path)
    with pytest.raises(ValueError, match="no regular file"):
        load(tmp_path)
    save(fitted, path)
    whole = path.read_bytes()
    torch.save({"a": torch.ones(1)}, tmp_path / "pickle")
    save_file({"a": torch.ones(1)}, tmp_path / "foreign")
    for content in (
        whole[:-9],
        whole[:5],
        b"",
        (tmp_path / "pickle").read_bytes(),
        (tmp_path / "foreign").read_bytes(),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=re.escape(str(path)) + " is no valuator"):
            load(path)


def test_a_valuator_is_written_whole_or_not_at_all(fitted, tmp_path):
    """What was there stays where the new file cannot be written, and nothing unfinished is left."""
    (tmp_path / "place").mkdir()
    with pytest.raises(OSError, match="directory"):
        save(fitted, tmp_path / "place")
    assert [path.name for path in tmp_path.iterdir()] == ["place"]
