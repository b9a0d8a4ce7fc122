"""Co-teaching, with a quota for each class and keep rates estimated from the validation set.

Paper: Han et al., Co-teaching: Robust training of deep neural networks with extremely noisy labels, NeurIPS 2018
(arXiv 1804.06872), Algorithm 1: each network takes the samples with the smallest loss of its *peer*. The share that is
forgotten, R(t), grows linearly from 0 to the noise rate over the first T_k epochs, since networks learn clean patterns
first and wrong labels later. For class-conditional noise; hard images that are labelled right get lost with the wrong.

What deviates, and why:
- Class-aware quota: the small losses are ranked within each noisy class, and each class has a forget rate of its own.
  Ranked together, the class with more wrong labels would vanish.
- The noise rates, which the paper takes as known, are estimated from the clean validation set, once, at the first call.
- The kept samples of the rarer class are repeated until both classes weigh the same, since the score is balanced.
- T_k is the paper's share of the training (10 of 200 epochs), counted in batches: here it is 0.3 epochs.
- A quota is rounded, and at least 1, where the authors' code truncates: one sample more in some batches.

What it reached, with which seeds and versions: docs/methods.md.
"""

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

T_K = 10 / 200  # the share of the training over which the forget rates grow

keep_rates = None


def estimate_keep_rates():
    """Estimate P(clean label = k | noisy label = k) for k = 0 and 1.

    With a predictor h, let a = P(h=1 | y=1) and b = P(h=1 | y=0), measured on the clean validation set, and
    c_k = P(h=1 | noisy label k), measured on training images that h was not fitted on. Then
    c_k = a P(y=1 | noisy k) + b (1 - P(y=1 | noisy k)), so P(y=1 | noisy k) = (c_k - b) / (a - b).
    """
    train, val = train_loader.dataset, val_loader.dataset
    images, labels = train.images.flatten(1).numpy(), train.targets.numpy()
    val_images, val_labels = val.images.flatten(1).numpy(), val.targets.numpy()
    half = np.arange(len(labels)) % 2
    on_train, on_val = np.empty(len(labels)), np.zeros(len(val_labels))
    for fold in (0, 1):
        h = make_pipeline(
            PCA(48, whiten=True, random_state=0), LogisticRegression(class_weight="balanced", max_iter=200)
        )
        h.fit(images[half != fold], labels[half != fold])
        on_train[half == fold] = h.predict(images[half == fold])
        on_val += h.predict(val_images) / 2
    a, b = on_val[val_labels == 1].mean(), on_val[val_labels == 0].mean()
    is_one = [np.clip((on_train[labels == k].mean() - b) / (a - b), 0.02, 0.98) for k in (0, 1)]
    return 1 - is_one[0], is_one[1]


def your_select_indices(targets, losses):
    global keep_rates
    if keep_rates is None:
        keep_rates = estimate_keep_rates()
    steps = NUM_EPOCHS * len(train_loader)
    ramp = min(position().call / (T_K * steps), 1.0)
    selections = []
    for peer_losses in (losses[1], losses[0]):
        kept = []
        for label, keep_rate in enumerate(keep_rates):
            members = torch.nonzero(targets == label).flatten()
            order = torch.argsort(peer_losses[members], stable=True)
            quota = (1 - ramp * (1 - keep_rate)) * len(members)  # (1 - R(t)) times the size of the class
            kept.append(members[order[: max(1, round(quota))]])
        longest = max(len(members) for members in kept)
        if min(len(members) for members in kept) > 0:
            kept = [members.repeat(-(-longest // len(members)))[:longest] for members in kept]
        selections.append(torch.cat(kept))
    return selections
