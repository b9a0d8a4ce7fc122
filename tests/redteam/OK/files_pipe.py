# ATTACK [files]: puts a pipe where the executed notebook belongs, so that whoever opens it waits for ever
# STOPPED BY: papermill waits, in the sandbox; the grader opens outputs without blocking, and only regular files
import os

calls = 0


def your_select_indices(targets, losses):
    global calls
    calls += 1
    if calls == 12:
        if os.path.lexists("executed.ipynb"):
            os.remove("executed.ipynb")
        os.mkfifo("executed.ipynb")
    return [[0, 1], [2]]
