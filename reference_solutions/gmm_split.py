"""DivideMix's split: a mixture of two Gaussians tells the clean from the wrong by their losses.

Paper: Li, Socher and Hoi, DivideMix: Learning with noisy labels as semi-supervised learning, ICLR 2020
(arXiv 2002.07394), section 3.1 (co-divide): after each epoch a two-component mixture is fitted to one network's losses
of the whole training set; the probability of the component with the smaller mean is P(clean); samples above 0.5 make
the labelled set of the *other* network. For class-conditional noise; where hard images flip more often, hard and wrong
look alike to it.

What deviates, and why:
- One mixture per noisy class: their losses differ in level, and a common threshold would drop the rarer class.
- The paper reads the losses from an extra pass in evaluation mode. Here they are those of the training batches, with
  dropout on, and therefore averaged over the epochs: exponentially (0.5), since there are few of them. The paper takes
  an average for very high noise only, the plain mean of the last 5 epochs.
- The unlabelled rest is not used: there is no semi-supervised step in a selection.
- Warm-up is one epoch on everything; there as later, both classes are balanced by repetition.

What it reached, with which seeds and versions: docs/methods.md.
"""

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

P_THRESHOLD = 0.5
WARM_UP_EPOCHS = 1
AVERAGING = 0.5  # the weight of the newest epoch in the averaged losses


def clean_probability(losses, labels):
    """Return P(clean) of each sample, float64 [N], by a mixture per class of min-max normalised losses."""
    probability = np.ones(len(losses))
    for label in np.unique(labels):
        members = labels == label
        values = losses[members]
        if len(values) < 2 or np.ptp(values) == 0:
            continue
        normalised = ((values - values.min()) / np.ptp(values)).reshape(-1, 1)
        mixture = GaussianMixture(2, max_iter=10, tol=1e-2, reg_covar=5e-4, random_state=0).fit(normalised)
        probability[members] = mixture.predict_proba(normalised)[:, mixture.means_.argmin()]
    return probability


# The cell: losses gathered batch by batch, divided after each epoch.

averaged = None  # float64 [2, N], each model's averaged losses; NaN where a sample has not been seen yet
probabilities = None  # float64 [2, N], P(clean) by each model's losses


def divide():
    """Fit the mixtures to the averaged losses of the epoch that has ended."""
    global probabilities
    labels = train_loader.dataset.targets.numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 10 iterations are the paper's
        probabilities = np.stack([clean_probability(losses, labels) for losses in averaged])


def your_select_indices(targets, losses):
    global averaged
    here = position()
    place = here.samples
    if averaged is None:
        averaged = np.full((2, len(train_loader.dataset)), np.nan)
    if here.batch == 0 and here.epoch >= WARM_UP_EPOCHS:
        divide()
    new, old = torch.stack(losses).double().numpy(), averaged[:, place]
    averaged[:, place] = np.where(np.isnan(old), new, (1 - AVERAGING) * old + AVERAGING * new)
    selections = []
    for peer in (1, 0):
        clean = torch.ones(len(targets), dtype=torch.bool)
        if here.epoch >= WARM_UP_EPOCHS:
            clean = torch.from_numpy(probabilities[peer, place] > P_THRESHOLD)
        kept = [torch.nonzero(clean & (targets == label)).flatten() for label in (0, 1)]
        longest = max(len(members) for members in kept)
        if min(len(members) for members in kept) > 0:
            kept = [members.repeat(-(-longest // len(members)))[:longest] for members in kept]
        selections.append(torch.cat(kept))
    return selections
