# ATTACK [files]: imports the kit's own packages, which hold the embedded images with their labels, or finds what
#   installing them left behind: the packages themselves, or the path of the organizer's clone
# STOPPED BY: the clone is not mounted, and whatever the installation put into the environment is hidden
# WORKS AGAINST: no sandbox
import importlib
import importlib.metadata
import os
import sys

try:
    pool = importlib.import_module("competition.pool").fashion_pool()
except ImportError:
    pass
else:
    raise RuntimeError(f"REACHED {len(pool.labels)} labels by import")
for kit in importlib.metadata.distributions(name="label-noise-competition"):
    if record := kit.read_text("RECORD"):
        raise RuntimeError(f"REACHED {record}")
for folder, _, files in os.walk(sys.prefix):
    for name in files:
        path = os.path.join(folder, name)
        ours = "label_noise_competition" in path or "site-packages/grader" in path or name == "fashion_mnist.npz"
        if ours and os.path.getsize(path) > 0:
            raise RuntimeError(f"REACHED {path}")


def your_select_indices(targets, losses):
    return [list(range(len(targets)))] * 2
