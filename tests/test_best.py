"""The strongest reference: prior, evidence, quota and annealing."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from competition.task.constants import NUM_EPOCHS
from competition.task.selection import MAX_REPEATS
from grader.oracle import read_truth


@pytest.fixture
def cell(load_cell):
    """The reference's cell on the debug data."""
    return load_cell("best")


def train(cell, losses_of, epochs=NUM_EPOCHS):
    """Go through a training; yield the place of each batch and what was selected in it."""
    size = cell.train_loader.batch_size
    for step in range(epochs * len(cell.train_loader)):
        start = step % len(cell.train_loader) * size
        targets = cell.train_loader.dataset.targets[start : start + size]
        place = slice(start, start + len(targets))
        yield place, targets, cell.your_select_indices(targets, losses_of(place))


def test_the_prior_prefers_right_labels_and_the_noisier_class_is_found(cell, data):
    """Without any network, right labels have the larger log-odds on average, and the noisier class is to keep less."""
    dataset = cell.train_loader.dataset
    right = (read_truth(data / "private", dataset) == dataset.targets).numpy()
    prior, labels = cell.prior_log_odds(dataset, cell.val_loader.dataset), dataset.targets.numpy()
    believed = 1 / (1 + np.exp(-prior))
    assert believed[labels == 0].mean() + 0.2 < believed[labels == 1].mean()
    assert prior[right].mean() > prior[~right].mean() + 0.5


def test_expectation_maximisation_finds_the_flip_rates(cell):
    """On Gaussian classes with labels flipped at 0.4 and 0.1, the estimated transition matrix comes near."""
    generator = np.random.default_rng(0)
    clean = (generator.random(4000) < 0.7).astype(np.int64)
    features = generator.normal(size=(4000, 3)) + 2.0 * clean[:, None]
    noisy = np.where(generator.random(4000) < np.where(clean == 1, 0.4, 0.1), 1 - clean, clean)
    predictor, transition = cell.maximise_expectation(features[200:], noisy[200:], features[:200], clean[:200])
    assert transition == pytest.approx(np.array([[0.9, 0.1], [0.4, 0.6]]), abs=0.04)
    assert (predictor.predict(features) == clean).mean() > 0.93


def test_the_quota_is_that_of_each_class(cell):
    """Of each class, the best-scored share is kept."""
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    scores = np.array([4.0, 3.0, 2.0, 1.0, 0.1, 0.2, 0.3, 0.4])
    kept = cell.quota(scores, labels, (0.25, 0.75))
    assert kept.tolist() == [True, False, False, False, False, True, True, True]


def test_each_model_learns_from_what_its_peer_believes(cell):
    """From the second epoch on, a sample that the peer finds hard again and again is not selected."""
    hard = [torch.arange(256) % 2 == model for model in (0, 1)]
    dropped = [np.zeros(256, bool), np.zeros(256, bool)]
    for number, (place, _, selections) in enumerate(train(cell, lambda place: [5.0 * h[place] for h in hard])):
        if number >= len(cell.train_loader):
            for model, selection in enumerate(selections):
                missed = np.ones(place.stop - place.start, bool)
                missed[selection.numpy()] = False
                dropped[model][place] |= missed
    for model in (0, 1):
        easy_for_peer = ~hard[1 - model].numpy()
        assert dropped[model][~easy_for_peer].mean() > dropped[model][easy_for_peer].mean() + 0.2


def test_both_classes_weigh_the_same(cell):
    """A selection is balanced, and never longer than may be returned."""
    generator = torch.Generator().manual_seed(0)
    for _, targets, selections in train(
        cell, lambda place: [torch.rand(place.stop - place.start, generator=generator)] * 2
    ):
        for selection in selections:
            assert (targets[selection] == 0).sum() == (targets[selection] == 1).sum() > 0
            assert len(selection) <= MAX_REPEATS * len(targets)


def test_only_the_last_short_batch_is_skipped(cell):
    """The last batch of a training, when it is short, teaches nothing; those of the epochs before it do."""
    dataset = cell.train_loader.dataset
    cell.train_loader = DataLoader(dataset, batch_size=100)
    assert len(dataset) % 100 > 0
    picked = [selections for _, _, selections in train(cell, lambda place: [torch.ones(place.stop - place.start)] * 2)]
    assert [len(selection) for selection in picked[-1]] == [0, 0]
    assert all(len(selection) > 0 for selections in picked[:-1] for selection in selections)


def test_a_second_training_begins_anew(cell):
    """What one training taught is forgotten when the next one begins."""
    losses = lambda place: [torch.linspace(0.1, 3.0, place.stop - place.start)] * 2  # noqa: E731
    first = [selection[0].tolist() for _, _, selection in train(cell, losses)]
    assert [selection[0].tolist() for _, _, selection in train(cell, losses)] == first


def test_annealing_adds_easy_samples_of_both_classes(cell):
    """Repetitions of each class's easier half fill a selection up; the selection itself stays what it was."""
    labels, losses = torch.tensor([0, 0, 0, 1, 1, 1]), torch.tensor([0.1, 0.3, 0.2, 0.6, 0.5, 0.4])
    chosen = torch.tensor([0, 1, 2, 4, 5, 4])
    filled = cell.anneal(chosen, labels, losses, 0.5, 24)
    assert filled.tolist() == [0, 1, 2, 4, 5, 4, 0, 2, 0, 5, 5, 5]
    assert len(cell.anneal(chosen, labels, losses, 0.01, 24)) == 24
    assert cell.anneal(chosen, labels, losses, 1.0, 24).tolist() == chosen.tolist()
    assert cell.anneal(chosen[:0], labels, losses, 0.5, 24).tolist() == []
