"""DataRater for robustness: attack, meta-gradient, losses, checkpoints, corruptions, random streams."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score
from torch import nn

from benchmarks.datarater.attack import projected_gradient
from benchmarks.datarater.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from benchmarks.datarater.corruptions import CORRUPTIONS, Spoiling, spoil
from benchmarks.datarater.meta import MetaLearner, sample_losses, sample_weights
from benchmarks.datarater.parameters import Parameters
from benchmarks.datarater.streams import Order, Stream, numpy_stream, torch_stream
from benchmarks.datarater.task import Samples
from reference_solutions import datarater_filter

CLASSES = 3
SMALL = Parameters(meta_steps=6, num_inner_models=3, batch_size=16, eval_frequency=2, attack_steps=3, inner_lr=0.1)


def samples(count, seed=0):
    """Draw images [N, 1, 8, 8] and labels."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(count, 1, 8, 8, generator=generator)
    return Samples(images, torch.randint(CLASSES, (count,), generator=generator))


def disagreement(count):
    """Draw it, float [N, C]."""
    return torch.rand(count, CLASSES, generator=torch.Generator().manual_seed(9))


def make_inner():
    return nn.Sequential(nn.Flatten(-3), nn.Linear(64, 6), nn.Tanh(), nn.Linear(6, CLASSES))


