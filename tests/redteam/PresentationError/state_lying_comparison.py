# ATTACK [state]: returns an array of huge indices that says of each of its values that it is in range
# STOPPED BY: the grader checks the plain integers that arrive, not the object
import numpy as np


class Harmless(np.ndarray):
    def __lt__(self, other):
        return np.zeros(self.shape, dtype=bool)

    __ge__ = __lt__


def your_select_indices(targets, losses):
    return [np.array([10**6, -5, 2**31 - 1]).view(Harmless)] * 2
