"""Kill a process that starts a sandbox, again and again, at moments spread over the start; tell what is left of each.

A program of its own (``python -m tests.killed_starts N``): it is a subreaper, so every orphan comes to it and none can
hide. It prints a JSON list with an entry for each kill: after how many seconds it came, and the command lines of what
still lived long after it.
"""

import ctypes
import json
import subprocess
import sys
import time

import psutil

from grader.sandbox import INPUT_NOTEBOOK, Backend, Limits, gateway_folder, run_notebook
from grader.sandbox.reaper import PR_SET_CHILD_SUBREAPER
from tests.confined import Script

GONE_SECONDS = 5


def start_sandbox():
    """Print a line, start a sandbox that would last for hours, and print another line when it stands."""
    with gateway_folder() as gateway:
        (gateway / INPUT_NOTEBOOK).write_text("{}")
        code = "import time; time.sleep(9999)"
        job = Script(gateway, gateway, gateway, "cpu", 1, Limits(9999.0), code=code)
        print("begins", flush=True)
        with run_notebook(Backend.BWRAP, job) as running:
            print("stands", flush=True)
            running.wait(9999)


def starter():
    """Start a process that starts a sandbox; return it as it begins."""
    process = subprocess.Popen([sys.executable, "-m", __spec__.name, "starter"], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"begins\n"
    return process


def seconds_to_stand():
    """Measure how long a sandbox takes to stand."""
    process, began = starter(), time.monotonic()
    assert process.stdout.readline() == b"stands\n"
    taken = time.monotonic() - began
    kill_and_look(process)
    return taken


def kill_and_look(process):
    """Kill the starter; return the command lines of what outlives it, and end that too."""
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + GONE_SECONDS
    left = psutil.Process().children()
    while left and time.monotonic() < deadline:
        psutil.wait_procs(left, timeout=0.1)  # their children come to us as they die
        left = psutil.Process().children()
    lines = [" ".join(orphan.cmdline()) for orphan in left]
    for orphan in left:
        orphan.kill()
    return lines


def main(kills):
    """Kill so many starters, at moments from the first one until the sandbox surely stands."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    longest = 1.5 * seconds_to_stand()
    looks = []
    for number in range(kills):
        process, after = starter(), longest * number / kills
        time.sleep(after)
        looks.append((after, kill_and_look(process)))
    print(json.dumps(looks))


if __name__ == "__main__":
    start_sandbox() if sys.argv[1] == "starter" else main(int(sys.argv[1]))
