"""How much may be asked of the grader on the worker's host: gradings in an hour, and questions of one container."""

from __future__ import annotations

from collections import Counter, deque

HOUR = 3600.0


class Caps:
    """Counts what is asked, within the last hour.

    A participant's own container can reach the grader's socket as the scoring container can. So each may ask a few
    times alone, and all together may cause no more trainings than the machine has time for.

    Args:
        trainings: at most so many in an hour.
        questions: of one container, at most so many in an hour, whatever they ask.
    """

    def __init__(self, trainings: int, questions: int) -> None:
        self._trainings, self._questions = trainings, questions
        self._trained: deque[float] = deque()
        self._asked: deque[tuple[float, str]] = deque()
        self._of_each: Counter[str] = Counter()

    def may_ask(self, container: str, now: float) -> bool:
        """Count a question of a container at a time in seconds, and say whether it is within its number."""
        while self._asked and self._asked[0][0] <= now - HOUR:
            _, gone = self._asked.popleft()
            self._of_each[gone] -= 1
            if not self._of_each[gone]:
                del self._of_each[gone]
        if self._of_each[container] >= self._questions:
            return False
        self._asked.append((now, container))
        self._of_each[container] += 1
        return True

    def may_train(self, now: float) -> bool:
        """Count a training at a time in seconds, and say whether it is within the number of all."""
        while self._trained and self._trained[0] <= now - HOUR:
            self._trained.popleft()
        if len(self._trained) >= self._trainings:
            return False
        self._trained.append(now)
        return True
