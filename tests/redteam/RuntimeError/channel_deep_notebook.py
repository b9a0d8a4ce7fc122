# ATTACK [channel]: leaves an executed notebook that is nested a hundred thousand levels deep, and kills papermill
# STOPPED BY: what cannot be read as a notebook tells nothing
import os
import signal


def your_select_indices(targets, losses):
    os.kill(os.getppid(), signal.SIGSTOP)
    if os.path.lexists("executed.ipynb"):
        os.remove("executed.ipynb")
    with open("executed.ipynb", "w") as stream:
        stream.write('{"cells": [{"outputs": ' + "[" * 100_000)
    os.kill(os.getppid(), signal.SIGKILL)
    return [[0], [0]]
