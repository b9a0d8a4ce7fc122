"""DataRater: ratings of the training samples, learned by gradients through the training itself; here as a filter.

Paper: Calian et al., DataRater: Meta-learned dataset curation (arXiv 2505.17895), section 2 and Algorithm 1. A rater
network scores every sample; inner models learn from batches that are weighted by these scores; the rater follows the
gradient of their held-out loss. The rater is never told which label is wrong.

Regime: class-conditional or instance-dependent noise. It needs clean held-out samples, and features in which right and
wrong labels differ.

What deviates from the paper and the original guide, and why:
- The rater sees the label and the disagreement d = |one-hot(y) - p_val(x)| of a predictor p_val that was fitted on the
  held-out set alone. A rater of the image alone cannot see a wrong label.
- The softmax runs within each class of the batch, and every class gets the same mass. Over the whole batch, the rater
  first learns to shift the class prior, which is no property of a sample. The held-out loss is balanced likewise.
- The inner models share each batch, so that the rater scores it once; they differ by start and age.
- The population is refreshed one model after the other. So it holds models of every age at every step, and the
  meta-loss of one step is comparable with that of the next.
- No early stop: within 400 meta-steps the ratings were not seen to drift (one seed, looked at every 50 steps).
- A default that differs from the guide's says so beside its value.

Where d is this good, the ratings follow it: on this competition's data d alone finds wrong labels as well as they do.

What it reached, with which seeds and versions: docs/methods.md.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, TensorDataset


@dataclass(frozen=True)
class Parameters:
    """The guide's parameters, under its names."""

    inner_lr: float = 0.5  # guide: 1e-3, with which two steps hardly move a model, and the meta-gradient is tiny
    outer_lr: float = 1e-2  # guide: 3e-4, too slow for a rater that learns from scratch in some seconds
    meta_steps: int = 400  # guide: 1000; at the larger rates the ratings have settled by then
    inner_steps: int = 2
    meta_refresh_steps: int = 16  # guide: 150; at the larger inner_lr a model is trained sooner
    grad_clip_norm: float = 5.0
    num_inner_models: int = 8
    batch_size: int = 128
    eval_every: int = 50  # meta-steps between two entries of the log


def class_softmax(scores, labels):
    """Softmax within each class; the classes that are there share the mass of 1 equally.

    Args: scores float [B], labels int64 [B]. Returns: weights float [B], which sum to 1.
    """
    members = F.one_hot(labels).bool()
    log_mass = torch.where(members, scores.unsqueeze(1), -1e9).logsumexp(0)
    return (scores - log_mass[labels]).exp() / members.any(0).sum()


def endless(loader, device):
    """Yield the batches of `loader`, pass after pass, their parts moved to `device`."""
    while True:
        for batch in loader:
            yield [part.to(device) for part in batch]


