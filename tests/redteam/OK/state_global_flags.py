# ATTACK [state]: switches global flags of torch and NumPy: precision, gradients, threads, determinism, warnings
# STOPPED BY: flags belong to a process, and the trainer sets its own
import sys

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
torch.use_deterministic_algorithms(False)
torch.set_flush_denormal(True)
torch.autograd.set_detect_anomaly(True)
np.seterr(all="ignore")
sys.setswitchinterval(10)


def your_select_indices(targets, losses):
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float16)
    return [targets == 1, targets == 0]
