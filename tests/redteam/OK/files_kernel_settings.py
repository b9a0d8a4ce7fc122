# ATTACK [files]: opens every setting of the kernel for writing: core pattern, module loader, sysrq, limits, quotas
# STOPPED BY: these parts of /proc are mounted read-only; being root outside its namespace does not help
import os

for folder, folders, files in os.walk("/proc"):
    if folder == "/proc":
        folders[:] = [name for name in folders if not name.isdigit() and "self" not in name]
    for name in files:
        try:
            os.close(os.open(f"{folder}/{name}", os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            continue
        raise RuntimeError(f"REACHED {folder}/{name}")
for name, value in (("uid_map", "0 0 1"), ("gid_map", "0 0 1"), ("setgroups", "allow"), ("oom_score_adj", "-1000")):
    try:
        with open(f"/proc/self/{name}", "w") as stream:
            stream.write(value)
    except OSError:
        continue
    raise RuntimeError(f"REACHED /proc/self/{name}")


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
