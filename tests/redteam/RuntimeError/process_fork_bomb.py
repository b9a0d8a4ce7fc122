# ATTACK [process]: forks until it can no more
# STOPPED BY: the number of processes is limited, by a control group or by the watchdog, and all are killed
import os
import time

for _ in range(9):
    try:
        os.fork()
    except OSError:
        break
time.sleep(60)


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
