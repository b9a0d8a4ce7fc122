# ATTACK [process]: a child in a session of its own multiplies matrices on the GPU, and goes on when its parent has ended
# STOPPED BY: the card takes turns; the process namespace ends with the grading, and the child with it
# NEEDS: cuda
import subprocess
import sys

CHILD = """
import torch
matrix = torch.ones(8192, 8192, device="cuda")
while True:
    (matrix @ matrix).sum().item()
"""
subprocess.Popen([sys.executable, "-c", CHILD], start_new_session=True)


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
