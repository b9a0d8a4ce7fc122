"""One rater, one regime, one seed; and all of them: how well what is spoilt is found, and what filtering is worth."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from scipy.stats import linregress
from sklearn.metrics import roc_auc_score

from benchmarks.controls import out_of_fold
from benchmarks.datarater.checkpoint import load_checkpoint, save_checkpoint
from benchmarks.datarater.corruptions import CORRUPTIONS, Spoiling
from benchmarks.datarater.downstream import Training, judge, train_classifier
from benchmarks.datarater.log import smoothed, write_log
from benchmarks.datarater.meta import MetaLearner
from benchmarks.datarater.models import INNER_MODELS, RATERS
from benchmarks.datarater.parameters import Parameters
from benchmarks.datarater.plugins import named
from benchmarks.datarater.sources import Sizes, draw_task
from benchmarks.datarater.streams import Stream, numpy_stream
from benchmarks.datarater.task import Samples, Task

BASELINE, RANDOM = "everything", "random"
HELD_OUT_ALONE, OUT_OF_FOLD = "held-out model alone", "out-of-fold model alone"
PROBED = 1_000  # test images whose ratings are compared with how much of them is spoilt
LEVELS = 10  # equal parts of [0, 1] in which that is shown
LOSS_POINTS = 20  # of a run's outer loss that are kept for the plot


@dataclass(frozen=True)
class Regime:
    """What is usual for one corruption.

    Attributes:
        probability, fraction_range: see `Spoiling`.
        rater: what rates there, unless another is asked for.
    """

    probability: float
    fraction_range: tuple[float, float]
    rater: str


REGIMES = {
    "pixels": Regime(0.1, (0.1, 0.9), "image_cnn"),  # the guide's
    "shuffle": Regime(0.4, (1.0, 1.0), "image_cnn"),
    "labels": Regime(0.4, (1.0, 1.0), "label_mlp"),  # an image-only rater cannot see a wrong label
}
OTHER_REGIME = Regime(0.1, (0.1, 0.9), "image_cnn")  # of one's own corruption


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        corruptions: one regime each; see `REGIMES`.
        corruption_probability, corruption_fraction_range: None takes those of each regime.
        raters: None takes that of each regime.
        attacks: whether the outer loss is attacked; both may be asked for.
        inner_model, classifier: names of models.
        drop_fractions: shares of a batch that are dropped; the spoilt share comes besides.
        seeds: number of repetitions.
        sizes, training, parameters: see there; `parameters.attack` is set by `attacks`.
        device: where to work.
    """

    corruptions: tuple[str, ...] = ("pixels", "shuffle", "labels")
    corruption_probability: float | None = None
    corruption_fraction_range: tuple[float, float] | None = None
    raters: tuple[str, ...] | None = None
    attacks: tuple[bool, ...] = (False,)
    inner_model: str = "mlp"
    classifier: str = "pixel_mlp"
    drop_fractions: tuple[float, ...] = (0.1,)
    seeds: int = 5
    sizes: Sizes = field(default_factory=Sizes)
    training: Training = field(default_factory=Training)
    parameters: Parameters = field(default_factory=Parameters)
    device: str = "cpu"

    def regime(self, corruption: str) -> Regime:
        """Return what holds for a corruption."""
        usual = REGIMES.get(corruption, OTHER_REGIME)
        return Regime(
            usual.probability if self.corruption_probability is None else self.corruption_probability,
            self.corruption_fraction_range or usual.fraction_range,
            usual.rater,
        )

    def spoiling(self, corruption: str) -> Spoiling:
        """Return how the training split is spoilt.

        Raises:
            UnknownName: there is no such corruption.
        """
        regime, function = self.regime(corruption), named(corruption, CORRUPTIONS, "corruption")
        return Spoiling(corruption, function, regime.probability, regime.fraction_range)

    def require_names(self) -> None:
        """Find everything by its name, before anything is measured.

        Raises:
            UnknownName: there is no such corruption or model.
        """
        for corruption in self.corruptions:
            self.spoiling(corruption)
            for rater in self.raters_of(corruption):
                named(rater, RATERS, "rater")
        for model in (self.inner_model, self.classifier):
            named(model, INNER_MODELS, "model")

    def raters_of(self, corruption: str) -> tuple[str, ...]:
        """Return the raters for a corruption."""
        return self.raters or (self.regime(corruption).rater,)

    def shares_of(self, corruption: str) -> list[float]:
        """Return the shares of a batch that are dropped."""
        shares = {*self.drop_fractions, self.regime(corruption).probability}
        return sorted(share for share in shares if 0 < share < 1)


