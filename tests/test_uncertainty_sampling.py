"""Uncertainty sampling: the scores, the loop, the human teacher, the cell."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.linear_model import LogisticRegression

from reference_solutions.uncertainty_sampling import (
    ActiveLearner,
    ask_person,
    entropy,
    least_confidence,
    margin,
    random_control,
)
from tests.conftest import answer, answers

PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.45, 0.45], [1.0, 0.0, 0.0]])
THRESHOLD = 0.3


def one_dimensional_learner(score, seed=0, pool_size=200):
    """Make a learner that must find THRESHOLD on the unit interval, from one sample of each class."""
    pool = np.random.default_rng(seed).random((pool_size, 1))
    return ActiveLearner(
        LogisticRegression(C=1e4),
        score,
        features=np.array([[0.0], [1.0]]),
        labels=np.array([0, 1]),
        pool=pool,
        teacher=lambda indices: (pool[indices, 0] > THRESHOLD).astype(np.int64),
    )


def grid_accuracy(estimator):
    grid = np.linspace(0, 1, 1001)[:, None]
    return float(np.mean(estimator.predict(grid) == (grid[:, 0] > THRESHOLD)))


@pytest.mark.parametrize(
    ("score", "expected"),
    [(least_confidence, [0.3, 0.55, 0.0]), (margin, [0.5, 1.0, 0.0])],
)
def test_scores_are_those_computed_by_hand(score, expected):
    """Least confidence is 1 - max P; the margin score is 1 minus the distance of the two likeliest classes."""
    np.testing.assert_allclose(score(PROBABILITIES), expected, atol=1e-15)


def test_entropy_is_scipys():
    """The entropy is SciPy's, also where a class is certain."""
    np.testing.assert_allclose(entropy(PROBABILITIES), stats.entropy(PROBABILITIES, axis=1), atol=1e-15)


def test_the_scores_rank_two_classes_alike_and_three_differently():
    """With two classes all three scores ask in the same order; with three they need not."""
    first = np.random.default_rng(0).random(50)
    two = np.stack([first, 1 - first], axis=1)
    orders = [np.argsort(score(two)) for score in (least_confidence, margin, entropy)]
    assert all(np.array_equal(order, orders[0]) for order in orders)
    three = np.array([[0.5, 0.5, 0.0], [0.45, 0.3, 0.25]])
    assert [int(np.argmax(score(three))) for score in (least_confidence, margin, entropy)] == [1, 0, 1]


def test_a_query_asks_where_the_estimator_is_least_sure():
    """The samples nearest to the decision boundary are asked, in rising order, and only among the candidates."""
    learner = one_dimensional_learner(least_confidence)
    boundary = -learner.estimator.intercept_[0] / learner.estimator.coef_[0, 0]
    distance = np.abs(learner.pool[:, 0] - boundary)
    assert learner.query(3).tolist() == sorted(np.argsort(distance)[:3])
    candidates = np.arange(100, 150)
    left = candidates[learner.answers[candidates] == ActiveLearner.UNASKED]
    assert learner.query(2, candidates).tolist() == sorted(left[np.argsort(distance[left])[:2]])


@pytest.mark.parametrize("score", [least_confidence, margin, entropy, random_control(np.random.default_rng(0))])
def test_no_sample_is_asked_twice_and_an_empty_pool_ends_the_loop(score):
    """The teacher sees each pool index once; the last round takes the rest; the records count the queries."""
    learner = one_dimensional_learner(score, pool_size=25)
    asked, teacher = [], learner.teacher
    learner.teacher = lambda indices: asked.extend(indices) or teacher(indices)
    records = learner.run(rounds=10, queries_per_round=10, evaluate=grid_accuracy)
    assert sorted(asked) == list(range(25))
    assert [queries for queries, _ in records] == [0, 10, 20, 25]
    assert records[-1][1] == grid_accuracy(learner.estimator) > records[0][1]


def test_uncertainty_sampling_needs_fewer_queries_than_random():
    """Near a threshold in one dimension, 15 queries are enough; 15 random ones are further off for every seed."""
    for seed in range(3):
        uncertain = one_dimensional_learner(least_confidence, seed).run(15, 1, grid_accuracy)
        control = random_control(np.random.default_rng(seed))
        by_chance = one_dimensional_learner(control, seed).run(15, 1, grid_accuracy)
        assert uncertain[0] == by_chance[0]
        assert uncertain[-1][1] > 0.99
        assert uncertain[-1][1] > by_chance[-1][1]