class DataRater:
    """Meta-learns a rater; any data, any modules.

    Args:
        make_inner: makes a fresh inner model without buffers: inputs [B, ...] -> logits float [B, C].
        make_rater: makes the rater: (inputs [B, ...], labels int64 [B], disagreement [B, ...]) -> scores float [B].
        parameters: see `Parameters`.

    Attributes:
        rater: the rater network.
        meta_losses: list of (meta-step, mean held-out loss since the last entry).

    Random numbers come from torch's global generator, as in torch's own layers and loaders.
    """

    def __init__(self, make_inner, make_rater, parameters=None):
        self.parameters = parameters or Parameters()
        self.make_inner, self.rater = make_inner, make_rater()
        self.skeleton = make_inner()
        models = [make_inner() for _ in range(self.parameters.num_inner_models)]
        self.population = {name: stack.detach() for name, stack in stack_module_state(models)[0].items()}
        self.optimizer = torch.optim.Adam(self.rater.parameters(), lr=self.parameters.outer_lr)
        self.meta_losses = []

    def losses(self, population, inputs, labels):
        """Return the cross-entropy of every sample under every inner model, float [P, B]."""

        def forward(weights, batch):
            return functional_call(self.skeleton, weights, (batch,))

        logits = vmap(forward, in_dims=(0, None), randomness="different")(population, inputs)
        return F.cross_entropy(logits.transpose(1, 2), labels.expand(len(logits), -1), reduction="none")

    def inner_step(self, population, weights, inputs, labels):
        """theta' = theta - inner_lr * grad sum_i w_i l_i(theta), for every inner model at once.

        The sum over the models leaves each one its own gradient; `create_graph` keeps the way back to w.
        """
        loss = (self.losses(population, inputs, labels) @ weights).sum()
        gradients = torch.autograd.grad(loss, list(population.values()), create_graph=True)
        rate = self.parameters.inner_lr
        return {name: theta - rate * g for (name, theta), g in zip(population.items(), gradients, strict=True)}

    def meta_loss(self, population, train_batches, held_out):
        """Return the balanced held-out loss after the inner steps, mean over the models, and the stepped models."""
        for inputs, labels, disagreement in train_batches:
            weights = class_softmax(self.rater(inputs, labels, disagreement), labels)
            population = self.inner_step(population, weights, inputs, labels)
        inputs, labels = held_out
        losses = self.losses(population, inputs, labels)
        balanced = class_softmax(losses.new_zeros(len(labels)), labels)
        return (losses @ balanced).mean(), population

    def refresh(self, step):
        """Replace each inner model every `meta_refresh_steps` steps, the models in turn."""
        every, count = self.parameters.meta_refresh_steps, self.parameters.num_inner_models
        for which in range(count):
            if step > 0 and (step - which * every // count) % every == 0:
                for name, fresh in self.make_inner().named_parameters():
                    self.population[name][which] = fresh.detach()

    def fit(self, train_loader, held_out_loader):
        """Learn the rater (Algorithm 1).

        Args:
            train_loader: yields (inputs, labels int64 [B], disagreement), shuffled.
            held_out_loader: yields (inputs, labels) with clean labels, shuffled.
        """
        device = next(self.rater.parameters()).device
        train, held_out = endless(train_loader, device), endless(held_out_loader, device)
        recent = []
        for step in range(self.parameters.meta_steps):
            self.refresh(step)
            population = {name: theta.requires_grad_() for name, theta in self.population.items()}
            train_batches = [next(train) for _ in range(self.parameters.inner_steps)]
            loss, population = self.meta_loss(population, train_batches, next(held_out))
            self.population = {name: theta.detach() for name, theta in population.items()}
            self.optimizer.zero_grad()
            loss.backward(inputs=list(self.rater.parameters()))
            nn.utils.clip_grad_norm_(self.rater.parameters(), self.parameters.grad_clip_norm)
            self.optimizer.step()
            recent.append(loss.item())
            if (step + 1) % self.parameters.eval_every == 0:
                self.meta_losses.append((step + 1, sum(recent) / len(recent)))
                recent = []
        return self

    @torch.no_grad()
    def rate(self, loader):
        """Return the ratings of all samples of `loader` (as `train_loader` of `fit`), float32 [N], in its order.

        A softmax within classes leaves each class's scores with an offset of their own. The rating is therefore the
        logarithm of the sample's weight among all samples of its class, relative to their mean weight.
        """
        device = next(self.rater.parameters()).device
        moved = ([part.to(device) for part in batch] for batch in loader)
        scored = [(self.rater(*batch), batch[1]) for batch in moved]
        scores, labels = (torch.cat(parts) for parts in zip(*scored, strict=True))
        for label in labels.unique():
            members = labels == label
            scores[members] -= scores[members].logsumexp(0) - members.sum().log()
        return scores.cpu()

    def save(self, path):
        """Write the rater's weights."""
        torch.save(self.rater.state_dict(), path)

    def load(self, path):
        """Read the rater's weights; nothing else in the file is ever executed."""
        self.rater.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))


