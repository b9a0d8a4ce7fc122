"""The DVRL reference: its predictors, its gradient, what it finds, and its cell."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import FunctionTransformer
from torchvision.models import inception_v3

from reference_solutions.dvrl_filter import (
    DVRL,
    InceptionV3,
    OneByOne,
    WeightedRidge,
    WeightedSoftmax,
    balanced_log_likelihood,
    exploration_penalty,
    leave_one_out_advantage,
    reinforce_loss,
)
from tests.conftest import answer, answers

IDENTITY = FunctionTransformer()


def blobs(samples, num_classes, seed, flip_rate=0.0):
    """Draw one Gaussian blob per class: features float32 [N, 6], noisy and clean labels int64 [N]."""
    centres = 3 * np.random.default_rng(0).normal(size=(num_classes, 6))
    generator = np.random.default_rng(seed)
    clean = np.arange(samples) % num_classes
    features = (centres[clean] + generator.normal(size=(samples, 6))).astype(np.float32)
    wrong = (clean + generator.integers(1, num_classes, samples)) % num_classes
    noisy = np.where(generator.random(samples) < flip_rate, wrong, clean)
    return torch.from_numpy(features), torch.from_numpy(noisy), torch.from_numpy(clean)


def small_dvrl(**parameters):
    """Make a DVRL that takes features as they are and needs little time."""
    return DVRL(**{"encoder": IDENTITY, "iterations": 60, "batch_size": 200, "masks": 4} | parameters)


def test_the_closed_form_is_weighted_ridge_regression():
    """For each of several weightings, the scores are those of scikit-learn's ridge on one-hot labels."""
    x, y, _ = blobs(60, 3, 1)
    weights = torch.rand(4, 60, generator=torch.Generator().manual_seed(0))
    ridge = WeightedRidge(3, l2=2.0).fit(x, y, weights)
    padded = np.pad(x.numpy(), ((0, 0), (0, 1)), constant_values=1)  # our intercept is a feature, and penalised
    for row, coefficients in zip(weights, ridge.coefficients, strict=True):
        oracle = Ridge(2.0, fit_intercept=False).fit(padded, np.eye(3)[y], sample_weight=row.numpy())
        np.testing.assert_allclose(coefficients.numpy(), oracle.coef_.T, atol=1e-4)
    probabilities = ridge.predict_proba(x)
    assert probabilities.shape == (4, 60, 3)
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(4, 60))


def test_samples_of_weight_zero_are_not_learned_from():
    """A selection of half of the samples gives the ridge, and the softmax regression, of that half alone."""
    x, y, _ = blobs(40, 2, 1)
    mask = (torch.arange(40) < 20).float()
    other = torch.where(mask == 1, y, 1 - y)
    for predictor in (WeightedRidge, WeightedSoftmax):
        torch.testing.assert_close(
            predictor(2).fit(x, y, mask).predict_proba(x), predictor(2).fit(x, other, mask).predict_proba(x)
        )


def test_softmax_regression_learns_each_weighting_by_itself():
    """Fitted to two weightings at once, each gives what it gives alone; more inner iterations fit better."""
    x, y, _ = blobs(90, 3, 1)
    weights = torch.stack([torch.ones(90), (y != 0).float()])
    together = WeightedSoftmax(3, inner_iterations=50, batch_size_predictor=32).fit(x, y, weights).predict_proba(x)
    for row, probabilities in zip(weights, together, strict=True):
        alone = WeightedSoftmax(3, inner_iterations=50, batch_size_predictor=32).fit(x, y, row).predict_proba(x)
        torch.testing.assert_close(probabilities, alone)
    short = WeightedSoftmax(3, inner_iterations=2, batch_size_predictor=32).fit(x, y, weights[0]).predict_proba(x)
    performance = balanced_log_likelihood
    assert performance(together[0], y) > performance(short, y) + 0.1


def test_the_reinforce_gradient_is_that_of_the_expected_reward():
    """Summed over all selections of three samples with their probabilities, the estimate is the exact gradient."""
    logits = torch.tensor([0.3, -1.0, 0.8], dtype=torch.float64, requires_grad=True)
    selections = torch.tensor(list(itertools.product([0.0, 1.0], repeat=3)), dtype=torch.float64)
    rewards = torch.arange(8, dtype=torch.float64) ** 1.5
    values = torch.sigmoid(logits)
    probabilities = torch.where(selections == 1, values, 1 - values).prod(1)
    (exact,) = torch.autograd.grad((probabilities * rewards).sum(), logits)
    baseline = 2.5  # any constant: it does not change the expectation
    advantages = probabilities.detach() * (rewards - baseline)
    (estimated,) = torch.autograd.grad(reinforce_loss(logits, selections, advantages), logits)
    torch.testing.assert_close(-estimated * 8 * 3, exact)  # the loss is a mean over 8 selections and 3 samples


def test_an_advantage_compares_a_reward_with_the_others():
    """(3 - mean of 1 and 2) / standard deviation 1 is 1.5; equal rewards teach nothing."""
    advantage = leave_one_out_advantage
    torch.testing.assert_close(advantage(torch.tensor([1.0, 2.0, 3.0])), torch.tensor([-1.5, 0.0, 1.5]))
    assert advantage(torch.full((4,), 0.7)).abs().max() < 1e-6


@pytest.mark.parametrize(("mean", "penalty"), [(0.05, 50.0), (0.1, 0.0), (0.5, 0.0), (0.9, 0.0), (0.95, 50.0)])
def test_the_exploration_penalty_starts_outside_a_tenth_to_nine_tenths(mean, penalty):
    """Inside there is none; outside it is 1,000 times the distance of the mean value."""
    found = exploration_penalty(torch.tensor([mean - 0.02, mean + 0.02])).item()
    assert found == pytest.approx(penalty, abs=1e-3)


