# ATTACK [process]: leaves a kernel on the GPU that never ends, and answers at once
# STOPPED BY: the card takes turns between the notebook and the training; the kernel dies with its process
# NEEDS: cuda
import torch

torch.cuda._sleep(1 << 62)


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
