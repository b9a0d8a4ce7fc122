"""DataRater: the meta-gradient against closed form and finite differences, the population, the cell."""

from dataclasses import asdict, replace

import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.func import functional_call

from reference_solutions.datarater_filter import DataRater, MLPRater, Parameters, batches, class_softmax
from tests.conftest import answers

FEATURES, CLASSES = 4, 3
SMALL = Parameters(meta_steps=4, num_inner_models=3, batch_size=16, eval_every=2)


def samples(size, seed=0, dtype=torch.float32):
    """Draw (inputs, labels, disagreement)."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(size, FEATURES, generator=generator, dtype=dtype)
    labels = torch.randint(CLASSES, (size,), generator=generator)
    return inputs, labels, torch.rand(size, CLASSES, generator=generator, dtype=dtype)


def make_inner():
    return nn.Sequential(nn.Linear(FEATURES, 5), nn.Tanh(), nn.Linear(5, CLASSES))


def make_datarater(parameters=SMALL, seed=0):
    torch.manual_seed(seed)
    return DataRater(make_inner, lambda: MLPRater(FEATURES, CLASSES, hidden=6), parameters)


def loaders(size=64):
    return batches(*samples(size), batch_size=16, shuffle=True), batches(
        *samples(size, seed=1)[:2], batch_size=16, shuffle=True
    )


def in_float64(datarater):
    """Turn rater and population to float64; return the population, ready for gradients."""
    datarater.rater.double()
    return {name: theta.double().requires_grad_() for name, theta in datarater.population.items()}


def test_the_weights_are_a_softmax_within_each_class_and_every_class_has_the_same_mass():
    """Each class that is there gets the same mass; a class that is missing gets none and does no harm."""
    scores = torch.tensor([1.0, 2.0, -500.0, 500.0, 499.0], requires_grad=True)
    labels = torch.tensor([0, 0, 0, 3, 3])
    weights = class_softmax(scores, labels)
    torch.testing.assert_close(weights[:3], torch.softmax(scores[:3], 0) / 2)
    torch.testing.assert_close(weights[3:], torch.softmax(scores[3:], 0) / 2)
    (weights[0] + weights[3]).backward()
    assert scores.grad.isfinite().all()


def test_one_steps_meta_gradient_is_the_alignment_of_held_out_and_sample_gradients():
    """For one inner step dL_val/dw_i = -lr <grad L_val(theta'), grad l_i(theta)>, per sample and model."""
    datarater = make_datarater()
    population = in_float64(datarater)
    inputs, labels, _ = samples(7, dtype=torch.float64)
    held_out = samples(9, seed=1, dtype=torch.float64)[0], torch.arange(9) % CLASSES
    weights = torch.rand(7, dtype=torch.float64).requires_grad_()
    stepped = datarater.inner_step(population, weights, inputs, labels)
    loss, _ = datarater.meta_loss(stepped, [], held_out)
    (meta_gradient,) = torch.autograd.grad(loss, weights)

    expected = torch.zeros(7, dtype=torch.float64)
    for which in range(SMALL.num_inner_models):
        theta = {name: stack[which].detach().requires_grad_() for name, stack in population.items()}
        moved = {name: stack[which].detach().requires_grad_() for name, stack in stepped.items()}
        model = make_inner()
        held_out_loss = F.cross_entropy(functional_call(model, moved, (held_out[0],)), held_out[1])
        above = torch.autograd.grad(held_out_loss / SMALL.num_inner_models, list(moved.values()))
        for i in range(7):
            loss_i = F.cross_entropy(functional_call(model, theta, (inputs[i : i + 1],)), labels[i : i + 1])
            gradient = torch.autograd.grad(loss_i, list(theta.values()))
            expected[i] -= SMALL.inner_lr * sum((a * b).sum() for a, b in zip(above, gradient, strict=True))
    torch.testing.assert_close(meta_gradient, expected)


def test_two_steps_meta_gradient_agrees_with_finite_differences():
    """The gradient of the rater's parameters through two inner steps is the slope of the held-out loss."""
    datarater = make_datarater()
    population = in_float64(datarater)
    train_batches = [samples(8, seed, torch.float64) for seed in (1, 2)]
    held_out = samples(9, seed=3, dtype=torch.float64)[:2]
    parameters = list(datarater.rater.parameters())

    def meta_loss():
        return datarater.meta_loss(population, train_batches, held_out)[0]

    gradients = torch.autograd.grad(meta_loss(), parameters)
    generator = torch.Generator().manual_seed(0)
    directions = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in parameters]
    values = []
    for move in (1e-5, -2e-5):  # forth, and back past the start
        with torch.no_grad():
            for parameter, direction in zip(parameters, directions, strict=True):
                parameter += move * direction
        values.append(meta_loss().item())
    slope = (values[0] - values[1]) / 2e-5
    expected = sum((g * d).sum() for g, d in zip(gradients, directions, strict=True)).item()
    assert abs(expected) > 1e-5
    assert slope == pytest.approx(expected, rel=1e-5)