class Rater(nn.Module):
    """A rater of image, label and disagreement with smooth units."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64 + 2 * CLASSES, 5), nn.Tanh(), nn.Linear(5, 1))

    def forward(self, images, labels, disagreement):
        """Return scores [B]."""
        one_hot = F.one_hot(labels, CLASSES).to(images.dtype)
        return self.layers(torch.cat([images.flatten(-3), one_hot, disagreement], 1)).squeeze(1)


def make_learner(parameters=SMALL, inner=make_inner, count=50, seed=0):
    return MetaLearner(inner, Rater, samples(count), disagreement(count), samples(40, 1), parameters, seed)


def in_float64(learner):
    """Turn rater and population to float64; return the population, ready for gradients."""
    learner.rater.double()
    return {name: theta.double().requires_grad_() for name, theta in learner.population.items()}


def in_batches(count, size):
    """Return batches of samples with their disagreement, and a held-out one, all float64."""
    whole, d = samples(count), disagreement(count).double()
    parts = [
        (Samples(whole.images[rows].double(), whole.labels[rows]), d[rows]) for rows in torch.arange(count).split(size)
    ]
    clean = samples(size, 2)
    return parts, Samples(clean.images.double(), clean.labels)


def test_the_attack_finds_the_worst_point_of_a_linear_model():
    """Where the loss is linear in the pixels, it ends at x + eps sign(w), cut off at 0 and 1."""
    generator = torch.Generator().manual_seed(0)
    images, w = torch.rand(5, 1, 4, 4, generator=generator), torch.randn(1, 4, 4, generator=generator)
    moved = projected_gradient(lambda x: (x * w).sum(), images, 0.1, 0.04, 8, torch.Generator().manual_seed(1))
    torch.testing.assert_close(moved, (images + 0.1 * w.sign()).clamp(0, 1))


def test_the_attack_stays_in_its_ball_and_raises_the_loss():
    """Every pixel moves by at most eps and stays between 0 and 1; more steps never help the model."""
    model, clean = make_inner(), samples(30)

    def loss(images):
        return F.cross_entropy(model(images), clean.labels, reduction="sum")

    losses = []
    for steps in (0, 1, 10):
        moved = projected_gradient(loss, clean.images, 0.05, 0.02, steps, None)
        assert (moved - clean.images).abs().max() <= 0.05 + 1e-6
        assert 0 <= moved.min() <= moved.max() <= 1
        losses.append(loss(moved).item())
    assert losses[0] < losses[1] < losses[2]


def test_the_meta_gradient_is_that_of_the_reference_solution():
    """From the same weights, on the same batches, both implementations have the same loss and the same gradient."""
    learner = make_learner()
    reference = datarater_filter.DataRater(
        make_inner, Rater, datarater_filter.Parameters(num_inner_models=3, inner_lr=0.1)
    )
    population = in_float64(learner)
    reference.rater.double().load_state_dict(learner.rater.state_dict())
    batches, held_out = in_batches(32, 16)
    loss, clean, _ = learner.meta_loss(population, batches, held_out)
    expected, _ = reference.meta_loss(
        population, [(part.images, part.labels, d) for part, d in batches], (held_out.images, held_out.labels)
    )
    assert loss.item() == clean
    torch.testing.assert_close(loss, expected)
    gradients = torch.autograd.grad(loss, list(learner.rater.parameters()))
    torch.testing.assert_close(gradients, torch.autograd.grad(expected, list(reference.rater.parameters())))


@pytest.mark.parametrize("changed", [{}, {"loss_type": "mse"}, {"softmax": "batch", "temperature": 2.0}])
def test_the_attacked_meta_gradient_agrees_with_finite_differences(changed):
    """The gradient through two inner steps, with the attack held where it is, is the slope of the attacked loss."""
    learner = make_learner(replace(SMALL, attack=True, **changed))
    population, (batches, held_out) = in_float64(learner), in_batches(32, 16)
    parameters = list(learner.rater.parameters())
    loss, clean, stepped = learner.meta_loss(population, batches, held_out)
    assert loss.item() > clean
    gradients = torch.autograd.grad(loss, parameters)
    moved = learner.attacked(stepped, held_out)
    learner.attacked = lambda population, held_out: moved
    generator = torch.Generator().manual_seed(0)
    directions = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in parameters]
    values = []
    for move in (1e-5, -2e-5):  # forth, and back past the start
        with torch.no_grad():
            for parameter, direction in zip(parameters, directions, strict=True):
                parameter += move * direction
        values.append(learner.meta_loss(population, batches, held_out)[0].item())
    expected = sum((g * d).sum() for g, d in zip(gradients, directions, strict=True)).item()
    assert abs(expected) > 1e-7
    assert (values[0] - values[1]) / 2e-5 == pytest.approx(expected, rel=1e-4)


def test_inner_models_go_on_only_with_model_update():
    """Without it a model starts every meta-step from the weights that it was made with."""
    for model_update in (True, False):
        learner = make_learner(replace(SMALL, model_update=model_update, meta_refresh_steps=100))
        before = {name: theta.clone() for name, theta in learner.population.items()}
        learner.meta_step()
        same = [torch.equal(before[name], theta) for name, theta in learner.population.items()]
        assert all(same) != model_update


def test_both_losses_are_what_their_names_say():
    """Cross-entropy of labels; mean of squared differences from one-hot labels, or from float targets."""
    logits = torch.tensor([[[0.0, 2.0], [1.0, -1.0]]])
    labels = torch.tensor([1, 1])
    expected = F.cross_entropy(logits[0], labels, reduction="none")
    torch.testing.assert_close(sample_losses(logits, labels, "cross_entropy")[0], expected)
    assert sample_losses(logits, labels, "mse").tolist() == [[0.5, 2.5]]
    assert sample_losses(logits[..., :1], torch.tensor([2.0, 3.0]), "mse").tolist() == [[4.0, 4.0]]
    weights = sample_weights(torch.tensor([0.0, 4.0]), labels, Parameters(softmax="batch", temperature=2.0))
    torch.testing.assert_close(weights, torch.softmax(torch.tensor([0.0, 2.0]), 0))


def test_regression_targets_can_be_rated_too():
    """With mse and a softmax over the batch, targets with large noise get the low ratings; else they are refused."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(400, 1, 8, 8, generator=generator)
    images[:, 0, 0, 0] = (torch.arange(400) % 4 == 0).float()  # the mark of a noisy target
    targets = images[:, 0, 1].sum(1) + images[:, 0, 0, 0] * 4 * torch.randn(400, generator=generator)
    clean = Samples(images[images[:, 0, 0, 0] == 0][:200], targets[images[:, 0, 0, 0] == 0][:200])
    marked = images[:, 0, 0, 0] == 1

    class Scores(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(64, 1)

        def forward(self, images, targets, disagreement):
            return self.layer(images.flatten(-3)).squeeze(1)

    parameters = replace(SMALL, meta_steps=100, loss_type="mse", softmax="batch", inner_lr=0.02, outer_lr=0.05)
    arguments = (
        lambda: nn.Sequential(nn.Flatten(-3), nn.Linear(64, 1)), Scores, Samples(images, targets), torch.zeros(400, 1),
        clean,
    )  # fmt: skip
    ratings = MetaLearner(*arguments, parameters, 0).fit().rate(Samples(images, targets), torch.zeros(400, 1))
    assert roc_auc_score(~marked, ratings) > 0.9
    with pytest.raises(ValueError, match="loss_type 'mse' and softmax 'batch'"):
        MetaLearner(*arguments, replace(parameters, softmax="class"), 0)


def with_dropout():
    return nn.Sequential(nn.Flatten(-3), nn.Dropout(0.3), nn.Linear(64, CLASSES))


@pytest.mark.parametrize("stopped_at", [0, 1, 3])
def test_a_run_that_goes_on_from_a_checkpoint_ends_with_the_same_bits(tmp_path, stopped_at):
    """Rater, inner models, Adam and log are those of a run that was never stopped: dropout, refresh and attack too."""
    parameters = replace(SMALL, attack=True, meta_refresh_steps=3)
    whole = make_learner(parameters, with_dropout).fit()
    stopped = make_learner(replace(parameters, meta_steps=stopped_at or 1), with_dropout)
    if stopped_at:
        stopped.fit()
    save_checkpoint(stopped, tmp_path / "there" / "run.safetensors")
    torch.manual_seed(77)  # whatever else drew numbers in between
    resumed = make_learner(parameters, with_dropout)
    load_checkpoint(resumed, tmp_path / "there" / "run.safetensors")
    assert resumed.step == stopped_at
    resumed.fit()
    assert resumed.outer_loss == whole.outer_loss
    assert resumed.outer_loss_clean == whole.outer_loss_clean
    for ours, theirs in (
        (resumed.rater.state_dict(), whole.rater.state_dict()),
        (resumed.population, whole.population),
    ):
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert np.array_equal(resumed.rate(samples(20), disagreement(20)), whole.rate(samples(20), disagreement(20)))


def test_a_checkpoint_of_another_run_is_refused_and_nothing_in_it_is_executed(tmp_path):
    """Other parameters, seed, data or modules, a pickle and noise are one sentence each; more meta-steps are fine."""
    path = tmp_path / "run.safetensors"
    save_checkpoint(make_learner().fit(), path)
    load_checkpoint(make_learner(replace(SMALL, meta_steps=50)), path)
    for other, said in (
        (make_learner(replace(SMALL, inner_lr=0.2)), "other parameters"),
        (make_learner(seed=1), "other seed"),
        (make_learner(count=49), "other data"),
        (make_learner(inner=with_dropout), "other modules"),
        (make_learner(replace(SMALL, meta_steps=5)), "has 6 meta-steps"),
    ):
        with pytest.raises(CheckpointError, match=said):
            load_checkpoint(other, path)

    class Opens:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    for content in (pickle.dumps(Opens()), b"", b"\xff" * 100):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="no checkpoint"):
            load_checkpoint(make_learner(), path)
    assert not (tmp_path / "executed").exists()


