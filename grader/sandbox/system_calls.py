"""The system calls that a notebook in bubblewrap may not make, as a filter program for the kernel.

Namespaces do not cover everything. The kernel's key rings are those of the user who runs the grader: a notebook could
read the organizer's keys, and leave notes there for the next submission. Watches on files are counted for that user as
a whole: a notebook could take them all. The others have no use in a notebook and a
history of holes. A refused call fails as on a kernel that does not have it. It is no list of all that is harmless: the
process boundary is what counts. Sockets may be of the families that the network namespace isolates; a virtual machine's
line to its host (AF_VSOCK) is none of them.

A filter is a classic BPF program over the call's architecture and number (seccomp(2), Linux).
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Mapping
from types import MappingProxyType

AUDIT_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
REFUSED = {
    "add_key": {"x86_64": 248, "aarch64": 217},
    "request_key": {"x86_64": 249, "aarch64": 218},
    "keyctl": {"x86_64": 250, "aarch64": 219},
    "perf_event_open": {"x86_64": 298, "aarch64": 241},
    "bpf": {"x86_64": 321, "aarch64": 280},
    "userfaultfd": {"x86_64": 323, "aarch64": 282},
    "inotify_init": {"x86_64": 253},
    "inotify_init1": {"x86_64": 294, "aarch64": 26},
    "fanotify_init": {"x86_64": 300, "aarch64": 262},
    "io_uring_setup": {"x86_64": 425, "aarch64": 425},
    "io_uring_enter": {"x86_64": 426, "aarch64": 426},
    "io_uring_register": {"x86_64": 427, "aarch64": 427},
}
TRACING = {  # refused besides where no namespace hides other processes and files
    "ptrace": {"x86_64": 101, "aarch64": 117},
    "pivot_root": {"x86_64": 155, "aarch64": 41},
    "chroot": {"x86_64": 161, "aarch64": 51},
    "mount": {"x86_64": 165, "aarch64": 40},
    "umount2": {"x86_64": 166, "aarch64": 39},
    "unshare": {"x86_64": 272, "aarch64": 97},
    "open_by_handle_at": {"x86_64": 304, "aarch64": 265},
    "setns": {"x86_64": 308, "aarch64": 268},
    "process_vm_readv": {"x86_64": 310, "aarch64": 270},
    "process_vm_writev": {"x86_64": 311, "aarch64": 271},
    "kcmp": {"x86_64": 312, "aarch64": 272},
    "open_tree": {"x86_64": 428, "aarch64": 428},
    "move_mount": {"x86_64": 429, "aarch64": 429},
    "fsopen": {"x86_64": 430, "aarch64": 430},
    "pidfd_getfd": {"x86_64": 438, "aarch64": 438},
    "mount_setattr": {"x86_64": 442, "aarch64": 442},
}
SOCKET = {"x86_64": 41, "aarch64": 198}
FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK
X32_CALLS = 0x40000000  # from here on, x86_64 numbers the same calls a second time

LOAD_WORD, JUMP_IF_EQUAL, JUMP_IF_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
NUMBER_OFFSET, ARCHITECTURE_OFFSET, FIRST_ARGUMENT_OFFSET = 0, 4, 16  # in what the kernel shows to a filter
ALLOW, REFUSE, REFUSE_FAMILY = 0x7FFF0000, 0x00050000 | errno.ENOSYS, 0x00050000 | errno.EAFNOSUPPORT


def instruction(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """Encode one instruction; a jump skips `if_true` or `if_false` of those that follow."""
    return struct.pack("=HBBI", code, if_true, if_false, operand)


def filter_program(
    machine: str = platform.machine(), also: Mapping[str, Mapping[str, int]] = MappingProxyType({})
) -> bytes | None:
    """Return the filter for a machine ("x86_64", "aarch64"); None for one whose call numbers are not known here.

    Calls of another architecture, such as those of 32-bit programs, are refused too.

    Args:
        machine: as `platform.machine` names it.
        also: calls that are refused besides `REFUSED`, by name and machine.
    """
    if machine not in AUDIT_ARCHITECTURE:
        return None
    tests = [
        (JUMP_IF_AT_LEAST, X32_CALLS),
        *((JUMP_IF_EQUAL, numbers[machine]) for numbers in (*REFUSED.values(), *also.values()) if machine in numbers),
    ]
    count, families = len(tests), len(FAMILIES)
    program = [
        instruction(LOAD_WORD, ARCHITECTURE_OFFSET),
        instruction(JUMP_IF_EQUAL, AUDIT_ARCHITECTURE[machine], if_false=count + families + 5),
        instruction(LOAD_WORD, NUMBER_OFFSET),
        *(
            instruction(code, number, if_true=count - place + families + 3)
            for place, (code, number) in enumerate(tests)
        ),
        instruction(JUMP_IF_EQUAL, SOCKET[machine], if_false=families + 2),
        instruction(LOAD_WORD, FIRST_ARGUMENT_OFFSET),
        *(instruction(JUMP_IF_EQUAL, family, if_true=families - place) for place, family in enumerate(FAMILIES)),
        instruction(RETURN, REFUSE_FAMILY),
        instruction(RETURN, ALLOW),
        instruction(RETURN, REFUSE),
    ]
    return b"".join(program)
