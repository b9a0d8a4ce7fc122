# ATTACK [process]: leaves a daemon behind: forked twice, in a session of its own, deaf to all signals
# STOPPED BY: the process namespace ends with the grading, and with it everything in it
import os
import signal
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        os.closerange(0, 64)
        while True:
            time.sleep(1000)
    os._exit(0)


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
