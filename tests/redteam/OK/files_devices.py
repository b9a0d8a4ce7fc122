# ATTACK [files]: opens or makes device files: memory, the kernel's log, disks, loop devices, the terminal
# STOPPED BY: /dev holds the harmless ones only, and no device file works that is made elsewhere
import os
import stat

for name in ("mem", "kmem", "port", "kmsg", "vda", "sda", "nvme0n1", "loop0", "loop-control", "fuse", "kvm", "net/tun"):
    try:
        os.close(os.open(f"/dev/{name}", os.O_RDONLY))
    except OSError:
        continue
    raise RuntimeError(f"REACHED /dev/{name}")
for number, name in ((os.makedev(1, 1), "mem"), (os.makedev(8, 0), "sda"), (os.makedev(7, 0), "loop")):
    path = f"/tmp/redteam-planted-{name}"
    try:
        os.mknod(path, stat.S_IFBLK | 0o666, number)
        os.close(os.open(path, os.O_RDONLY))
    except OSError:
        continue
    raise RuntimeError(f"REACHED a device by {path}")
try:
    os.close(os.open("/dev/tty", os.O_RDWR))
except OSError:
    pass
else:
    raise RuntimeError("REACHED the organizer's terminal")


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
