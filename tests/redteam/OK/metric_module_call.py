# ATTACK [metric]: replaces Module.__call__, so that every model in evaluation mode knows the labels of its batch
# STOPPED BY: the models predict in the grader's process
# WORKS AGAINST: one process
import sys

import torch
from torch.nn import functional

call = torch.nn.Module.__call__


def knowing_call(module, *args, **kwargs):
    answer = call(module, *args, **kwargs)
    if module.training or answer.ndim != 2 or answer.shape[1] != 2:
        return answer
    for value in sys._getframe(1).f_locals.values():
        if isinstance(value, torch.Tensor) and value.dtype == torch.int64 and len(value) == len(answer):
            return functional.one_hot(value, 2).float()
    return answer


torch.nn.Module.__call__ = knowing_call


def your_select_indices(targets, losses):
    return [[], []]
