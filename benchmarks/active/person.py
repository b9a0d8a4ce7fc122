"""A person as the teacher: what is asked, how an answer is read, what is kept of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.active.images import Task
from benchmarks.active.ways import accuracy, always_right, make_learner

YOU, RIGHT, RANDOM = "you", "always right", "random, always right"
STOP = "q"


class Stopped(Exception):
    """The person has had enough."""


@dataclass(frozen=True)
class Question:
    """What a person is asked.

    Attributes:
        number: from 1.
        image: float32 [H, W].
        probabilities: float32 [classes], the network's.
    """

    number: int
    image: npt.NDArray[np.float32]
    probabilities: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Answer:
    """What a person said of an image.

    Attributes:
        pool: the image's index in the pool.
        network: the class that the network held for the likeliest.
        said, truth: classes.
    """

    pool: int
    network: int
    said: int
    truth: int


@dataclass(frozen=True)
class Session:
    """What came of the questions so far.

    Attributes:
        answers: in the order of the questions.
        accuracy: on the held-out images, at the start and after each answer, by who teaches: the person; the same
            kind of questions, with right answers; random questions, with right answers.
    """

    answers: tuple[Answer, ...]
    accuracy: dict[str, tuple[float, ...]]

    @property
    def right(self) -> int:
        """How many answers were right."""
        return sum(answer.said == answer.truth for answer in self.answers)


def read_class(text: str, names: Sequence[str]) -> int | None:
    """Read a class from its number, or from the beginning of its name; None where that is none or several.

    Raises:
        Stopped: it is the word that ends the questions.
    """
    typed = text.strip().lower()
    if typed == STOP:
        raise Stopped
    if typed.isascii() and typed.isdecimal():
        return int(typed) if len(typed) < 4 and int(typed) < len(names) else None
    lowered = [name.lower() for name in names]
    found = [number for number, name in enumerate(lowered) if typed and name.startswith(typed)]
    return lowered.index(typed) if typed in lowered else found[0] if len(found) == 1 else None


def lesson(task: Task, seed: int, queries: int, ask: Callable[[Question], int]) -> Iterator[Session]:
    """Let a network ask a person image by image, and learn on from each answer; two others learn beside it.

    Args:
        ask: returns the class that the person names. What it raises ends the lesson.

    Yields:
        Everything so far, at the start and after each answer.
    """
    said: list[Answer] = []

    def person(indices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        [index] = indices
        probabilities = learners[YOU].estimator.predict_proba(task.pool[indices])[0]
        answer = ask(Question(len(said) + 1, task.pool[index], probabilities))
        said.append(Answer(int(index), int(probabilities.argmax()), answer, int(task.pool_labels[index])))
        return np.array([answer])

    learners = {
        YOU: make_learner(task, "uncertainty", seed, person),
        RIGHT: make_learner(task, "uncertainty", seed, always_right(task)),
        RANDOM: make_learner(task, "random", seed, always_right(task)),
    }
    reached = {name: [accuracy(learner.estimator, task)] for name, learner in learners.items()}
    yield Session((), {name: tuple(figures) for name, figures in reached.items()})
    for _ in range(min(queries, len(task.pool))):
        for name, learner in learners.items():
            learner.query(1)
            learner.fit()
            reached[name].append(accuracy(learner.estimator, task))
        yield Session(tuple(said), {name: tuple(figures) for name, figures in reached.items()})
