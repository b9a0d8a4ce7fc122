# ATTACK [process]: waits for the end of the notebook to act: atexit, signal handlers, threads that delay the end
# STOPPED BY: when every batch is answered the score is settled; after a short farewell everything is killed
import atexit
import signal
import threading
import time


def linger(*_):
    time.sleep(1000)


atexit.register(linger)
signal.signal(signal.SIGTERM, linger)
threading.Thread(target=linger, daemon=False).start()


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