def test_inner_models_are_refreshed_one_after_the_other():
    """Within one period every inner model is replaced exactly once, at evenly spread steps, and none at the start."""
    parameters = replace(SMALL, num_inner_models=4, meta_refresh_steps=8)
    datarater = make_datarater(parameters)
    replaced = {}
    for step in range(17):
        before = datarater.population["0.weight"].clone()
        datarater.refresh(step)
        changed = (datarater.population["0.weight"] != before).flatten(1).any(1)
        replaced[step] = torch.nonzero(changed).flatten().tolist()
    assert {step: which for step, which in replaced.items() if which} == {
        2: [1], 4: [2], 6: [3], 8: [0], 10: [1], 12: [2], 14: [3], 16: [0]
    }  # fmt: skip


def test_a_long_gradient_is_clipped():
    """With SGD in Adam's place, one meta-step moves the rater by at most the learning rate times the norm."""
    datarater = make_datarater(replace(SMALL, meta_steps=1, grad_clip_norm=1e-6))
    datarater.optimizer = torch.optim.SGD(datarater.rater.parameters(), lr=1.0)
    before = nn.utils.parameters_to_vector(datarater.rater.parameters()).detach().double()
    datarater.fit(*loaders())
    moved = nn.utils.parameters_to_vector(datarater.rater.parameters()).detach().double() - before
    assert 0 < moved.norm() < 1.5e-6


def test_the_meta_loss_is_logged_at_the_evaluation_frequency():
    """`meta_losses` holds (step, mean held-out loss) for every `eval_every` steps."""
    datarater = make_datarater(replace(SMALL, meta_steps=5)).fit(*loaders())
    assert [step for step, _ in datarater.meta_losses] == [2, 4]
    assert all(0 < loss < 10 for _, loss in datarater.meta_losses)


def test_a_checkpoint_brings_the_ratings_back(tmp_path):
    """A rater that loads the file rates as the one that saved it; the file holds weights and nothing else."""
    saved = make_datarater().fit(*loaders())
    loaded = make_datarater(seed=1)
    ordered = batches(*samples(40), batch_size=16, shuffle=False)
    before = loaded.rate(ordered)
    saved.save(tmp_path / "rater.pt")
    loaded.load(tmp_path / "rater.pt")
    assert torch.equal(loaded.rate(ordered), saved.rate(ordered))
    assert not torch.equal(loaded.rate(ordered), before)
    assert set(torch.load(tmp_path / "rater.pt", weights_only=True)) == set(saved.rater.state_dict())


def test_a_meta_step_changes_the_rater_by_the_seed_alone():
    """The same seed gives the same ratings, another seed gives others."""
    ordered = batches(*samples(40), batch_size=16, shuffle=False)
    ratings = [make_datarater(seed=seed).fit(*loaders()).rate(ordered) for seed in (0, 0, 1)]
    assert torch.equal(ratings[0], ratings[1])
    assert not torch.equal(ratings[0], ratings[2])


