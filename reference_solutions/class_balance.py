"""Equalise the two noisy classes by repetition, and look at no loss.

Why it works: under class-conditional noise the balanced error on noisy labels is an affine function of the balanced
error on clean labels (Menon et al., Learning from Corrupted Binary Labels, ICML 2015, section 4), so that minimising
one minimises the other. Balancing by repetition needs no knowledge of the noise. It is the baseline that every clever
method must beat; where the flips depend on the image, it is no longer enough.

What it reached, with which seeds and versions: docs/methods.md.
"""

import torch


def your_select_indices(targets, losses):
    classes = [torch.nonzero(targets == label).flatten() for label in (0, 1)]
    longest = max(len(members) for members in classes)
    if min(len(members) for members in classes) == 0:
        return [torch.arange(len(targets))] * 2

    def balanced():
        # Each member stands floor(longest / n) times, and a random rest once more.
        parts = []
        for members in classes:
            times, rest = divmod(longest, len(members))
            parts += [members.repeat(times), members[torch.randperm(len(members))[:rest]]]
        return torch.cat(parts)

    return [balanced(), balanced()]
