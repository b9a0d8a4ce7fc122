"""What a training says about its selections: each symptom seen on trainings that have it, and on none that has not."""

import csv
from dataclasses import replace

import pytest
import torch

from competition.task.data import load_data
from competition.task.epoch import Epoch
from competition.task.position import position
from competition.task.symptoms import symptoms
from competition.task.training import train_two_models

NOTHING, EVERYTHING, SELDOM = "Nothing was ever selected", "Every sample was selected", "is seldom recognised"
FELL, ALIKE = "by heart", "the same samples in every batch"
LEARNED = 12  # epochs after which the small data of the tests is learned from right labels


@pytest.fixture(scope="module")
def practice(data):
    """Open the data, and the truth behind its training labels, a bool for each sample."""
    train_loader, val_loader = load_data(data / "public")
    with open(data / "private" / "train_truth.csv", newline="") as stream:
        clean = {row["file"]: int(row["clean_label"]) for row in csv.DictReader(stream)}
    right = train_loader.dataset.targets == torch.tensor([clean[name] for name in train_loader.dataset.files])
    return train_loader, val_loader, right


@pytest.fixture
def hints(practice):
    """Train with a selection function; return what is said of the training."""

    def train(select_indices, epochs=6):
        train_loader, val_loader, _ = practice
        _, history = train_two_models(train_loader, val_loader, select_indices, threads=1, epochs=epochs, progress=None)
        return symptoms(history, torch.bincount(train_loader.dataset.targets, minlength=2).tolist())

    return train


def balanced(mask, targets):
    """Return as many indices of each class, those in the mask, the rarer class repeated."""
    classes = [torch.nonzero(mask & (targets == label)).flatten() for label in (0, 1)]
    longest = max(map(len, classes))
    return torch.cat([each.repeat(-(-longest // len(each)))[:longest] for each in classes])


def right_only(practice, until):
    """Make a function that selects right labels for both models, and from epoch `until` on the wrong ones."""
    right = practice[2]

    def select(targets, losses):
        here = right[position().samples]
        chosen = balanced(here if position().epoch < until else ~here, targets)
        return [chosen, chosen]

    return select


def found(hints, words):
    """Say whether exactly one hint has these words."""
    return sum(words in hint for hint in hints) == 1


def test_everything_selected_is_seen_and_loses_a_class(hints):
    """The starter's selection takes wrong labels too, and the class that has fewer labels is lost."""
    told = hints(lambda targets, losses: [list(range(len(targets)))] * 2)
    assert found(told, EVERYTHING)
    assert found(told, "Class 1 is seldom recognised (recall 0.00)")
    assert len(told) == 2


def test_nothing_selected_is_told_for_the_model_that_it_hits(hints):
    """A model without samples is named, and nothing else is said, as nothing else follows from its figures."""
    told = hints(lambda targets, losses: [list(range(len(targets))), []])
    assert told == [f"{NOTHING} for model 2, so it learned nothing. Print what your function returns."]
    told = hints(lambda targets, losses: [[], []])
    assert [hint.split(",")[0] for hint in told] == [f"{NOTHING} for model {model}" for model in (1, 2)]


def test_a_class_that_is_never_selected_vanishes(hints):
    """Learning from one class alone, the models lose the other; not every sample was selected."""
    told = hints(lambda targets, losses: [torch.nonzero(targets == 1).flatten()] * 2)
    assert found(told, "Class 0 is seldom recognised (recall 0.00)")
    assert len(told) == 1


def test_models_that_learn_well_from_the_same_samples_are_told_so(hints, practice):
    """Where all else is well, that both models always saw the same is what there is to say; else nothing is."""
    assert found(told := hints(right_only(practice, LEARNED), LEARNED), ALIKE)
    assert len(told) == 1
    select = right_only(practice, LEARNED)

    def apart(targets, losses):
        first, second = select(targets, losses)
        return [first, second[:-2]]

    assert hints(apart, LEARNED) == []


def test_a_peak_and_a_fall_are_seen(hints, practice):
    """Right labels first and then the wrong ones: the hint names the peak, its epoch and the end."""
    told = hints(right_only(practice, LEARNED), LEARNED + 4)
    assert found(told, FELL)
    [hint] = [hint for hint in told if FELL in hint]
    assert f"after epoch {LEARNED}" in hint or f"after epoch {LEARNED - 1}" in hint


def course(*bacs):
    """Make a history of these mean BACs, in which half of the samples was selected, not alike."""
    epoch = Epoch((0.5, 0.5), (0.0, 0.0), ((0.8, 0.8), (0.8, 0.8)), ((50, 50), (50, 50)), alike=False)
    return [replace(epoch, val_bac=(bac, bac)) for bac in bacs]


def test_one_low_epoch_is_no_fall():
    """Good references dip by 0.08 in one epoch and are back in the next: only two low epochs at the end are a fall."""
    assert symptoms(course(0.6, 0.87, 0.88, 0.80), (100, 100)) == []
    assert found(symptoms(course(0.6, 0.88, 0.82, 0.80), (100, 100)), "reached 0.880 after epoch 2 and was 0.800")
    assert symptoms(course(0.6, 0.88, 0.80, 0.86), (100, 100)) == []
    assert symptoms(course(0.6), (100, 100)) == []
