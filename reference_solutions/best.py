"""The strongest honest selection that we know: a prior from the images, the peer's averaged losses, annealing.

Built from the other references and their papers; for noise that depends on the class, on the instance, or on both.

1. Prior. A predictor of the clean label and the flip rates are estimated together by expectation maximisation, from the
   noisy training labels and the clean validation set (a noise layer as in Mnih and Hinton, ICML 2012, on a logistic
   regression). By Bayes' rule they give P(label is right | image, label), before a network has seen the label. Each
   half of the training set is judged by the predictor of the other half.
2. Evidence. For two classes a loss is a whole prediction, p(label) = exp(-loss). The peer's log-odds for the label,
   averaged over the epochs, are added to the prior. They are the peer's, as in co-teaching (Han et al., NeurIPS 2018),
   so that a model does not confirm its own mistakes.
3. Quota. Each noisy class keeps as many samples as the prior holds to be right; they are ranked over the whole training
   set, not within a batch. Both classes weigh the same.
4. Annealing. At a constant learning rate a model gets better and worse from step to step, and only the last step
   counts. AdamW (Loshchilov and Hutter, ICLR 2019) divides each gradient by a long memory of the gradients' size, so a
   smaller gradient is a smaller step. In the last tenth of the training the selections are filled up, more and more,
   with repetitions of the samples that the model already fits, whose gradients are small: the mean over the selection
   shrinks as with a decaying learning rate (in one measured training gradients to a third, steps to a half), and the
   doubtful samples lose their weight.

What it reached, with which seeds and versions: reference_solutions/README.md.
"""

import numpy as np
import torch
from scipy.special import expit
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

COMPONENTS, EM_STEPS = 48, 8
AVERAGING = 0.5  # the weight of the newest epoch in the averaged evidence
LARGEST_LOG_ODDS = 4.0  # no single view of a sample counts for more
ANNEALED = 0.1  # the share of the training that is annealed
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


def prior_log_odds(train, val):
    """Return log P(label right | image, label) / P(label wrong | image, label) of each training sample, float64 [N]."""
    images, labels = train.images.flatten(1).numpy(), train.targets.numpy()
    encoder = PCA(min(COMPONENTS, len(labels) // 4), whiten=True, random_state=0).fit(images)
    features, val_features = encoder.transform(images), encoder.transform(val.images.flatten(1).numpy())
    half, log_odds = np.arange(len(labels)) % 2, np.empty(len(labels))
    for fold in (0, 1):
        other = half != fold
        predictor, transition = maximise_expectation(features[other], labels[other], val_features, val.targets.numpy())
        is_one = predictor.decision_function(features[~other]) + np.log(transition[1] / transition[0])[labels[~other]]
        log_odds[~other] = np.where(labels[~other] == 1, is_one, -is_one)
    return log_odds


def quota(scores, labels, keep_rates):
    """Return which samples are among the best of their noisy class, as many as have a right label, bool [N]."""
    kept = np.zeros(len(scores), dtype=bool)
    for label, keep_rate in enumerate(keep_rates):
        members = np.flatnonzero(labels == label)
        kept[members[np.argsort(-scores[members], kind="stable")[: round(keep_rate * len(members))]]] = True
    return kept


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


# The cell: the evidence grows batch by batch; each model learns from what the prior and its peer believe.

prior = evidence = keep_rates = kept = None
next_start = 0
calls = 0


def locate(targets):
    """Return where the batch stands in the file order; after an interrupted training it is found by its labels."""
    global next_start
    labels, size = train_loader.dataset.targets, train_loader.batch_size
    starts = [next_start, *range(0, len(labels), size)]
    start = next(start for start in starts if torch.equal(labels[start : start + size], targets))
    next_start = (start + size) % (-(-len(labels) // size) * size)
    return slice(start, start + len(targets))


def your_select_indices(targets, losses):
    global prior, evidence, keep_rates, kept, calls
    labels, steps = train_loader.dataset.targets.numpy(), NUM_EPOCHS * len(train_loader)
    if prior is None:
        prior = prior_log_odds(train_loader.dataset, val_loader.dataset)
        keep_rates = [expit(prior[labels == label]).mean() for label in (0, 1)]
    if calls % steps == 0:  # a training begins
        evidence = np.zeros((2, len(labels)))
        kept = np.stack([quota(prior, labels, keep_rates)] * 2)
    place = locate(targets)
    if place.start == 0 and calls % steps:  # an epoch has ended
        kept = np.stack([quota(prior + evidence[peer], labels, keep_rates) for peer in (1, 0)])

    p_label = torch.exp(-torch.stack(losses).double()).numpy()
    log_odds = np.log(np.maximum(p_label, 1e-9)) - np.log(np.maximum(1 - p_label, 1e-9))
    log_odds = np.clip(log_odds, -LARGEST_LOG_ODDS, LARGEST_LOG_ODDS)
    weight = AVERAGING if calls % steps >= len(train_loader) else 1.0
    evidence[:, place] += weight * (log_odds - evidence[:, place])

    share = (steps - calls % steps) / (ANNEALED * steps)  # below 1 in the last tenth
    calls += 1
    if share < 1 and len(targets) < train_loader.batch_size:
        return [torch.empty(0, dtype=torch.int64)] * 2  # a step on the few images of a last batch is mostly chance
    selections = []
    for model in (0, 1):
        classes = [torch.from_numpy(np.flatnonzero(kept[model, place] & (targets.numpy() == k))) for k in (0, 1)]
        longest = max(len(members) for members in classes)
        if min(len(members) for members in classes) > 0:
            classes = [members.repeat(-(-longest // len(members)))[:longest] for members in classes]
        selections.append(anneal(torch.cat(classes), targets, losses[model], min(share, 1.0), LONGEST * len(targets)))
    return selections
