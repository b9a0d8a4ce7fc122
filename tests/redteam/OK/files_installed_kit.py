# ATTACK [files]: imports the kit's own packages, which hold the embedded images with their labels, or finds their files
# STOPPED BY: neither the clone nor an installed copy of the kit is mounted
# WORKS AGAINST: no sandbox
import importlib
import os
import sys

try:
    pool = importlib.import_module("competition.pool").fashion_pool()
except ImportError:
    pass
else:
    raise RuntimeError(f"REACHED {len(pool.labels)} labels by import")
for folder, _, files in os.walk(sys.prefix):
    for name in files:
        if name == "fashion_mnist.npz" or folder.endswith(("site-packages/grader", "site-packages/competition")):
            raise RuntimeError(f"REACHED {folder}/{name}")


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