class MLPRater(nn.Module):
    """One hidden layer on [features, one-hot label, disagreement].

    The features, of variance 1, enter at a tenth of their size: so the rater starts from label and disagreement, and
    is slow to learn single held-out images by heart.
    """

    def __init__(self, features, classes, hidden=64):
        super().__init__()
        self.classes = classes
        self.layers = nn.Sequential(nn.Linear(features + 2 * classes, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, inputs, labels, disagreement):
        """Return scores, float [B]."""
        one_hot = F.one_hot(labels, self.classes).to(inputs.dtype)
        return self.layers(torch.cat([0.1 * inputs, one_hot, disagreement], 1)).squeeze(1)


def batches(*tensors, batch_size, shuffle):
    """Make a loader that cuts whole batches out of tensors, which is faster than sample by sample.

    Shuffled, it drops a short last batch, in which each sample would weigh more.
    """
    data = TensorDataset(*tensors)
    sampler = RandomSampler(data) if shuffle else SequentialSampler(data)
    return DataLoader(
        data, sampler=BatchSampler(sampler, min(batch_size, len(data)), drop_last=shuffle), batch_size=None
    )


# The cell: the core applied to this competition.
PARAMETERS = Parameters()
COMPONENTS = 48
kept = None  # bool [N], the training samples that are kept, in file order


def estimate_keep_rates(features, labels, val_features, val_labels):
    """Estimate P(clean label = k | noisy label = k) for k = 0 and 1.

    With a predictor h, let a = P(h=1 | y=1) and b = P(h=1 | y=0), measured on the clean validation set, and
    c_k = P(h=1 | noisy label k), measured on training samples that h was not fitted on. Then
    P(y=1 | noisy k) = (c_k - b) / (a - b).
    """
    half = np.arange(len(labels)) % 2
    on_train, on_val = np.empty(len(labels)), np.zeros(len(val_labels))
    for fold in (0, 1):
        h = LogisticRegression(class_weight="balanced", max_iter=200)
        h.fit(features[half != fold], labels[half != fold])
        on_train[half == fold] = h.predict(features[half == fold])
        on_val += h.predict(val_features) / 2
    a, b = on_val[val_labels == 1].mean(), on_val[val_labels == 0].mean()
    is_one = [np.clip((on_train[labels == k].mean() - b) / (a - b), 0.02, 0.98) for k in (0, 1)]
    return 1 - is_one[0], is_one[1]


def rate_samples():
    """Fit the rater on PCA features; return the features of both splits and the ratings, float32 [N]."""
    train, val = train_loader.dataset, val_loader.dataset
    pixels = [split.images.flatten(1).numpy() for split in (train, val)]
    pca = PCA(COMPONENTS, whiten=True, random_state=0).fit(np.concatenate(pixels))
    features, val_features = (pca.transform(part).astype(np.float32) for part in pixels)
    predictor = LogisticRegression(C=0.1, class_weight="balanced", max_iter=200).fit(val_features, val.targets.numpy())
    predicted = torch.from_numpy(predictor.predict_proba(features).astype(np.float32))
    samples = torch.from_numpy(features), train.targets, (F.one_hot(train.targets) - predicted).abs()
    rater = DataRater(
        lambda: nn.Sequential(nn.Linear(COMPONENTS, 64), nn.ReLU(), nn.Linear(64, 2)),
        lambda: MLPRater(COMPONENTS, 2),
        PARAMETERS,
    )
    size = PARAMETERS.batch_size
    rater.fit(
        batches(*samples, batch_size=size, shuffle=True),
        batches(torch.from_numpy(val_features), val.targets, batch_size=size, shuffle=True),
    )
    return features, val_features, rater.rate(batches(*samples, batch_size=size, shuffle=False))


def choose_samples():
    """Return which training samples are kept, bool [N]: of each noisy class the best rated, as many as are right."""
    features, val_features, ratings = rate_samples()
    labels, val_labels = train_loader.dataset.targets, val_loader.dataset.targets
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    keep_rates = estimate_keep_rates(features, labels.numpy(), val_features, val_labels.numpy())
    for label, keep_rate in enumerate(keep_rates):
        members = torch.nonzero(labels == label).flatten()
        chosen[members[ratings[members].argsort(descending=True)[: round(keep_rate * len(members))]]] = True
    return chosen


def your_select_indices(targets, losses):
    global kept
    if kept is None:
        kept = choose_samples()
    here = kept[position().samples]
    classes = [torch.nonzero(here & (targets == label)).flatten() for label in (0, 1)]
    longest = max(len(members) for members in classes)
    if min(len(members) for members in classes) > 0:
        classes = [members.repeat(-(-longest // len(members)))[:longest] for members in classes]
    return [torch.cat(classes)] * 2
