# ATTACK [process]: keeps 200 MiB more with every batch, to be over the limit when nobody looks at the start any more
# STOPPED BY: memory is limited for as long as the notebook runs
import numpy as np

hoard = []


def your_select_indices(targets, losses):
    hoard.append(np.ones(200 << 20, dtype=np.uint8))
    return [[0], [0]]
