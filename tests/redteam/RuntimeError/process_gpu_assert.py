# ATTACK [process]: makes a kernel fail by an assertion on the GPU, so that CUDA works no more in its process
# STOPPED BY: the training is another process, with another context on the card
# NEEDS: cuda
import torch


def your_select_indices(targets, losses):
    numbers = torch.arange(4, device="cuda")
    numbers[torch.tensor([1 << 20], device="cuda")].sum().item()
    return [list(range(len(targets)))] * 2