@pytest.mark.parametrize("predictor", ["ridge", "softmax"])
def test_flipped_labels_get_low_values(predictor):
    """On three blobs with 30 % flipped labels, values separate clean from flipped, and the predictor is right."""
    x, noisy, clean = blobs(600, 3, 1, flip_rate=0.3)
    val_x, _, val_y = blobs(120, 3, 2)
    dvrl = small_dvrl(predictor=predictor, iterations=30, masks=8, inner_iterations=20).fit(x, noisy, val_x, val_y)
    assert dvrl.data_values.shape == (600,)
    assert dvrl.data_values.dtype == np.float32
    assert dvrl.data_values.min() == 0
    assert dvrl.data_values.max() == 1
    assert roc_auc_score(noisy == clean, dvrl.data_values) > 0.9
    fresh_x, _, fresh_y = blobs(300, 3, 3)
    assert (dvrl.predict_proba(fresh_x).argmax(1) == fresh_y).float().mean() > 0.9


def test_the_same_seed_gives_the_same_values():
    """Values depend on data and seed, not on the state of torch's own generator, which they leave alone."""
    x, noisy, _ = blobs(100, 2, 1, flip_rate=0.3)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = small_dvrl(iterations=3, seed=1).fit(x, noisy, x, noisy).data_values
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert np.array_equal(small_dvrl(iterations=3, seed=1).fit(x, noisy, x, noisy).data_values, first)
    assert not np.array_equal(small_dvrl(iterations=3, seed=2).fit(x, noisy, x, noisy).data_values, first)


def test_any_classifier_can_be_the_predictor():
    """A scikit-learn classifier is fitted once per selection; a class that is not in the batch gets probability 0."""
    x, noisy, clean = blobs(60, 2, 1, flip_rate=0.2)
    noisy[-1] = 2  # the batch of the first 59 samples has only two classes
    adapter = OneByOne(LogisticRegression(), 3).fit(x[:59], noisy[:59], torch.ones(2, 59))
    assert adapter.predict_proba(x).shape == (2, 60, 3)
    assert adapter.predict_proba(x)[..., 2].max() == 0
    dvrl = small_dvrl(predictor=LogisticRegression(), iterations=3, masks=2).fit(x, noisy, x, clean)
    assert len(dvrl.data_values) == 60
    assert (dvrl.predict_proba(x).argmax(1) == clean).float().mean() > 0.9


def test_the_best_step_is_kept():
    """The kept values are those that scored best on the held-back half, here the first that were looked at."""

    class Worsening(DVRL):
        def performance(self, x, y, weights, val_x, val_y):
            result = super().performance(x, y, weights, val_x, val_y)
            if weights.dim() == 1:
                self.scores.append(-len(self.scores))
                return torch.tensor(float(self.scores[-1]))
            return result

    x, noisy, _ = blobs(60, 2, 1, flip_rate=0.2)
    dvrl = Worsening(encoder=IDENTITY, iterations=7, evaluate_every=3)
    dvrl.scores = []
    dvrl.fit(x, noisy, x, noisy)
    assert dvrl.scores == [0, -1, -2]  # steps 3, 6 and the last
    assert dvrl.best_step == 3
    shorter = DVRL(encoder=IDENTITY, iterations=3).fit(x, noisy, x, noisy)
    assert np.array_equal(dvrl.data_values, shorter.data_values)


def test_inception_reads_a_local_weights_file(tmp_path):
    """The encoder turns grey images of any size into 2,048 features with the weights of a file."""
    torch.manual_seed(0)
    torch.save(inception_v3(weights=None, init_weights=False).state_dict(), tmp_path / "weights.pth")
    encoder = InceptionV3(tmp_path / "weights.pth")
    features = encoder.fit(None).transform(torch.rand(2, 1, 28, 28))
    assert features.shape == (2, 2048)
    assert not np.allclose(features[0], features[1], rtol=1e-3, atol=0)


@pytest.fixture
def cell(load_cell):
    """The cell as the notebook runs it, on the debug data, with a short last batch."""
    return load_cell("dvrl_filter", batch_size=100)


def test_the_cell_keeps_the_same_samples_every_epoch_and_balances_them(cell):
    """Both models get the kept samples of the batch and no others, in both epochs, both classes equally often."""
    for here, targets, selections in answers(cell, lambda here, targets: [torch.zeros(len(targets))] * 2, epochs=2):
        for selection in selections:
            assert selection.unique().tolist() == torch.nonzero(cell.kept[here.samples]).flatten().tolist()
            zeros, ones = torch.bincount(targets[selection], minlength=2).tolist()
            assert zeros == ones > 0
    labels = cell.train_loader.dataset.targets
    shares = [float((cell.kept & (labels == label)).sum() / (labels == label).sum()) for label in (0, 1)]
    assert shares[0] < shares[1]  # class 0 has the wrong labels


def test_a_batch_without_a_kept_sample_is_skipped(cell):
    """Where nothing is kept both selections are empty; where one class is left, it stands alone."""
    labels = cell.train_loader.dataset.targets
    cell.kept = torch.zeros(len(labels), dtype=torch.bool)
    assert [len(selection) for selection in answer(cell, labels[:100], [])] == [0, 0]
    cell.kept = labels == 1
    for selection in answer(cell, labels[:100], []):
        assert sorted(selection.tolist()) == torch.nonzero(labels[:100] == 1).flatten().tolist()
