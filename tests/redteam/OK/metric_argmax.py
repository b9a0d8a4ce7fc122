# ATTACK [metric]: makes Tensor.argmax answer with the labels that it finds in the variables of its caller
# STOPPED BY: the models predict in the grader's process
# WORKS AGAINST: one process
import sys

import torch

argmax = torch.Tensor.argmax


def knowing_argmax(tensor, *args, **kwargs):
    for value in sys._getframe(1).f_locals.values():
        if isinstance(value, torch.Tensor) and value.dtype == torch.int64 and value.shape == tensor.shape[:1]:
            return value
    return argmax(tensor, *args, **kwargs)


torch.Tensor.argmax = knowing_argmax


def your_select_indices(targets, losses):
    return [[], []]
