# ATTACK [channel]: floods standard output and error, through Python and beside it
# STOPPED BY: of captured output the beginning is kept, and a notice says how much was dropped
import os
import sys


def your_select_indices(targets, losses):
    print("y" * 300_000)
    print("\x1b[2J\x1b]0;reached\x07\x1b[31m", file=sys.stderr)
    for _ in range(20):
        os.write(1, b"z" * 65_536)
        os.write(2, b"\xff\x00\x1b[8m" * 1000)
    return [[0], [0, 1]]
