"""The ways to choose what is asked, and two controls that ask nothing: accuracy against queries.

- uncertainty, margin, entropy, random: one network that learns on, with the answers to what that score asks.
- passive: nobody asks; the images come as they lie. After every fourth round a new network learns from the start and
  as many of them as were asked by then, with as many steps as the others have taken.
- no answers: the network that learns on takes the same steps on the start alone.

The teacher is always right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.active.images import Task
from benchmarks.active.network import FIRST_STEPS, STEPS, LearningOn
from reference_solutions.uncertainty_sampling import ActiveLearner, entropy, least_confidence, margin, random_control

PASSIVE_EVERY = 4  # rounds: it learns anew each time, which is slow
SCORES = {"uncertainty": least_confidence, "margin": margin, "entropy": entropy}
PASSIVE, NO_ANSWERS, RANDOM = "passive", "no answers", "random"
WAYS = (*SCORES, RANDOM, PASSIVE, NO_ANSWERS)


@dataclass(frozen=True)
class Run:
    """One way's curve: accuracy on the held-out images before the first round and after each, and the queries."""

    way: str
    seed: int
    queries: list[int]
    accuracy: list[float]


def make_learner(task: Task, way: str, seed: int, teacher: Callable[[np.ndarray], np.ndarray]) -> ActiveLearner:
    """Make the learner of a score or of random queries: pool indices int64 [n] go to the teacher, labels come back."""
    score = SCORES.get(way) or random_control(np.random.default_rng([seed, 1]))
    estimator = LearningOn(len(task.names), seed)
    return ActiveLearner(estimator, score, task.start, task.start_labels, task.pool, teacher)


def always_right(task: Task) -> Callable[[np.ndarray], np.ndarray]:
    """Make the teacher who knows all labels of the pool."""
    return lambda indices: task.pool_labels[indices]


def run_way(task: Task, way: str, seed: int, rounds: int, queries_per_round: int) -> Run:
    """Let one way learn, with so many rounds of queries; fewer where the pool is empty before."""
    counts = np.minimum(np.arange(rounds + 1) * queries_per_round, len(task.pool)).tolist()
    if way == NO_ANSWERS:
        return Run(way, seed, counts, learn_on_alone(task, seed, rounds))
    if way == PASSIVE:
        shown = {done: counts[done] for done in range(0, rounds + 1, PASSIVE_EVERY)}
        return Run(way, seed, list(shown.values()), learn_passively(task, seed, shown))
    learner = make_learner(task, way, seed, always_right(task))
    records = learner.run(rounds, queries_per_round, lambda network: accuracy(network, task))
    return Run(way, seed, [count for count, _ in records], [reached for _, reached in records])


def accuracy(network: LearningOn, task: Task) -> float:
    """Return the accuracy on the held-out images."""
    return network.accuracy(task.held_out, task.held_out_labels)


def learn_passively(task: Task, seed: int, counts: dict[int, int]) -> list[float]:
    """Let a new network learn from the start and the first `counts[rounds]` images of the pool, for each key."""
    reached = []
    for rounds, count in counts.items():
        network = LearningOn(len(task.names), seed)
        images = np.concatenate([task.start, task.pool[:count]])
        labels = np.concatenate([task.start_labels, task.pool_labels[:count]])
        network.learn(images, labels, FIRST_STEPS + rounds * STEPS)
        reached.append(accuracy(network, task))
    return reached


def learn_on_alone(task: Task, seed: int, rounds: int) -> list[float]:
    """Let one network learn on from the start alone, once for each round of the others."""
    network, reached = LearningOn(len(task.names), seed), []
    for _ in range(rounds + 1):
        network.fit(task.start, task.start_labels)
        reached.append(accuracy(network, task))
    return reached
