"""The meta-gradient, and the meta-learner that follows it. Any data, any modules, any device.

One meta-step (Calian et al., arXiv 2505.17895, section 2 and Algorithm 1), for every inner model theta of a population:

    w = softmax(phi(x, y, d) / temperature)                          the rater's weights of a batch, which sum to 1
    theta <- theta - inner_lr grad sum_i w_i l_i(theta)              T times
    J(phi) = mean over held-out (x, y) of l(theta; x + delta, y)     the outer loss
    phi <- Adam(phi, clipped grad J(phi))                            through the T steps

delta is 0; or, with `attack`, what `projected_gradient` finds against theta as it is after the T steps. The gradient
does not run through delta: at a maximum it need not (Danskin; Madry et al., arXiv 1706.06083, section 2.1).

What differs from the guide's code: the inner models share each batch, so that the rater scores it once; they are made
anew in turn, not all at once; pixels go from 0 to 1, where the attack is cut off too (the guide's go from -1 to 1, and
its attack is cut off at 0 and 1); the inner gradients are not clamped; corruption is drawn once, not at each access.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from benchmarks.datarater.attack import projected_gradient
from benchmarks.datarater.parameters import Parameters
from benchmarks.datarater.streams import Order, Stream, drawing_from, made, torch_stream
from benchmarks.datarater.task import Samples

Population = dict[str, torch.Tensor]
RATED_AT_ONCE = 1024  # samples


def class_softmax(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Softmax within each class; the classes that are there share the mass of 1 equally.

    Over the whole batch a rater first learns to shift the class prior, which is no property of a sample.

    Args:
        scores: float [B].
        labels: int64 [B].

    Returns:
        float [B], which sum to 1.
    """
    members = F.one_hot(labels).bool()
    log_mass = torch.where(members, scores.unsqueeze(1), -1e9).logsumexp(0)
    return (scores - log_mass[labels]).exp() / members.any(0).sum()


def sample_weights(scores: torch.Tensor, labels: torch.Tensor, parameters: Parameters) -> torch.Tensor:
    """Return the weights of a batch, float [B], which sum to 1."""
    scores = scores / parameters.temperature
    return class_softmax(scores, labels) if parameters.softmax == "class" else torch.softmax(scores, 0)


def sample_losses(logits: torch.Tensor, targets: torch.Tensor, loss_type: str) -> torch.Tensor:
    """Return the loss of every sample under every model, float [P, B].

    Args:
        logits: float [P, B, C].
        targets: labels int64 [B]; or for ``mse`` float [B], with C = 1.
        loss_type: ``cross_entropy``, or ``mse``: the mean over C of squared differences.
    """
    if loss_type == "cross_entropy":
        return F.cross_entropy(logits.transpose(1, 2), targets.expand(len(logits), -1), reduction="none")
    wanted = targets.unsqueeze(1) if targets.is_floating_point() else F.one_hot(targets, logits.shape[2])
    return (logits - wanted).square().mean(2)


class ModelError(ValueError):
    """A model or a loss cannot be used with these data; the message says why."""


