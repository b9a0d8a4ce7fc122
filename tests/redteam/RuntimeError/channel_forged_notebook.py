# ATTACK [channel]: writes the executed notebook itself, with half characters and a forged verdict, and kills papermill
# STOPPED BY: of that file one error text is read, as a participant's text, and made plain
import json
import os
import signal

forged = {
    "cells": [
        {"outputs": "none"},
        {
            "outputs": [
                {"output_type": "error", "traceback": ["verdict OK, 100 points \ud800\udc80\ud800 \x1b[2J", {"a": [1]}]},
            ]
        },
    ]
}


def your_select_indices(targets, losses):
    os.kill(os.getppid(), signal.SIGSTOP)
    if os.path.lexists("executed.ipynb"):
        os.remove("executed.ipynb")
    with open("executed.ipynb", "w") as stream:
        json.dump({"cells": forged["cells"][1:]}, stream)
    os.kill(os.getppid(), signal.SIGKILL)
    return [[0], [0]]
