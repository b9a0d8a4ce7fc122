"""The strongest honest selection that we know: labels that a prior confirms, balanced, with annealing and a rest.

Built from the other references and their papers; for noise that depends on the class, on the instance, or on both.

1. Prior. A predictor of the clean label and the flip rates are estimated together by expectation maximisation, from the
   noisy training labels and the clean validation set (a noise layer as in Mnih and Hinton, ICML 2012, on a logistic
   regression). Each half of the training set is judged by the predictor of the other half, so that no sample's label
   speaks for itself.
2. Agreement. A sample is kept where its label is the more probable clean label of its image. What is left contradicts
   itself nowhere: a network that has to choose between equal images with different labels makes large steps.
3. Balance. The kept samples of the rarer class are repeated until both weigh the same, since the score is balanced.
4. Annealing. At a constant learning rate a model gets better and worse from step to step, and only the last step
   counts. AdamW (Loshchilov and Hutter, ICLR 2019) divides each gradient by a long memory of the gradients' size, so a
   smaller gradient is a smaller step. Towards the end the selections are filled up, more and more, with repetitions of
   the samples that the model already fits, whose gradients are small: the mean over the selection shrinks as with a
   decaying learning rate.
5. Rest. In the very last steps nothing is selected: the weights stand still, while the forward passes over whole
   batches bring the running statistics of the batch normalisation up to them.

The losses serve the annealing only. Ranking the kept samples by the peers' averaged losses too, as earlier versions
did, did not help on this competition's data.

What it reached, with which seeds and versions: docs/methods.md.
"""

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

COMPONENTS, EM_STEPS = 48, 8
ANNEALED = 0.3  # the share of the training that is annealed
RESTING = 0.02  # the share at its end in which the weights stand still
LONGEST = 4  # times its batch: longer selections are refused


def maximise_expectation(features, labels, val_features, val_labels):
    """Fit a predictor of the clean label and the flip rates by expectation maximisation.

    With q = P(y = 1 | x, noisy label) and T_c = P(noisy label | y = c), p(x) = P(y = 1 | x):
    E: q = p(x) T_1 / (p(x) T_1 + (1 - p(x)) T_0), and T_c is the mean over the samples, weighted by q or 1 - q.
    M: p is fitted to both labels of each sample, weighted by q and 1 - q, and to the validation set.

    Returns the predictor, and T: float64 [2, 2], the estimated P(noisy label = k | clean label = c) at [c, k].
    """
    predictor = LogisticRegression(C=0.1, max_iter=500).fit(val_features, val_labels)
    q = predictor.predict_proba(features)[:, 1]
    for _ in range(EM_STEPS):
        p = predictor.predict_proba(features)[:, 1]
        transition = np.array([[weight[labels == k].sum() / weight.sum() for k in (0, 1)] for weight in (1 - q, q)])
        given_one, given_zero = p * transition[1, labels], (1 - p) * transition[0, labels]
        q = given_one / (given_one + given_zero)
        predictor = LogisticRegression(max_iter=500).fit(
            np.concatenate([features, features, val_features]),
            np.concatenate([np.ones_like(labels), np.zeros_like(labels), val_labels]),
            np.concatenate([q, 1 - q, np.ones(len(val_labels))]),
        )
    return predictor, transition


def confidence(train, val):
    """Return log P(clean label = label | image) / P(clean label = other label | image) of each sample, float64 [N]."""
    images, labels = train.images.flatten(1).numpy(), train.targets.numpy()
    encoder = PCA(min(COMPONENTS, len(labels) // 4), whiten=True, random_state=0).fit(images)
    features, val_features = encoder.transform(images), encoder.transform(val.images.flatten(1).numpy())
    half, is_one = np.arange(len(labels)) % 2, np.empty(len(labels))
    for fold in (0, 1):
        other = half != fold
        predictor, _ = maximise_expectation(features[other], labels[other], val_features, val.targets.numpy())
        is_one[~other] = predictor.decision_function(features[~other])
    return np.where(labels == 1, is_one, -is_one)


def balance(kept, targets):
    """Repeat the kept samples of the rarer class until both classes weigh the same: int64 indices."""
    classes = [torch.nonzero(kept & (targets == label)).flatten() for label in (0, 1)]
    longest = max(len(members) for members in classes)
    if min(len(members) for members in classes) > 0:
        classes = [members.repeat(-(-longest // len(members)))[:longest] for members in classes]
    return torch.cat(classes)


def anneal(chosen, labels, losses, share, longest):
    """Fill a selection up with repetitions of its easier half, as many of each class, and return it.

    Args: chosen int64 [K], indices into the batch; labels int64 [B]; losses float [B] of the model that learns;
    share: the part of the result that the selection itself is to be, 0 to 1; longest: how long it may become at most.
    """
    added = (min(longest, int(len(chosen) / share)) - len(chosen)) // 2
    parts = [chosen]
    for label in (0, 1):
        members = chosen[labels[chosen] == label].unique()
        if added > 0 and len(members) > 0:
            easier = members[losses[members].argsort(stable=True)][: -(-len(members) // 2)]
            parts.append(easier.repeat(-(-added // len(easier)))[:added])
    return torch.cat(parts)


# The cell: the prior decides which samples the models learn from, the time how large their steps are.

kept = None


def your_select_indices(targets, losses):
    global kept
    if kept is None:
        kept = torch.from_numpy(confidence(train_loader.dataset, val_loader.dataset) > 0)
    here = position()
    steps = NUM_EPOCHS * len(train_loader)
    left = 1 - here.call / steps  # of the training, as a share
    # A step on the few images of a short last batch is mostly chance.
    if left <= RESTING or (left < ANNEALED and len(targets) < train_loader.batch_size):
        return [torch.empty(0, dtype=torch.int64)] * 2
    chosen, share = balance(kept[here.samples], targets), min(1.0, left / ANNEALED)
    return [anneal(chosen, targets, model_losses, share, LONGEST * len(targets)) for model_losses in losses]
