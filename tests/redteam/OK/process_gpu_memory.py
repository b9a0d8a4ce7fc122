# ATTACK [process]: takes all the memory of the GPU, and keeps it
# STOPPED BY: the training has reserved what it needs before the solution cell starts; the memory comes back when the
#   notebook is dead
# NEEDS: cuda
import torch

hoard = []
for size in (1 << 30, 1 << 26, 1 << 22, 1 << 20):
    try:
        while True:
            hoard.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
    except torch.OutOfMemoryError:
        pass


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