@dataclass(frozen=True)
class Detection:
    """How well the values of one rater, or of a control, tell spoilt samples from clean ones.

    Attributes:
        corruption, rater, seed: of what.
        attack: whether the rater's outer loss was attacked.
        auc: area under the ROC curve of finding the clean samples, 1 at best.
        r_squared: of the rating against the share of an image that is spoilt, over images of all shares between 0 and
            1; None for controls and for corruptions that leave the image as it is.
        by_level: mean rating, in standard deviations, of the images of each tenth of that share.
        outer_loss, outer_loss_clean: means over equal parts of the meta-learning.
    """

    corruption: str
    rater: str
    attack: bool
    seed: int
    auc: float
    r_squared: float | None = None
    by_level: tuple[float, ...] = ()
    outer_loss: tuple[float, ...] = ()
    outer_loss_clean: tuple[float, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What a classifier reached.

    Attributes:
        corruption, seed: of what.
        learns_from: the rater whose lowest-rated samples were dropped, or a control.
        attack: whether that rater's outer loss was attacked.
        dropped: share of each batch.
        accuracy, attacked: on the test split, and on its first images under attack.
    """

    corruption: str
    learns_from: str
    attack: bool
    dropped: float
    seed: int
    accuracy: float
    attacked: float


def area(task: Task, values: np.ndarray) -> float:
    """Return the detection AUC of values, higher for clean; a half where there is nothing to tell apart."""
    return float(roc_auc_score(~task.spoilt, values)) if 0 < task.spoilt.sum() < len(task.spoilt) else 0.5


def probe(learner: MetaLearner, task: Task, spoiling: Spoiling, seed: int) -> tuple[float | None, tuple[float, ...]]:
    """Compare ratings with how much of an image is spoilt, as the guide does: r squared, and the mean of each tenth."""
    clean = Samples(task.test.images[:PROBED], task.test.labels[:PROBED])
    generator = numpy_stream(seed, Stream.NOISE, 1)
    levels = generator.random(len(clean), np.float32)
    changed = spoiling.corruption(clean, levels, task.classes, generator)
    if torch.equal(changed.images, clean.images):
        return None, ()
    ratings = learner.rate(changed, task.disagreement_of(changed)).astype(np.float64)
    if ratings.std() == 0:
        return 0.0, (0.0,) * LEVELS
    standard = (ratings - ratings.mean()) / ratings.std()
    places = (levels * LEVELS).astype(int)
    means = tuple(
        float(standard[places == place].mean()) if (places == place).any() else 0.0 for place in range(LEVELS)
    )
    return float(linregress(levels, standard).rvalue ** 2), means


@dataclass(frozen=True)
class Keeping:
    """What is kept of a meta-learning besides its figures.

    Attributes:
        folder: where to.
        log: the outer loss as CSV and plot.
        checkpoint: its state, from which the next call goes on.
    """

    folder: Path
    log: bool = False
    checkpoint: bool = False


def learn(
    plan: Plan, task: Task, corruption: str, rater: str, attack: bool, seed: int, keeping: Keeping
) -> MetaLearner:
    """Learn one rater, from its checkpoint on if there is one.

    Raises:
        UnknownName: there is no such model.
        CheckpointError: the checkpoint is that of another run.
    """
    make_inner = named(plan.inner_model, INNER_MODELS, "inner model")
    make_rater = named(rater, RATERS, "rater")
    learner = MetaLearner(
        lambda: make_inner(task),
        lambda: make_rater(task),
        task.train,
        task.disagreement,
        task.held_out,
        replace(plan.parameters, attack=attack),
        seed,
        torch.device(plan.device),
    )
    name = re.sub(r"\W", "_", f"{corruption}-{rater}-{'attacked' if attack else 'clean'}-{seed}")
    path = keeping.folder / f"{name}.safetensors"
    if keeping.checkpoint and path.exists():
        load_checkpoint(learner, path)

    def keep(learner: MetaLearner) -> None:
        if keeping.checkpoint:
            save_checkpoint(learner, path)
        if keeping.log:
            write_log(learner, path.with_suffix(".csv"))

    return learner.fit(keep)


def measure(
    parts: tuple[Samples, Samples], plan: Plan, corruption: str, seed: int, keeping: Keeping
) -> Iterator[Detection | Outcome]:
    """Measure one regime with one seed: controls, and every rater."""
    spoiling = plan.spoiling(corruption)
    task = draw_task(parts, plan.sizes, spoiling, seed)
    given = task.held_out_probabilities(task.train)[torch.arange(len(task.train)), task.train.labels]
    yield Detection(corruption, HELD_OUT_ALONE, False, seed, area(task, given.numpy()))
    given_out_of_fold = out_of_fold(
        task.train.images, task.train.labels, task.held_out.images, task.held_out.labels, seed
    )
    yield Detection(corruption, OUT_OF_FOLD, False, seed, area(task, given_out_of_fold))
    classifier = named(plan.classifier, INNER_MODELS, "classifier")
    parameters, training = plan.parameters, plan.training

    def outcome(learns_from: str, attack: bool, ratings: np.ndarray | None, share: float) -> Outcome:
        model = train_classifier(classifier, task, ratings, share, training, seed, plan.device)
        reached = judge(model, task, parameters, training, seed, plan.device)
        return Outcome(corruption, learns_from, attack, share, seed, *reached)

    shares = plan.shares_of(corruption)
    yield outcome(BASELINE, False, None, 0.0)
    for share in shares:
        yield outcome(RANDOM, False, None, share)
    for rater in plan.raters_of(corruption):
        for attack in plan.attacks:
            learner = learn(plan, task, corruption, rater, attack, seed, keeping)
            ratings = learner.rate(task.train, task.disagreement)
            losses = [tuple(thinned(of).tolist()) for of in (learner.outer_loss, learner.outer_loss_clean)]
            probed = probe(learner, task, spoiling, seed)
            yield Detection(corruption, rater, attack, seed, area(task, ratings), *probed, *losses)
            for share in shares:
                yield outcome(rater, attack, ratings, share)


def thinned(losses: list[float]) -> np.ndarray:
    """Return the means of equal parts of the losses, at most `LOSS_POINTS`."""
    return smoothed(losses, max(1, len(losses) // LOSS_POINTS))[:LOSS_POINTS]


def measure_all(
    parts: tuple[Samples, Samples], plan: Plan, keeping: Keeping, told: Callable[[Detection | Outcome], None]
) -> None:
    """Measure every regime with every seed, seed after seed; tell each figure as soon as it is known."""
    plan.require_names()
    for seed in range(plan.seeds):
        for corruption in plan.corruptions:
            for figure in measure(parts, plan, corruption, seed, keeping):
                told(figure)
