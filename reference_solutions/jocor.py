"""JoCoR: both models learn from the samples on which they are right and agree.

Paper: Wei et al., Combating noisy labels by agreement: A joint training method with co-regularization, CVPR 2020
(arXiv 2003.02752), equations 2 to 5: rank by (1 - lambda) (l1 + l2) + lambda (KL(p1 || p2) + KL(p2 || p1)), keep the
smallest, and give the same samples to both models. For class-conditional noise; hard images that are labelled right get
lost with the wrong.

What deviates, and why:
- Only the selection is the paper's. The divergence is not part of the loss that is minimised: the loop is fixed.
- The joint losses are ranked within each noisy class, with a forget rate for each, ramped up over the first T_k; the
  noise rates are estimated from the clean validation set; what is kept is repeated until both classes weigh the same.
- For two classes a loss tells the whole prediction, p(observed label) = exp(-l), so the divergence needs no logits.
  That is exact only while predictions are unsaturated: logits that lie more than about 14 apart have a float32 loss
  below 1e-6, which is cut off there, so that samples of which both models are that sure tie.
- The kept number is rounded, and at least 1, where the authors' code truncates: one sample more in some batches.

What it reached, with which seeds and versions: docs/methods.md.
"""

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

LAMBDA = 0.9  # the weight of agreement; the paper's value for MNIST and CIFAR-10 with symmetric noise
T_K = 10 / 200  # the share of the training over which the forget rates grow: the paper's first 10 of 200 epochs

keep_rates = None


def joint_loss(loss_1, loss_2):
    """Return (1 - lambda) (l1 + l2) + lambda (KL(p1 || p2) + KL(p2 || p1)), float64 [B] (equations 2 to 4).

    With p = exp(-loss), the probability of the observed label, both divergences together are
    (p1 - p2) (logit(p1) - logit(p2)).
    """
    losses = torch.stack([loss_1, loss_2]).double().clamp(1e-6, 30)
    p = torch.exp(-losses)
    logits = torch.logit(p)
    return (1 - LAMBDA) * losses.sum(0) + LAMBDA * (p[0] - p[1]) * (logits[0] - logits[1])


# The cell: the joint loss, class by class.


def estimate_keep_rates():
    """Estimate P(clean label = k | noisy label = k) for k = 0 and 1, with a predictor h fitted out of fold.

    c_k = P(h=1 | noisy k) = a P(y=1 | noisy k) + b (1 - P(y=1 | noisy k)), where a = P(h=1 | y=1) and b = P(h=1 | y=0)
    come from the clean validation set.
    """
    train, val = train_loader.dataset, val_loader.dataset
    images, labels = train.images.flatten(1).numpy(), train.targets.numpy()
    val_images, val_labels = val.images.flatten(1).numpy(), val.targets.numpy()
    fold = np.arange(len(labels)) % 2
    on_train, on_val = np.empty(len(labels)), np.zeros(len(val_labels))
    for held_out in (0, 1):
        h = make_pipeline(
            PCA(48, whiten=True, random_state=0), LogisticRegression(class_weight="balanced", max_iter=200)
        )
        h.fit(images[fold != held_out], labels[fold != held_out])
        on_train[fold == held_out] = h.predict(images[fold == held_out])
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
    joint = joint_loss(*losses)
    kept = []
    for label, keep_rate in enumerate(keep_rates):
        members = torch.nonzero(targets == label).flatten()
        order = torch.argsort(joint[members], stable=True)
        kept.append(members[order[: max(1, round((1 - ramp * (1 - keep_rate)) * len(members)))]])
    longest = max(len(members) for members in kept)
    if min(len(members) for members in kept) > 0:
        kept = [members.repeat(-(-longest // len(members)))[:longest] for members in kept]
    selection = torch.cat(kept)
    return [selection, selection]
