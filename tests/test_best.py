"""The strongest reference: expectation maximisation, agreement, balance, annealing, rest."""

import numpy as np
import pytest
import torch

from benchmarks.best_ablation import VARIANTS, WHOLE
from benchmarks.variants import edited
from competition.task.constants import NUM_EPOCHS
from competition.task.selection import MAX_REPEATS
from grader.analysis import read_truth
from tests.conftest import REPOSITORY, answers


@pytest.fixture
def cell(load_cell):
    """The reference's cell on the debug data."""
    return load_cell("best")


def equal_losses(here, targets):
    """Give every sample the same loss in both models."""
    return [torch.ones(len(targets))] * 2


def test_right_labels_are_the_more_probable_ones(cell, data):
    """Before any network is trained, more of the labels that are believed are right than of those that are not."""
    dataset = cell.train_loader.dataset
    right = (read_truth(data / "private", dataset) == dataset.targets).numpy()
    confidence = cell.confidence(dataset, cell.val_loader.dataset)
    assert right[confidence > 0].mean() > right.mean() + 0.15
    assert (confidence > 0)[right].mean() > 0.7
    assert confidence[right].mean() > confidence[~right].mean() + 0.5


def test_expectation_maximisation_finds_the_flip_rates(cell):
    """On Gaussian classes with labels flipped at 0.4 and 0.1, the estimated transition matrix comes near."""
    generator = np.random.default_rng(0)
    clean = (generator.random(4000) < 0.7).astype(np.int64)
    features = generator.normal(size=(4000, 3)) + 2.0 * clean[:, None]
    noisy = np.where(generator.random(4000) < np.where(clean == 1, 0.4, 0.1), 1 - clean, clean)
    predictor, transition = cell.maximise_expectation(features[200:], noisy[200:], features[:200], clean[:200])
    assert transition == pytest.approx(np.array([[0.9, 0.1], [0.4, 0.6]]), abs=0.04)
    assert (predictor.predict(features) == clean).mean() > 0.93


def test_a_label_is_not_judged_by_itself(cell):
    """Whether a sample's image is called 1 does not depend on its own label."""
    dataset, sample = cell.train_loader.dataset, 17
    before = cell.confidence(dataset, cell.val_loader.dataset)
    dataset.targets[sample] = 1 - dataset.targets[sample]
    assert cell.confidence(dataset, cell.val_loader.dataset)[sample] == pytest.approx(-before[sample])


def test_only_confirmed_labels_are_selected(cell):
    """Both models get all samples whose label is the more probable one, and no others, until the rest."""
    confirmed = cell.confidence(cell.train_loader.dataset, cell.val_loader.dataset) > 0
    for here, _, selections in answers(cell, equal_losses):
        for selection in selections:
            assert set(selection.tolist()) == set(np.flatnonzero(confirmed[here.samples]))


def test_both_classes_weigh_the_same(cell):
    """A selection is balanced, and never longer than may be returned."""
    generator = torch.Generator().manual_seed(0)
    for _, targets, selections in answers(
        cell, lambda here, targets: [torch.rand(len(targets), generator=generator)] * 2
    ):
        for selection in selections:
            assert (targets[selection] == 0).sum() == (targets[selection] == 1).sum() > 0
            assert len(selection) <= MAX_REPEATS * len(targets)


def test_short_batches_are_skipped_while_annealing(load_cell):
    """Near its end the training skips a short last batch of an epoch, in which a step would be mostly chance."""
    picked = [selections for _, _, selections in answers(load_cell("best", batch_size=100), equal_losses)]
    skipped = [step for step, selections in enumerate(picked) if not any(map(len, selections))]
    assert skipped == [14, 17]


def test_a_long_training_ends_with_a_rest(load_cell):
    """The last steps, two of a hundred, select nothing."""
    cell = load_cell("best", batch_size=8)
    picked = [selections for _, _, selections in answers(cell, equal_losses)]
    steps = NUM_EPOCHS * len(cell.train_loader)
    assert [len(selection) for selections in picked[-int(0.02 * steps) :] for selection in selections] == [0] * 6
    assert all(len(selection) > 0 for selection in picked[-10])


def test_annealing_adds_easy_samples_of_both_classes(cell):
    """Repetitions of each class's easier half fill a selection up; the selection itself stays what it was."""
    labels, losses = torch.tensor([0, 0, 0, 1, 1, 1]), torch.tensor([0.1, 0.3, 0.2, 0.6, 0.5, 0.4])
    chosen = torch.tensor([0, 1, 2, 4, 5, 4])
    filled = cell.anneal(chosen, labels, losses, 0.5, 24)
    assert filled.tolist() == [0, 1, 2, 4, 5, 4, 0, 2, 0, 5, 5, 5]
    assert len(cell.anneal(chosen, labels, losses, 0.01, 24)) == 24
    assert cell.anneal(chosen, labels, losses, 1.0, 24).tolist() == chosen.tolist()
    assert cell.anneal(chosen[:0], labels, losses, 0.5, 24).tolist() == []


def test_the_ablation_fits_the_reference():
    """Every variant of the ablation is the reference as it stands now, changed in the places that it names."""
    source = (REPOSITORY / "reference_solutions" / "best.py").read_text()
    variants = {name: edited(source, edits) for name, edits in VARIANTS.items()}
    assert len(set(variants.values())) == len(VARIANTS)
    assert variants[WHOLE] == source
    for name, changed in variants.items():
        compile(changed, name, "exec")
    with pytest.raises(ValueError, match="stands 0 times"):
        edited(source, (("no such line", ""),))