def test_an_answer_that_is_not_believed_leaves_the_labelled_set():
    """A wrong answer moves the boundary; taking it out of `believed` moves it back, and it is not asked again."""
    learner = one_dimensional_learner(least_confidence)
    right = learner.estimator.predict(learner.pool)
    learner.teacher = lambda indices: 1 - right[indices]
    asked = learner.query(50)
    learner.fit()
    assert not np.array_equal(learner.estimator.predict(learner.pool), right)
    learner.believed[asked] = False
    learner.fit()
    np.testing.assert_array_equal(learner.estimator.predict(learner.pool), right)
    assert not set(learner.query(50)) & set(asked)


def test_a_person_can_be_the_teacher(monkeypatch):
    """Each queried image is shown once, the question is repeated until the answer is a class."""
    images = np.random.default_rng(0).random((3, 4, 4))
    typed, shown = iter(["yes", "2", "1", "", " 0 ", "1"]), []
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
    monkeypatch.setattr(plt, "show", lambda block: shown.append(np.asarray(plt.gci().get_array())))
    learner = one_dimensional_learner(least_confidence, pool_size=3)
    learner.teacher = lambda indices: ask_person(images[indices])
    learner.query(3)
    assert learner.answers.tolist() == [1, 0, 1]
    np.testing.assert_array_equal(shown, images)
    assert plt.get_fignums() == []


@pytest.fixture
def cell(load_cell):
    """The notebook's cell on the debug data."""
    return load_cell("uncertainty_sampling")


@pytest.fixture
def targets(cell):
    """The labels of the first batch."""
    return cell.train_loader.dataset.targets[: cell.train_loader.batch_size]


def sure(targets):
    """Return the losses of two networks that agree with every label."""
    return [torch.full((len(targets),), 0.1)] * 2


def test_the_cell_asks_half_a_batch_per_pass_and_balances_what_it_believes(cell):
    """Two passes empty the pool; selections are valid, asked, confirmed by the estimator, and half of each class."""
    shares = []
    for here, targets, selections in answers(cell, lambda here, targets: sure(targets), epochs=2):
        believed = np.flatnonzero(cell.learner.believed[here.samples])
        for selection in selections:
            assert targets[selection].float().mean() == 0.5
            assert selection.unique().tolist() == believed.tolist()
        shares.append(float((cell.learner.answers != cell.ActiveLearner.UNASKED).mean()))
    assert shares == [0.25, 0.5, 0.75, 1.0]
    np.testing.assert_array_equal(cell.learner.answers, cell.train_loader.dataset.targets.numpy())
    assert 0 < cell.learner.believed.sum() < len(cell.learner.believed)


def test_the_cell_fits_anew_with_each_epoch(cell, monkeypatch):
    """The estimator is fitted once in each epoch, at its first batch: at first to the clean validation set alone."""
    fitted, fit = [], cell.ActiveLearner.fit
    monkeypatch.setattr(cell.ActiveLearner, "fit", lambda learner: fitted.append(cell.position()) or fit(learner))
    list(answers(cell, lambda here, targets: sure(targets), epochs=3))
    assert [(here.epoch, here.batch) for here in fitted] == [(0, 0), (1, 0), (2, 0)]


def test_each_model_learns_what_its_peer_confirms(cell, targets):
    """A sample with a loss above ln 2 in one network is not selected for the other one."""
    everything = [set(indices.tolist()) for indices in answer(cell, targets, sure(targets))]
    assert everything[0] == everything[1]
    doubted = {min(index for index in everything[0] if targets[index] == label) for label in (0, 1)}
    losses = [loss.clone() for loss in sure(targets)]
    losses[0][list(doubted)] = math.log(2) + 0.01
    cell.learner = None
    for_model_1, for_model_2 = (set(indices.tolist()) for indices in answer(cell, targets, losses))
    assert for_model_1 == everything[0]
    assert for_model_2 == everything[0] - doubted


def test_a_peer_that_knows_one_class_only_is_not_asked(cell, targets):
    """A network that calls everything 1, as an untrained one may, confirms no 0; then the estimator decides alone."""
    one_class = torch.where(targets == 1, 0.1, 3.0)
    for_model_1, for_model_2 = answer(cell, targets, [sure(targets)[0], one_class])
    assert for_model_1.tolist() == for_model_2.tolist()
    assert set(targets[for_model_1].tolist()) == {0, 1}
