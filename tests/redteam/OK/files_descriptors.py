# ATTACK [files]: uses file descriptors that it inherited, its own and those of the sandbox's first process
# STOPPED BY: nothing is inherited but the pipe for its output
import os
import stat
from pathlib import Path

for process in ("self", "1", str(os.getppid())):
    for number in os.listdir(f"/proc/{process}/fd") if os.access(f"/proc/{process}/fd", os.R_OK) else []:
        path = Path(f"/proc/{process}/fd/{number}")
        try:
            kind, target = path.stat().st_mode, os.readlink(path)
        except OSError:
            continue
        known = target.startswith(("/dev/", "/proc", "/usr", "/tmp", "/memfd:", "pipe:", "socket:", "anon_inode:"))
        if not known and "/lib/python3" not in target:
            raise RuntimeError(f"REACHED {target}")
        if stat.S_ISDIR(kind) and Path(path, "private").exists():
            raise RuntimeError(f"REACHED the data through {path}")


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