class ImageRater(nn.Module):
    """A small convolutional rater of (images, labels, disagreement)."""

    def __init__(self):
        super().__init__()
        self.convolution, self.head = nn.Conv2d(2, 4, 3, stride=2), nn.Linear(4 + 2 * CLASSES, 1)

    def forward(self, images, labels, disagreement):
        """Return scores [B]."""
        seen = self.convolution(images).relu().mean((2, 3))
        return self.head(torch.cat([seen, F.one_hot(labels, CLASSES), disagreement], 1)).squeeze(1)


def test_other_modules_and_shapes_need_no_edit():
    """A convolutional inner model with dropout, a convolutional rater, colour images and three classes just work."""
    torch.manual_seed(0)
    images, labels = torch.rand(48, 2, 9, 9), torch.arange(48) % CLASSES
    disagreement = torch.rand(48, CLASSES)

    def make_convolutional():
        return nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(147, CLASSES))

    datarater = DataRater(make_convolutional, ImageRater, SMALL)
    before = datarater.rater.convolution.weight.detach().clone()
    datarater.fit(
        batches(images, labels, disagreement, batch_size=16, shuffle=True),
        batches(images, labels, batch_size=16, shuffle=True),
    )
    ratings = datarater.rate(batches(images, labels, disagreement, batch_size=20, shuffle=False))
    assert ratings.shape == (48,)
    assert ratings.isfinite().all()
    assert not torch.equal(before, datarater.rater.convolution.weight)


def test_flipped_labels_get_the_low_ratings():
    """On three separable blobs the rater puts most flipped labels below the clean ones, across classes too."""
    torch.manual_seed(0)
    clean = torch.randint(CLASSES, (600,))
    inputs = 2.5 * F.one_hot(clean, FEATURES) + torch.randn(600, FEATURES)
    flipped = torch.rand(400) < 0.3
    noisy = torch.where(flipped, (clean[:400] + 1) % CLASSES, clean[:400])
    parameters = replace(SMALL, meta_steps=120, num_inner_models=4, batch_size=64, outer_lr=1e-2, meta_refresh_steps=20)
    datarater = make_datarater(parameters)
    predicted = LogisticRegression().fit(inputs[400:].numpy(), clean[400:].numpy()).predict_proba(inputs[:400].numpy())
    train = inputs[:400], noisy, (F.one_hot(noisy) - torch.from_numpy(predicted).float()).abs()
    datarater.fit(
        batches(*train, batch_size=64, shuffle=True),
        batches(inputs[400:], clean[400:], batch_size=64, shuffle=True),
    )
    ratings = datarater.rate(batches(*train, batch_size=100, shuffle=False))
    assert roc_auc_score((~flipped).numpy(), ratings.numpy()) > 0.85


@pytest.fixture
def cell(load_cell):
    """The cell as the notebook runs it, on the debug data, with a short fit and a short last batch."""
    module = load_cell("datarater_filter", batch_size=100)
    module.PARAMETERS = module.Parameters(**asdict(replace(SMALL, batch_size=64)))
    torch.manual_seed(0)
    return module


def test_the_cell_keeps_its_samples_in_every_epoch_both_classes_in_equal_weight(cell):
    """Both models get the kept samples of the batch and no others, in both epochs, and both classes weigh the same."""
    for here, targets, (first, second) in answers(
        cell, lambda here, targets: [torch.zeros(len(targets))] * 2, epochs=2
    ):
        assert torch.equal(first, second)
        assert first.unique().tolist() == torch.nonzero(cell.kept[here.samples]).flatten().tolist()
        counts = torch.bincount(targets[first], minlength=2)
        assert counts[0] == counts[1] > 0
    assert 0 < cell.kept.sum() < len(cell.kept)
