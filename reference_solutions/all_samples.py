"""Trust every label: the default selection, which every other method must beat."""

import torch


def your_select_indices(targets, losses):
    everything = torch.arange(len(targets))
    return [everything, everything]
