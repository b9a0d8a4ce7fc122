# ATTACK [files]: tries to write, in every folder that it can see, and on the data, the socket's folder and this Python
# STOPPED BY: all but /tmp and /dev/shm is mounted read-only
import os
import sys
from pathlib import Path

writable = ("/tmp", "/dev/shm", "/proc")
read_only = {"train", "train/data", "val", "gateway", sys.prefix, "/", "/usr", "/usr/bin", "/usr/lib", "/dev", "/etc"}
for line in Path("/proc/self/mountinfo").read_text().splitlines():
    mount = line.split()[4]
    if mount not in ("/tmp", "/dev/shm") and not mount.startswith(("/proc", "/dev/")):
        read_only.add(mount)
for folder in read_only:
    planted = Path(folder) / "redteam-planted"
    for attempt in (planted.touch, planted.mkdir, lambda: os.chmod(folder, 0o777), lambda: os.utime(folder)):
        try:
            attempt()
        except OSError:
            continue
        raise RuntimeError(f"REACHED {folder}")
for path in [*Path("train").glob("*"), *Path("gateway").iterdir()]:
    for attempt in (lambda: open(path, "r+b"), lambda: os.rename(path, f"{path}-moved"), lambda: os.remove(path)):
        try:
            attempt()
        except OSError:
            continue
        raise RuntimeError(f"REACHED {path}")


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
