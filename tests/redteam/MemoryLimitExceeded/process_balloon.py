# ATTACK [process]: takes all the memory there is
# STOPPED BY: memory is limited by a control group or by the watchdog
import time

import numpy as np

hoard = [np.ones(16 << 20, dtype=np.uint8) for _ in range(160)]
time.sleep(60)


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
