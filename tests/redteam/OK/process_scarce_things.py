# ATTACK [process]: takes all that the kernel counts for a user as a whole: watches on files, open files, waiting signals
# STOPPED BY: calls that make watches are refused; open files, waiting signals and messages have limits of their own
import contextlib
import ctypes
import os
import resource
import signal
import threading

libc = ctypes.CDLL(None)
taken = [libc.inotify_init1(0) for _ in range(200)]
opened = []
with contextlib.suppress(OSError):
    while len(opened) < 1_000_000:
        opened.append(os.open("/dev/null", os.O_RDONLY))
print("watches", sum(each >= 0 for each in taken), "files", len(opened), resource.getrlimit(resource.RLIMIT_NOFILE))
for each in opened:
    os.close(each)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
with contextlib.suppress(OSError):
    for _ in range(100_000):
        signal.pthread_kill(threading.get_ident(), signal.SIGRTMIN)  # each waits, as this thread takes none


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
