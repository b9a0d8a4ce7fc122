# ATTACK [state]: seeds and replaces every random generator, so that the trainer's dropout is the luckiest
# STOPPED BY: the trainer's generators are another process's; what is trained depends on seed and selections alone
import random
import threading
import time

import numpy as np
import torch


def always_lucky():
    while True:
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)
        time.sleep(0.01)


threading.Thread(target=always_lucky, daemon=True).start()
torch.nn.Dropout.forward = lambda module, inputs: inputs
torch.dropout = torch.nn.functional.dropout = lambda inputs, *args, **kwargs: inputs


def your_select_indices(targets, losses):
    torch.set_rng_state(torch.Generator().manual_seed(1).get_state())
    return [torch.randperm(len(targets))[:60], torch.randperm(len(targets))[:60]]
