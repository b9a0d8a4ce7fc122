"""Every number of the meta-learning, under the guide's names, with our defaults and the guide's."""

from __future__ import annotations

from dataclasses import dataclass, replace

LOSSES = ("cross_entropy", "mse")
SOFTMAXES = ("class", "batch")


@dataclass(frozen=True)
class Parameters:
    """What a meta-learner needs to know besides the data.

    Attributes:
        batch_size: samples of one inner step, and of the outer loss.
        inner_lr, outer_lr: step sizes of the inner models' gradient descent and of the rater's Adam.
        meta_steps: updates of the rater.
        inner_steps: T, steps of an inner model between two updates of the rater.
        meta_refresh_steps: after how many meta-steps an inner model is made anew; the models take turns.
        grad_clip_norm: the largest norm of the meta-gradient.
        num_inner_models: P, the population.
        loss_type: ``cross_entropy``; or ``mse``, of the logits against one-hot labels or against float targets.
        model_update: whether an inner model goes on from where the meta-step took it, or from its start again.
        eval_frequency: meta-steps between two logs and checkpoints.
        attack: whether the outer loss is taken on adversarial images.
        attack_eps: radius of the L-infinity ball, in units of the pixels' range [0, 1].
        attack_steps, attack_eval_steps: steps of the attack in a meta-step, and of that on a trained classifier.
        attack_step_size: one step of the attack, in the same units.
        softmax: over each ``class`` of a batch, all of equal mass; or over the whole ``batch``, as in paper and guide.
        temperature: what scores are divided by before the softmax.
    """

    batch_size: int = 128
    inner_lr: float = 0.5  # guide: 1e-3, with which two steps hardly move a model, and the meta-gradient is tiny
    outer_lr: float = 1e-2  # guide: 3e-4, too slow for a rater that learns from scratch in some seconds
    meta_steps: int = 400  # guide: 1000; at the larger rates the ratings have settled by then
    inner_steps: int = 2
    meta_refresh_steps: int = 16  # guide: 150; at the larger inner_lr a model is trained sooner
    grad_clip_norm: float = 5.0
    num_inner_models: int = 8
    loss_type: str = "cross_entropy"
    model_update: bool = True
    eval_frequency: int = 50
    attack: bool = False
    attack_eps: float = 8 / 255
    attack_steps: int = 10
    attack_eval_steps: int = 20
    attack_step_size: float = 2 / 255
    softmax: str = "class"
    temperature: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what no meta-learning can be done with.

        Raises:
            ValueError: which parameter, and what it may be.
        """
        for name, allowed in (("loss_type", LOSSES), ("softmax", SOFTMAXES)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}: it may be {' or '.join(allowed)}")
        counts = ("batch_size", "meta_steps", "inner_steps", "meta_refresh_steps", "num_inner_models", "eval_frequency")
        for name in (*counts, "attack_steps", "attack_eval_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be at least 1")
        for name in ("inner_lr", "outer_lr", "grad_clip_norm", "attack_step_size", "temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be above 0")
        if not 0 <= self.attack_eps <= 1:
            raise ValueError(f"attack_eps is {self.attack_eps}: pixels go from 0 to 1, and so may the radius")


# The guide's MNIST experiment: its command line, and the softmax over score / 2 of its code.
GUIDE = replace(
    Parameters(),
    inner_lr=1e-3,
    outer_lr=3e-4,
    meta_steps=1000,
    meta_refresh_steps=150,
    eval_frequency=100,
    attack=True,
    attack_eps=0.031,
    attack_step_size=0.007,
    softmax="batch",
    temperature=2.0,
)
