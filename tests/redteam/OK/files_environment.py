# ATTACK [files]: prints every environment variable that it, its parents and a shell can see
# STOPPED BY: the environment is made from nothing; only settings that change bits pass through
import os
import subprocess
from pathlib import Path

print(dict(os.environ))
print(subprocess.run("env; set; export -p", shell=True, capture_output=True, text=True).stdout)
for process in Path("/proc").glob("[0-9]*/environ"):
    try:
        print(process.read_text(errors="replace"))
    except OSError as error:
        print(error)


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
