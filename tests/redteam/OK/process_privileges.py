# ATTACK [process]: asks the kernel for power: namespaces, mounts, root, tracing of the first process, priorities
# STOPPED BY: no capability, no further user namespace, no new privileges
import ctypes
import os
import subprocess

libc = ctypes.CDLL(None, use_errno=True)
NEW_USER, NEW_MOUNT = 0x10000000, 0x00020000
attempts = {
    "a user namespace": lambda: libc.unshare(NEW_USER) == 0,
    "a mount namespace": lambda: libc.unshare(NEW_MOUNT) == 0,
    "a mount": lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0,
    "an unmount": lambda: libc.umount2(b"/tmp/task/train", 2) == 0,
    "a remount": lambda: libc.mount(b"none", b"/tmp/task/train", None, 32 | 4096, None) == 0,
    "another root": lambda: os.chroot("/tmp") is None,
    "user 0": lambda: os.setuid(0) is None,
    "another group": lambda: os.setgroups([0]) is None,
    "priority": lambda: os.nice(-5) < 0,
    "real time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)) is None,
    "the host name": lambda: libc.sethostname(b"reached", 7) == 0,
    "bpf": lambda: libc.syscall(321, 5, 0, 0) >= 0,
    "setuid programs": lambda: subprocess.run(["su", "-c", "id"], stdin=subprocess.DEVNULL).returncode == 0,
}
for name, attempt in attempts.items():
    try:
        reached = attempt()
    except (OSError, subprocess.SubprocessError):
        continue
    if reached:
        raise RuntimeError(f"REACHED {name}")


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
