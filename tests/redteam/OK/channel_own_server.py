# ATTACK [channel]: replaces the grader's socket by a server of its own, to speak to whoever connects next
# STOPPED BY: the socket's folder is mounted read-only, and the next grading has a folder of its own
import os
import socket

for attempt in (
    lambda: os.remove("gateway/socket"),
    lambda: os.rename("gateway/socket", "gateway/old"),
    lambda: os.rename("gateway", "redteam-planted-gateway"),
    lambda: socket.socket(socket.AF_UNIX).bind("gateway/socket"),
    lambda: socket.socket(socket.AF_UNIX).bind("gateway/redteam-planted-socket"),
    lambda: os.symlink("/tmp/redteam-planted-socket", "gateway/link"),
):
    try:
        attempt()
    except OSError:
        continue
    raise RuntimeError("REACHED the socket's folder")


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
