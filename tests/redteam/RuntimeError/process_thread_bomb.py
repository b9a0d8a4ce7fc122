# ATTACK [process]: starts five thousand threads, and carries on when no more can be started
# STOPPED BY: a limit on threads as well as on processes, by the control group, else by the watchdog
import contextlib
import threading
import time

with contextlib.suppress(RuntimeError):
    for _ in range(5000):
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
time.sleep(5)


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
