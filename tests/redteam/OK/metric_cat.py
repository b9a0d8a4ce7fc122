# ATTACK [metric]: makes torch.cat return, for the predictions, the labels that are put together next to them
# STOPPED BY: predictions are gathered in the grader's process
# WORKS AGAINST: one process
import sys

import torch

cat = torch.cat


def knowing_cat(tensors, *args, **kwargs):
    mine = cat(tensors, *args, **kwargs)
    for value in sys._getframe(1).f_locals.values():
        if isinstance(value, list) and value and all(isinstance(part, torch.Tensor) for part in value):
            other = cat(value)
            if other.dtype == mine.dtype == torch.int64 and other.shape == mine.shape:
                return other
    return mine


torch.cat = knowing_cat


def your_select_indices(targets, losses):
    return [[], []]
