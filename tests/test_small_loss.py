"""The small-loss family: co-teaching, JoCoR and DivideMix's split."""

import numpy as np
import pytest
import torch
from scipy.special import rel_entr

from grader.analysis import read_truth
from tests.conftest import answer, answers

SMALL_LOSS = ("co_teaching", "jocor")


def random_losses(size, seed=0):
    """Draw the losses of both models."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(size, generator=generator) * 3 for _ in range(2)]


def kept_of(selection, targets, label):
    """Return which samples of a class were selected, each once."""
    return set(selection[targets[selection] == label].tolist())


@pytest.mark.parametrize("name", SMALL_LOSS)
def test_keep_rates_come_near_the_truth(load_cell, data, name):
    """The share of right labels in each noisy class is estimated from the validation set alone."""
    cell = load_cell(name)
    train = cell.train_loader.dataset
    right = (read_truth(data / "private", train) == train.targets).double()
    truth = [float(right[train.targets == label].mean()) for label in (0, 1)]
    assert cell.estimate_keep_rates() == pytest.approx(truth, abs=0.2)


@pytest.mark.parametrize("name", SMALL_LOSS)
def test_the_forget_rate_grows_from_nothing_to_the_noise_rate(load_cell, name):
    """At first everything is kept; after T_k each class keeps its own share, the smallest losses, balanced."""
    cell = load_cell(name)
    cell.keep_rates = (0.25, 0.75)
    targets = torch.tensor([0] * 80 + [1] * 40)
    losses = random_losses(120)
    first = answer(cell, targets, losses)
    assert all(set(selection.tolist()) == set(range(120)) for selection in first)
    later = answer(cell, targets, losses, call=len(cell.train_loader))
    for model, selection in enumerate(later):
        rank_by = losses[1 - model] if name == "co_teaching" else cell.joint_loss(*losses)
        for label, quota in ((0, 20), (1, 30)):
            members = torch.nonzero(targets == label).flatten()
            smallest = members[rank_by[members].argsort()[:quota]]
            assert kept_of(selection, targets, label) == set(smallest.tolist())
        assert (targets[selection] == 0).sum() == (targets[selection] == 1).sum()


@pytest.mark.parametrize("name", [*SMALL_LOSS, "gmm_split"])
def test_a_batch_of_one_class_is_selected_without_balancing(load_cell, name):
    """Where one class is missing there is nothing to balance, and nothing fails."""
    cell = load_cell(name)
    cell.keep_rates = (0.5, 0.5)
    cell.train_loader.dataset.targets[:] = 1
    for _, targets, selections in answers(cell, lambda here, targets: random_losses(len(targets)), epochs=2):
        for selection in selections:
            assert 0 < len(set(selection.tolist())) <= len(targets)


def test_the_joint_loss_is_that_of_the_two_distributions(load_cell):
    """It equals (1 - lambda) times both cross-entropies plus lambda times both divergences, from logits."""
    cell = load_cell("jocor")
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 50, 2, generator=generator, dtype=torch.float64)
    targets = torch.randint(2, (50,), generator=generator)
    losses = [torch.nn.functional.cross_entropy(rows, targets, reduction="none") for rows in logits]
    p, q = torch.softmax(logits, dim=2).numpy()
    divergence = rel_entr(p, q).sum(1) + rel_entr(q, p).sum(1)
    expected = 0.1 * (losses[0] + losses[1]).numpy() + 0.9 * divergence
    assert np.allclose(cell.joint_loss(*losses).numpy(), expected)


def test_the_joint_loss_cannot_rank_saturated_predictions(load_cell):
    """Logits 10 apart are still ranked as the distributions would be; beyond 14 float32 losses tell no difference."""
    cell = load_cell("jocor")
    targets = torch.zeros(3, dtype=torch.int64)

    def ranked(apart):
        logits = torch.stack([torch.tensor(apart), torch.zeros(3)], dim=1)
        losses = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
        return cell.joint_loss(losses, losses)

    assert ranked([10.0, 9.9, 9.8]).diff().min() > 0
    assert (ranked([15.0, 17.0, 19.0]).diff() == 0).all()


def test_agreement_outweighs_a_small_loss(load_cell):
    """Two models that disagree have a larger joint loss than two that are equally unsure."""
    cell = load_cell("jocor")
    agreeing, disagreeing = torch.tensor([0.7, 0.1]), torch.tensor([0.7, 1.3])
    joint = cell.joint_loss(agreeing, disagreeing)
    assert joint[1] > joint[0]


def test_a_mixture_per_class_tells_the_small_losses_from_the_large(load_cell):
    """Two classes whose losses lie at different levels are divided each at its own gap."""
    cell = load_cell("gmm_split")
    generator = np.random.default_rng(0)
    centres = np.repeat([0.1, 0.6, 2.0, 4.0], 100)
    labels = np.repeat([0, 0, 1, 1], 100)
    probability = cell.clean_probability(generator.normal(centres, 0.05), labels)
    assert (probability[np.isin(centres, (0.1, 2.0))] > 0.9).all()
    assert (probability[np.isin(centres, (0.6, 4.0))] < 0.1).all()
    assert (cell.clean_probability(np.ones(5), np.zeros(5)) == 1).all()


def test_each_model_learns_from_the_split_of_its_peer(load_cell):
    """After the warm-up epoch, in which all samples serve, the losses of one model divide for the other."""
    cell = load_cell("gmm_split", batch_size=100)
    labels = cell.train_loader.dataset.targets
    wrong = [torch.arange(len(labels)) % 3 == remainder for remainder in (0, 1)]  # what each model finds hard
    noise = torch.rand(len(labels), generator=torch.Generator().manual_seed(0)) * 0.1
    for here, targets, selections in answers(
        cell, lambda here, targets: [2.0 * hard[here.samples] + noise[here.samples] for hard in wrong], epochs=2
    ):
        for model, selection in enumerate(selections):
            if here.epoch == 0:
                assert set(selection.tolist()) == set(range(len(targets)))
            else:
                assert not wrong[1 - model][here.samples][selection].any()
                assert wrong[model][here.samples][selection].any()


def test_losses_are_averaged_over_the_epochs(load_cell):
    """The newest epoch weighs one half, and what came before the other."""
    cell = load_cell("gmm_split")
    list(answers(cell, lambda here, targets: [torch.full((len(targets),), float(here.epoch))] * 2, epochs=3))
    assert (cell.averaged == 0.5 * 2 + 0.5 * (0.5 * 1)).all()
