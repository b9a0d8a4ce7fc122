# ATTACK [process]: takes all the memory there is, spread over many small processes
# STOPPED BY: the memory of all its processes together is limited
import os
import time

for _ in range(40):
    if os.fork() == 0:
        hoard = b"\1" * (64 << 20)
        time.sleep(60)
time.sleep(60)


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
