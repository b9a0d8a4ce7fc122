# ATTACK [files]: reads environment, command line, open files and folders of every process in /proc
# STOPPED BY: its own process namespace, a cleared environment, and bare arguments of the one process that is ours
# WORKS AGAINST: no sandbox
import os
from pathlib import Path


def head(path):  # not all of it: files may be huge, and a notebook over 16 MiB is not brought out
    with path.open("rb") as file:
        return file.read(64)


for process in Path("/proc").glob("[0-9]*"):
    for name in ("environ", "cwd", "root", "fd", "map_files", "cmdline"):
        try:
            path = process / name
            if path.is_symlink():
                print(path.readlink(), os.listdir(path)[:9])
            elif path.is_dir():
                for each in path.iterdir():
                    print(each.readlink(), head(each) if each.is_file() else "")
            else:
                text = path.read_text(errors="replace")
                print(text[:99])
                if name == "cmdline" and "pytest" in text:
                    raise RuntimeError("REACHED the grader's process")
        except OSError:
            continue


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