def test_a_model_with_running_statistics_is_refused():
    """One sentence says what to use instead."""
    with pytest.raises(ValueError, match="GroupNorm"):
        make_learner(inner=lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(-3)))


@pytest.mark.parametrize(
    "changed", [{"loss_type": "hinge"}, {"softmax": "none"}, {"inner_steps": 0}, {"attack_eps": 2}]
)
def test_impossible_parameters_are_refused(changed):
    """The message names the parameter."""
    with pytest.raises(ValueError, match=next(iter(changed))):
        Parameters(**changed)


def test_every_kind_of_chance_has_a_stream_of_its_own():
    """Streams of other kinds, seeds and places differ, those of one key agree; a pass has every row once."""
    keys = [(seed, stream, place) for seed in (0, 1) for stream in Stream for place in (0, 1)]
    assert len({torch.rand(1, generator=torch_stream(*key)).item() for key in keys}) == len(keys)
    assert numpy_stream(3, Stream.NOISE).random() == numpy_stream(3, Stream.NOISE).random()
    order, again = Order(50, 16, 0, Stream.ORDER), Order(50, 16, 0, Stream.ORDER)
    first = [order.rows(batch) for batch in range(6)]
    assert len(torch.cat(first[:3]).unique()) == 48
    assert not torch.equal(first[0], first[3])
    assert torch.equal(again.rows(4), first[4])
    assert torch.equal(again.rows(1), first[1])


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_spoils_the_asked_share_of_images_and_pixels_and_nothing_else(name):
    """10 % of the samples; of their pixels between 10 and 90 %; the same seed spoils the same."""
    clean = samples(200)
    spoiling = Spoiling(name, CORRUPTIONS[name], 0.1, (0.1, 0.9))
    spoilt, which, level = spoil(clean, CLASSES, spoiling, seed=4)
    assert which.sum() == 20
    assert not level[~which].any()
    assert ((level[which] >= 0.1) & (level[which] <= 0.9)).all()
    assert torch.equal(spoilt.images[~which], clean.images[~which])
    assert torch.equal(spoilt.labels[~which], clean.labels[~which])
    changed = (spoilt.images != clean.images).flatten(1).sum(1).numpy()
    if name == "labels":
        assert not changed.any()
        assert (spoilt.labels != clean.labels).numpy()[which].all()
    else:
        assert (changed <= level * 64).all()
        assert (changed[which] >= level[which] * 64 - 4).all()  # whole pixels; a shuffle may leave some in place
        assert torch.equal(spoilt.labels, clean.labels)
    if name == "shuffle":
        assert torch.equal(spoilt.images.flatten(1).sort(1)[0], clean.images.flatten(1).sort(1)[0])
    again, _, _ = spoil(clean, CLASSES, spoiling, seed=4)
    assert torch.equal(again.images, spoilt.images)
