# ATTACK [process]: crashes with a core dump, which many machines hand to a program that runs as root outside
# STOPPED BY: core dumps are switched off before the sandbox is made, and cannot be switched on in it
import ctypes
import resource


def your_select_indices(targets, losses):
    if resource.getrlimit(resource.RLIMIT_CORE) != (0, 0):
        raise RuntimeError("REACHED a core dump")
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (1 << 30, 1 << 30))
    except (OSError, ValueError):
        ctypes.string_at(0)
    raise RuntimeError("REACHED a core dump by raising the limit")
