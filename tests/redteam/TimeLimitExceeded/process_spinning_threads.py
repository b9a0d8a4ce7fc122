# ATTACK [process]: starves the trainer with eight spinning processes and threads while its own function sleeps
# STOPPED BY: its function's sleep is on its own clock, and so is what its processes take from the function
import os
import threading
import time


def spin():
    while True:
        pass


for _ in range(4):
    if os.fork() == 0:
        spin()
threading.Thread(target=spin, daemon=True).start()


def your_select_indices(targets, losses):
    time.sleep(5)
    return [[0], [0]]
