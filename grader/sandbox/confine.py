"""Confine this process for good, then become a command: Landlock, a filter of system calls, limits, no capabilities.

Run as a program by `grader.sandbox.confined`, with nothing but the standard library: its one argument is the number of
a descriptor, from which it reads what is allowed as JSON. What Landlock is: landlock(7), Linux. It restricts what may
be opened, made and removed; that a file exists, and how large it is, everybody may still ask.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import stat
import struct
import sys
from collections.abc import Iterable
from typing import Any

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # system calls, the same on every machine
CREATE_RULESET_VERSION, RULE_PATH_BENEATH = 1, 1
CAPABILITY_VERSION = 0x20080522
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
BASIC = (1 << 13) - 1  # all rights of the first version
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
LATER_RIGHTS = {2: REFER, 3: TRUNCATE, 5: IOCTL_DEV}  # by the version that brought them
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
READ = EXECUTE | READ_FILE | READ_DIR
SCOPES, SCOPES_VERSION = 0b11, 6  # neither abstract sockets nor signals to processes outside
LEAST_VERSION = 3  # before, a file that may not be opened could still be emptied

libc = ctypes.CDLL(None, use_errno=True)


class SocketFilterProgram(ctypes.Structure):
    """The kernel's ``struct sock_fprog``: how many instructions, and where."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def checked(result: int, what: str) -> int:
    """Return a result that is none of an error; else end this process, with what failed."""
    if result < 0:
        sys.exit(f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def landlock_version() -> int:
    """Return which version of Landlock the kernel has; 0 where it has none, or it is switched off."""
    return max(int(libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), CREATE_RULESET_VERSION)), 0)


def rights(version: int) -> int:
    """Return all rights to files that a version handles: what is handled and not granted is refused."""
    handled = BASIC
    for since, right in LATER_RIGHTS.items():
        handled |= right if version >= since else 0
    return handled


def allow(ruleset: int, path: str, wanted: int) -> None:
    """Grant rights to a file, or to all below a folder; what is not there is passed over."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    granted = wanted if stat.S_ISDIR(os.fstat(descriptor).st_mode) else wanted & OF_FILES
    rule = ctypes.create_string_buffer(struct.pack("=Qi", granted, descriptor))
    checked(libc.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, 0), f"Landlock does not take {path}")
    os.close(descriptor)


def restrict_files(read: Iterable[str], write: Iterable[str]) -> None:
    """Leave this process, and all that it starts, these files and folders: to read and execute, and to write too."""
    version = landlock_version()
    if version < LEAST_VERSION:
        sys.exit(f"this kernel has version {version} of Landlock, {LEAST_VERSION} is needed")
    handled = rights(version)
    attributes = struct.pack("=QQQ", handled, 0, SCOPES if version >= SCOPES_VERSION else 0)
    if version < SCOPES_VERSION:
        attributes = attributes[:8]  # an older kernel knows of nothing behind
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    ruleset = checked(libc.syscall(CREATE_RULESET, buffer, ctypes.c_size_t(len(attributes)), 0), "Landlock")
    for path in read:
        allow(ruleset, path, READ)
    for path in write:
        allow(ruleset, path, handled)
    checked(libc.syscall(RESTRICT_SELF, ruleset, 0), "Landlock")
    os.close(ruleset)


def filter_calls(program: bytes) -> None:
    """Have the kernel filter the system calls of this process; see `grader.sandbox.system_calls`."""
    filtering = SocketFilterProgram(len(program) // 8, program)
    checked(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(filtering), 0, 0), "the filter of calls")


def drop_capabilities() -> None:
    """Give up every capability; without new privileges, no program that is started later gets one back."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", CAPABILITY_VERSION, 0))
    checked(libc.capset(header, ctypes.create_string_buffer(24)), "the capabilities")


def become(allowed: dict[str, Any]) -> None:
    """Confine this process as `allowed` says, and become its command."""
    os.chdir(allowed["folder"])
    for kind, most in allowed["limits"]:
        resource.setrlimit(kind, (most, most))
    checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    drop_capabilities()
    restrict_files(allowed["read"], allowed["write"])
    filter_calls(bytes.fromhex(allowed["filter"]))
    os.execve(allowed["command"][0], allowed["command"], allowed["environment"])


if __name__ == "__main__":
    with open(int(sys.argv[1]), encoding="utf-8") as stream:
        told = json.load(stream)
    become(told)