class MetaLearner:
    """Learns a rater by meta-gradients.

    Args:
        make_inner: makes a fresh inner model; see `benchmarks.datarater.models`.
        make_rater: makes the rater.
        train, disagreement: the samples to learn to rate, with float [N, C].
        held_out: clean samples.
        parameters: see `Parameters`.
        seed: of all streams.
        device: where to work.

    Attributes:
        rater: the rater.
        population: the inner models' weights, by name, each [P, ...].
        optimizer: Adam of the rater.
        step: meta-steps done.
        outer_loss, outer_loss_clean: the outer loss of each meta-step, and that on the images without an attack.

    Raises:
        ModelError: the inner model keeps running statistics, which a population of weights cannot share; or targets are
            no classes, and loss or softmax need them.
    """

    def __init__(
        self,
        make_inner: Callable[[], nn.Module],
        make_rater: Callable[[], nn.Module],
        train: Samples,
        disagreement: torch.Tensor,
        held_out: Samples,
        parameters: Parameters,
        seed: int,
        device: torch.device | None = None,
    ) -> None:
        self.device = device or torch.device("cpu")
        self.parameters, self.seed, self.make_inner = parameters, seed, make_inner
        self.train, self.held_out = train.to(self.device), held_out.to(self.device)
        self.disagreement = disagreement.to(self.device)
        self.rater = made(make_rater, seed, Stream.RATER).to(self.device)
        self.skeleton = made(make_inner, seed, Stream.INNER).to(self.device)
        self.require_use()
        models = [self.fresh(which, 0) for which in range(parameters.num_inner_models)]
        self.population: Population = {name: stack.detach() for name, stack in stack_module_state(models)[0].items()}
        self.optimizer = torch.optim.Adam(self.rater.parameters(), lr=parameters.outer_lr)
        self.order = Order(len(train), parameters.batch_size, seed, Stream.ORDER)
        self.held_out_order = Order(len(held_out), parameters.batch_size, seed, Stream.HELD_OUT)
        self.step = 0
        self.outer_loss: list[float] = []
        self.outer_loss_clean: list[float] = []

    def require_use(self) -> None:
        """Refuse what cannot be learned from."""
        if any("running" in name for name, _ in self.skeleton.named_buffers()):
            raise ModelError(
                "the inner model keeps running statistics, which no population can share: "
                "use GroupNorm, or BatchNorm with track_running_stats=False"
            )
        wants_classes = self.parameters.loss_type == "cross_entropy" or self.parameters.softmax == "class"
        if self.train.labels.is_floating_point() and wants_classes:
            raise ModelError("targets that are no classes need loss_type 'mse' and softmax 'batch'")

    def fresh(self, which: int, step: int) -> nn.Module:
        """Make inner model `which` for meta-step `step`."""
        return made(self.make_inner, self.seed, Stream.INNER, which, step).to(self.device)

    def losses(self, population: Population, images: torch.Tensor, targets: torch.Tensor, shared: bool) -> torch.Tensor:
        """Return the loss of every sample under every inner model, float [P, B].

        Args:
            images: float [B, C, H, W] that all models share, or [P, B, C, H, W].
        """

        def forward(weights: Population, batch: torch.Tensor) -> torch.Tensor:
            return torch.as_tensor(functional_call(self.skeleton, weights, (batch,)))

        logits = vmap(forward, in_dims=(0, None if shared else 0), randomness="different")(population, images)
        return sample_losses(logits, targets, self.parameters.loss_type)

    def inner_step(
        self, population: Population, weights: torch.Tensor, images: torch.Tensor, targets: torch.Tensor
    ) -> Population:
        """theta' = theta - inner_lr grad sum_i w_i l_i(theta), for every inner model at once.

        The sum over the models leaves each one its own gradient; `create_graph` keeps the way back to w.
        """
        loss = (self.losses(population, images, targets, shared=True) @ weights).sum()
        gradients = torch.autograd.grad(loss, list(population.values()), create_graph=True)
        rate = self.parameters.inner_lr
        return {name: theta - rate * g for (name, theta), g in zip(population.items(), gradients, strict=True)}

    def attacked(self, population: Population, held_out: Samples) -> torch.Tensor:
        """Return the held-out images, moved against each inner model, float [P, B, C, H, W]."""
        fixed = {name: theta.detach() for name, theta in population.items()}
        parameters = self.parameters
        return projected_gradient(
            lambda images: self.losses(fixed, images, held_out.labels, shared=False).sum(),
            held_out.images.expand(parameters.num_inner_models, *held_out.images.shape),
            parameters.attack_eps,
            parameters.attack_step_size,
            parameters.attack_steps,
            torch_stream(self.seed, Stream.ATTACK, self.step),
        )

    def meta_loss(
        self, population: Population, batches: list[tuple[Samples, torch.Tensor]], held_out: Samples
    ) -> tuple[torch.Tensor, float, Population]:
        """Return J, a scalar with its graph; J without the attack; and the inner models after their steps.

        Args:
            batches: T batches of samples, each with its disagreement.
        """
        for samples, disagreement in batches:
            scores = self.rater(samples.images, samples.labels, disagreement)
            weights = sample_weights(scores, samples.labels, self.parameters)
            population = self.inner_step(population, weights, samples.images, samples.labels)
        balance = torch.zeros(len(held_out), dtype=held_out.images.dtype, device=self.device)
        balance = sample_weights(balance, held_out.labels, self.parameters)
        mean_loss = partial(self.losses, population, targets=held_out.labels)
        if not self.parameters.attack:
            loss = (mean_loss(images=held_out.images, shared=True) @ balance).mean()
            return loss, loss.item(), population
        with torch.no_grad():
            clean = (mean_loss(images=held_out.images, shared=True) @ balance).mean().item()
        moved = self.attacked(population, held_out)
        return (mean_loss(images=moved, shared=False) @ balance).mean(), clean, population

    def refresh(self) -> None:
        """Make each inner model anew every `meta_refresh_steps` steps, the models in turn."""
        every, count = self.parameters.meta_refresh_steps, self.parameters.num_inner_models
        for which in range(count):
            if self.step > 0 and (self.step - which * every // count) % every == 0:
                for name, weights in self.fresh(which, self.step).named_parameters():
                    self.population[name][which] = weights.detach()

    def meta_step(self) -> None:
        """Update the rater once."""
        self.refresh()
        steps = self.parameters.inner_steps
        rows = [self.order.rows(self.step * steps + turn).to(self.device) for turn in range(steps)]
        batches = [(self.train.at(chosen), self.disagreement[chosen]) for chosen in rows]
        held_out = self.held_out.at(self.held_out_order.rows(self.step).to(self.device))
        population = {name: theta.detach().requires_grad_() for name, theta in self.population.items()}
        with drawing_from(self.seed, Stream.STEP, self.step):
            loss, clean, stepped = self.meta_loss(population, batches, held_out)
            self.optimizer.zero_grad()
            loss.backward(inputs=list(self.rater.parameters()))
        nn.utils.clip_grad_norm_(self.rater.parameters(), self.parameters.grad_clip_norm)
        self.optimizer.step()
        if self.parameters.model_update:
            self.population = {name: theta.detach() for name, theta in stepped.items()}
        self.outer_loss.append(loss.item())
        self.outer_loss_clean.append(clean)
        self.step += 1

    def fit(self, evaluate: Callable[[MetaLearner], None] | None = None) -> MetaLearner:
        """Go on until `meta_steps`; call `evaluate` every `eval_frequency` steps and at the end."""
        while self.step < self.parameters.meta_steps:
            self.meta_step()
            due = self.step == self.parameters.meta_steps or self.step % self.parameters.eval_frequency == 0
            if evaluate is not None and due:
                evaluate(self)
        return self

    @torch.no_grad()
    def rate(self, samples: Samples, disagreement: torch.Tensor) -> np.ndarray:
        """Return the ratings of samples, float32 [N].

        A softmax within classes leaves each class's scores with an offset of their own. There the rating is therefore
        the logarithm of the sample's weight among all samples of its class, relative to their mean weight.
        """
        parts = torch.arange(len(samples)).split(RATED_AT_ONCE)
        scored = [
            self.rater(samples.images[rows].to(self.device), samples.labels[rows].to(self.device), d.to(self.device))
            for rows, d in ((rows, disagreement[rows]) for rows in parts)
        ]
        scores = torch.cat(scored).cpu() / self.parameters.temperature
        if self.parameters.softmax == "class":
            for label in samples.labels.unique():
                members = samples.labels == label
                scores[members] -= scores[members].logsumexp(0) - members.sum().log()
        return np.asarray(scores)
