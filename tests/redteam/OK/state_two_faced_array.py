# ATTACK [state]: returns objects whose length, items and array differ from one look to the next
# STOPPED BY: whatever the notebook makes of them, plain integers are what crosses, and the grader checks those
import numpy as np


class TwoFaced:
    looks = 0

    def __len__(self):
        return -self.looks if self.looks > 50 else 3

    def __index__(self):
        raise SystemExit

    def __iter__(self):
        return iter([10**9, -1, "x"])

    def __array__(self, dtype=None, copy=None):
        TwoFaced.looks += 1
        return np.arange(1 + self.looks % 5)


class Pair(list):
    def __iter__(self):
        return iter([TwoFaced(), TwoFaced()])

    def __getitem__(self, place):
        return [10**9]


def your_select_indices(targets, losses):
    return Pair([[10**9], [10**9]])
