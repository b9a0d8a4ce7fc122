# ATTACK [files]: blows the executed notebook up to a terabyte of holes, which take no room
# STOPPED BY: outputs over 16 MiB are left out, whatever room they take
import threading
import time


def blow_up():
    while True:
        for name in ("executed.ipynb", "/tmp/redteam-planted-hole"):
            try:
                with open(name, "ab") as stream:
                    stream.truncate(1 << 40)
            except OSError:
                pass
        time.sleep(0.005)


threading.Thread(target=blow_up, daemon=True).start()


def your_select_indices(targets, losses):
    return [[0, 1], [2]]
