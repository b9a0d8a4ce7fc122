# ATTACK [state]: switches off the notebook's own checks and returns a selection a thousand times too long
# STOPPED BY: the grader checks every count before it reads what follows
import torch


def unchecked(select_indices, targets, losses, **conditions):
    return select_indices(targets, losses)


get_ipython().user_ns.update(
    call_select_indices=unchecked,
    normalise_selection=lambda returned, *_: returned,
    normalise_indices=lambda returned, *_: returned,
    MAX_REPEATS=10**9,
)


def your_select_indices(targets, losses):
    return [torch.zeros(1000 * len(targets), dtype=torch.int64)] * 2
