# ATTACK [files]: writes settings of the kernel through /proc: core pattern, sysrq, limits, its identity map
# STOPPED BY: these parts of /proc are mounted read-only, and it has no capability
from pathlib import Path

for name, value in {
    "/proc/sys/kernel/core_pattern": "|/bin/sh",
    "/proc/sys/kernel/modprobe": "/tmp/x",
    "/proc/sys/vm/overcommit_memory": "1",
    "/proc/sys/kernel/hostname": "reached",
    "/proc/sysrq-trigger": "h",
    "/proc/self/uid_map": "0 0 1",
    "/proc/self/setgroups": "allow",
    "/proc/irq/default_smp_affinity": "1",
    "/proc/1/oom_score_adj": "-1000",
    "/proc/self/oom_score_adj": "-1000",
}.items():
    try:
        Path(name).write_text(value)
    except OSError:
        continue
    raise RuntimeError(f"REACHED {name}")


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
