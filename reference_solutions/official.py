"""The olympiad's published solution: the smallest losses of the peer, 50 % of class 0 and 93 % of class 1.

It is co-teaching (Han et al., 2018) with a fixed keep rate for each noisy class, truncated as in the source. The two
rates carry what its authors knew of the noise, most of which sits in the labels of class 0; another edition of it keeps
92 % of class 1. On the olympiad's own data it is published with a BAC of 0.8812.

What it reached here, with which seeds and versions: docs/methods.md.
"""

import torch

KEEP_RATES = (0.5, 0.93)  # of the samples labelled 0, and of those labelled 1


def your_select_indices(targets, losses):
    selections = []
    for peer_losses in (losses[1], losses[0]):
        kept = []
        for label, rate in enumerate(KEEP_RATES):
            members = torch.nonzero(targets == label).flatten()
            order = torch.argsort(peer_losses[members], stable=True)
            kept.append(members[order[: int(rate * len(members))]])
        selections.append(torch.cat(kept))
    return selections
