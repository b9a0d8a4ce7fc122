"""Trust every label: the default selection, which every other method must beat.

What it reached, with which seeds and versions: docs/methods.md.
"""

import torch


def your_select_indices(targets, losses):
    everything = torch.arange(len(targets))
    return [everything, everything]
