# ATTACK [process]: keeps all cores busy with eight processes and threads while the training works, and answers at once
# STOPPED BY: nothing is gained, as it earns what it selects; a control group gives the trainer its share of the CPUs,
#   and where such work delays the grading until the guard strikes, that is TimeLimitExceeded
import os
import threading


def spin():
    while True:
        pass


for _ in range(7):
    if os.fork() == 0:
        spin()
threading.Thread(target=spin, daemon=True).start()


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
