"""DVRL-filter: learn by reinforcement how valuable each training sample is, and keep the valuable ones.

Paper: Yoon, Arik and Pfister, Data valuation using reinforcement learning, ICML 2020 (arXiv 1909.11671), Algorithm 1.
A data value estimator w(x, y) gives every sample the probability of being selected. A predictor learns from the
selected samples, its performance on clean validation data is the reward, and REINFORCE moves w towards selections with
a higher reward. No noise model enters: the method is for class-conditional and for instance-dependent noise.

What deviates, and why:
- The default predictor is a weighted ridge regression in closed form. It is exact where the paper takes
  `inner_iterations` gradient steps, and cheap enough for `masks` selections of one batch at once. Each selection's
  baseline is the mean reward of the others, so that no running average of old rewards is needed.
- The reward is a balanced log-likelihood: accuracy does not see most changes of a selection.
- `shrinkage` penalises the squared logits of the values, so that these stay near one half and measure what a sample
  adds to a random half of the data. Without it the reward goes on rising while wrong labels get high values: the
  estimator then changes the class prior and picks hard samples, which sharpens the ridge's scores.
- All values start at exactly one half. Half of the validation set gives the rewards, the other half picks the step
  whose values are kept.
- The log-probability is averaged, not summed, over the batch, and the advantage has unit variance, so that the values
  do not saturate in the first steps. With several selections a step, 200 `iterations` are enough (originally 1,000).

What it reached, with which seeds and versions: docs/methods.md.
"""

import copy
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch import nn
from torchvision.models import inception_v3


def flatten(images):
    """Turn images [N, ...] into rows, float32 [N, P]."""
    return np.asarray(images, dtype=np.float32).reshape(len(images), -1)


class InceptionV3:
    """The pooled features of an ImageNet Inception-v3: images [N, 1 or 3, H, W] from 0 to 1 -> float32 [N, 2048].

    Args:
        weights: a local file with torchvision's state dict of `inception_v3`.
    """

    def __init__(self, weights):
        self.network = inception_v3(weights=None, init_weights=False).eval()
        self.network.load_state_dict(torch.load(weights, weights_only=True))
        self.network.fc = nn.Identity()

    def fit(self, images, y=None):
        """Learn nothing: the network is pretrained."""
        return self

    @torch.no_grad()
    def transform(self, images):
        """Return the features."""
        features = []
        for batch in torch.as_tensor(images).split(64):
            batch = F.interpolate(batch.expand(-1, 3, -1, -1), size=(299, 299), mode="bilinear", antialias=True)
            features.append(self.network(2 * batch - 1).numpy())
        return np.concatenate(features)


def log_likelihood(probabilities, y):
    """Return log p(y) [..., N] of probabilities [..., N, C] and labels [N]."""
    of_label = probabilities.gather(-1, y.unsqueeze(-1).expand(*probabilities.shape[:-1], 1)).squeeze(-1)
    return of_label.clamp_min(1e-6).log()


def balanced_log_likelihood(probabilities, y):
    """Return the mean over the classes of their mean log p(y), one number per leading dimension."""
    each = log_likelihood(probabilities, y)
    return torch.stack([each[..., y == label].mean(-1) for label in y.unique()]).mean(0)


class WeightedRidge:
    """Ridge regression of one-hot labels, in closed form: W = (X' S X + l2 I)^-1 X' S Y with S = diag(weights)."""

    def __init__(self, num_classes, l2=10.0, floor=0.02):
        self.num_classes, self.l2, self.floor = num_classes, l2, floor

    def fit(self, x, y, sample_weight):
        """Fit to features [B, D] and labels [B], once for each row of weights [..., B]."""
        x = F.pad(x, (0, 1), value=1.0)  # the intercept
        weighted = x.mT * sample_weight.unsqueeze(-2)
        penalty = self.l2 * torch.eye(x.shape[1], device=x.device)
        self.coefficients = torch.linalg.solve(weighted @ x + penalty, weighted @ F.one_hot(y, self.num_classes).to(x))
        return self

    def predict_proba(self, x):
        """Return the scores, cut off at `floor` and divided by their sum, [..., N, C]."""
        scores = (F.pad(x, (0, 1), value=1.0) @ self.coefficients).clamp_min(self.floor)
        return scores / scores.sum(-1, keepdim=True)


class WeightedSoftmax:
    """Softmax regression by `inner_iterations` Adam steps on batches of `batch_size_predictor`, as in the paper."""

    def __init__(self, num_classes, inner_iterations=100, batch_size_predictor=256, learning_rate=0.01, seed=0):
        self.num_classes, self.inner_iterations, self.seed = num_classes, inner_iterations, seed
        self.batch_size_predictor, self.learning_rate = batch_size_predictor, learning_rate

    def fit(self, x, y, sample_weight):
        """Fit to features [B, D] and labels [B], once for each row of weights [..., B]."""
        x = F.pad(x, (0, 1), value=1.0)
        shape = (*sample_weight.shape[:-1], x.shape[1], self.num_classes)
        self.coefficients = torch.zeros(shape, device=x.device, requires_grad=True)
        optimizer = torch.optim.Adam([self.coefficients], lr=self.learning_rate)
        generator = torch.Generator().manual_seed(self.seed)
        for _ in range(self.inner_iterations):
            rows = torch.randint(len(x), (self.batch_size_predictor,), generator=generator).to(x.device)
            loss = -sample_weight[..., rows] * log_likelihood(torch.softmax(x[rows] @ self.coefficients, -1), y[rows])
            optimizer.zero_grad()
            loss.mean(-1).sum().backward()  # the sum keeps the selections' gradients apart
            optimizer.step()
        self.coefficients = self.coefficients.detach()
        return self

    def predict_proba(self, x):
        """Return the softmax of the scores, [..., N, C]."""
        return torch.softmax(F.pad(x, (0, 1), value=1.0) @ self.coefficients, dim=-1)


class OneByOne:
    """Gives a classifier that knows NumPy arrays and one weighting at a time the shapes of `WeightedRidge`."""

    def __init__(self, classifier, num_classes):
        self.classifier, self.num_classes = classifier, num_classes

    def fit(self, x, y, sample_weight):
        """Fit to features [B, D] and labels [B], one copy of the classifier for each row of weights [..., B]."""
        self.leading = sample_weight.shape[:-1]
        self.fitted = []
        for weights in sample_weight.reshape(-1, len(y)).cpu().numpy():
            self.fitted.append(copy.deepcopy(self.classifier))
            self.fitted[-1].fit(x.cpu().numpy(), y.cpu().numpy(), sample_weight=weights)
        return self

    def predict_proba(self, x):
        """Return the probabilities, [..., N, C]; a class that a copy never saw gets 0."""
        probabilities = torch.zeros(len(self.fitted), len(x), self.num_classes)
        for row, classifier in zip(probabilities, self.fitted, strict=True):
            known = getattr(classifier, "classes_", slice(None))
            row[:, known] = torch.as_tensor(classifier.predict_proba(x.cpu().numpy()), dtype=torch.float32)
        return probabilities.reshape(*self.leading, len(x), self.num_classes).to(x.device)


def leave_one_out_advantage(rewards):
    """Return each reward minus the mean of the others, divided by the standard deviation; rewards float32 [M]."""
    others = (rewards.sum() - rewards) / (len(rewards) - 1)
    return (rewards - others) / (rewards.std() + 1e-8)


def exploration_penalty(values, threshold=0.9, strength=1e3):
    """Keep the mean value between 1 - threshold and threshold: outside nothing is explored any more."""
    return strength * (F.relu(values.mean() - threshold) + F.relu(1 - threshold - values.mean()))


def reinforce_loss(logits, selections, advantages):
    """Return -mean_m A_m log pi(s_m), with log pi(s) = mean_i [s_i log w_i + (1 - s_i) log(1 - w_i)].

    Args:
        logits: [B], the values before the sigmoid, w = sigmoid(logits).
        selections: 0 or 1, [M, B].
        advantages: [M].
    """
    log_probability = -F.binary_cross_entropy_with_logits(logits.expand_as(selections), selections, reduction="none")
    return -(advantages * log_probability.mean(1)).mean()


class DataValueEstimator(nn.Module):
    """The value of a sample before the sigmoid: hidden layers on [x, one-hot y], then d joins, then one number.

    `layer_number` counts the hidden layers: all have `hidden_dim` units but the last two, which have `comb_dim`;
    d = |one-hot(y) - p_val(x)| joins between these.
    """

    def __init__(self, num_features, num_classes, hidden_dim, comb_dim, layer_number):
        super().__init__()
        widths = [num_features + num_classes, *[hidden_dim] * (layer_number - 2), comb_dim]
        self.hidden = nn.Sequential(*[nn.Sequential(nn.Linear(*pair), nn.ReLU()) for pair in pairwise(widths)])
        self.combined = nn.Sequential(nn.Linear(comb_dim + num_classes, comb_dim), nn.ReLU(), nn.Linear(comb_dim, 1))
        nn.init.zeros_(self.combined[-1].weight)  # every value starts at one half, not at a random guess
        nn.init.zeros_(self.combined[-1].bias)

    def forward(self, x, one_hot, d):
        """Return the values' logits [B] of features [B, D], labels [B, C] and disagreements [B, C]."""
        return self.combined(torch.cat([self.hidden(torch.cat([x, one_hot], 1)), d], 1)).squeeze(1)


class DVRL:
    """Values training samples by what a predictor gains from them on clean validation data.

    Args:
        encoder: anything with `fit(images)` and `transform(images)` -> [N, D]; None is a whitened PCA(48).
        predictor: "ridge", "softmax", or any classifier with `fit(x, y, sample_weight)` and `predict_proba`.
        hidden_dim, comb_dim, layer_number: widths and depth of the `DataValueEstimator`.
        iterations, batch_size, learning_rate: outer steps, training samples in each, Adam's step.
        inner_iterations, batch_size_predictor: steps and batch of the "softmax" predictor; "ridge" needs none.
        masks: selections drawn per outer step, at least 2.
        shrinkage: strength of the penalty on the mean squared logit of the values.
        evaluate_every: outer steps between two looks at the held-back half of the validation set.
        seed: of initialisation, batches and selections.
        device: where x, y and all networks live.

    Attributes, after `fit`:
        data_values: float32 [N], each sample's probability of being selected, stretched to the range from 0 to 1.
        predictor_: the predictor, fitted on the encoded training set weighted by the data values.
        best_step: the outer step whose values were kept.
    """

    def __init__(
        self, encoder=None, predictor="ridge", hidden_dim=100, comb_dim=10, iterations=200, layer_number=5,
        batch_size=2000, learning_rate=0.01, inner_iterations=100, batch_size_predictor=256, masks=16,
        shrinkage=0.1, evaluate_every=10, seed=0, device="cpu",
    ):  # fmt: skip
        self.encoder = encoder or make_pipeline(FunctionTransformer(flatten), PCA(48, whiten=True, random_state=seed))
        self.predictor, self.seed, self.device = predictor, seed, device
        self.inner_iterations, self.batch_size_predictor = inner_iterations, batch_size_predictor
        self.hidden_dim, self.comb_dim, self.layer_number = hidden_dim, comb_dim, layer_number
        self.iterations, self.batch_size, self.learning_rate = iterations, batch_size, learning_rate
        self.masks, self.shrinkage, self.evaluate_every = masks, shrinkage, evaluate_every

    def fit_predictor(self, x, y, weights):
        """Fit a new predictor to features [B, D] and labels [B], with weights [B], or [M, B] for M at once."""
        if self.predictor == "ridge":
            predictor = WeightedRidge(self.num_classes)
        elif self.predictor == "softmax":
            predictor = WeightedSoftmax(
                self.num_classes, self.inner_iterations, self.batch_size_predictor, seed=self.seed
            )
        else:
            predictor = OneByOne(self.predictor, self.num_classes)
        return predictor.fit(x, y, weights)

    def performance(self, x, y, weights, val_x, val_y):
        """Return the validation performance of the predictor that learns with weights [..., B]; shape [...]."""
        return balanced_log_likelihood(self.fit_predictor(x, y, weights).predict_proba(val_x), val_y)

    def encode(self, images):
        """Return the features of images [N, ...], float32 [N, D]."""
        return torch.as_tensor(self.encoder.transform(images), dtype=torch.float32, device=self.device)

    def fit(self, images, labels, val_images, val_labels):
        """Value every training sample: images [N, ...], noisy labels int64 [N], clean validation data likewise."""
        generator = torch.Generator().manual_seed(self.seed)
        self.encoder.fit(images)
        x, val_x = self.encode(images), self.encode(val_images)
        y, val_y = torch.as_tensor(labels, device=self.device), torch.as_tensor(val_labels, device=self.device)
        self.num_classes = int(max(y.max(), val_y.max())) + 1
        one_hot = F.one_hot(y, self.num_classes).to(x)
        validation_model = self.fit_predictor(val_x, val_y, torch.ones_like(val_y, dtype=x.dtype))
        d = (one_hot - validation_model.predict_proba(x)).abs()

        order = torch.randperm(len(val_y), generator=generator).to(self.device)
        order = order[torch.argsort(val_y[order], stable=True)]
        rewarded, held_back = order[0::2], order[1::2]  # both halves with the same share of each class

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            sizes = (self.hidden_dim, self.comb_dim, self.layer_number)
            estimator = DataValueEstimator(x.shape[1], self.num_classes, *sizes).to(self.device)
        optimizer = torch.optim.Adam(estimator.parameters(), lr=self.learning_rate)
        best = -np.inf
        for step in range(1, self.iterations + 1):
            batch = torch.randperm(len(y), generator=generator)[: self.batch_size].to(self.device)
            logits = estimator(x[batch], one_hot[batch], d[batch])
            values = torch.sigmoid(logits)
            draws = torch.rand(self.masks, len(batch), generator=generator).to(self.device)
            selections = (draws < values.detach()).to(x)
            rewards = self.performance(x[batch], y[batch], selections, val_x[rewarded], val_y[rewarded])
            loss = reinforce_loss(logits, selections, leave_one_out_advantage(rewards)) + exploration_penalty(values)
            loss = loss + self.shrinkage * logits.square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % self.evaluate_every == 0 or step == self.iterations:
                with torch.no_grad():
                    values = torch.sigmoid(estimator(x, one_hot, d))
                score = self.performance(x, y, values, val_x[held_back], val_y[held_back]).item()
                if score > best:
                    best, self.best_step, best_values = score, step, values
        self.data_values = (best_values - best_values.min()) / (best_values.max() - best_values.min()).clamp_min(1e-12)
        self.predictor_ = self.fit_predictor(x, y, self.data_values)
        self.data_values = self.data_values.cpu().numpy()
        return self

    def predict_proba(self, images):
        """Return p(y | image) of the predictor that learned from the valued samples, float32 [N, C]."""
        return self.predictor_.predict_proba(self.encode(images))


# The cell: the core applied to this competition.
kept = None


def estimate_right_shares(x, y, val_x, val_y):
    """Estimate P(clean label = k | noisy label = k) for k = 0 and 1, from features and labels.

    With a predictor h, let a = P(h=1 | y=1) and b = P(h=1 | y=0), measured on validation samples that h was not fitted
    on, and c_k = P(h=1 | noisy label k) on the training set. Then P(y=1 | noisy k) = (c_k - b) / (a - b).
    """
    a, b, c = [], [], []
    for fold in range(5):
        out = torch.arange(len(val_y)) % 5 == fold
        weights = 1 / val_y[~out].bincount()[val_y[~out]]  # both classes weigh the same
        h = WeightedRidge(2).fit(val_x[~out], val_y[~out], weights * len(weights) / 2)
        on_val, on_train = h.predict_proba(val_x[out])[:, 1] > 0.5, h.predict_proba(x)[:, 1] > 0.5
        a.append(on_val[val_y[out] == 1].float().mean())
        b.append(on_val[val_y[out] == 0].float().mean())
        c.append([on_train[y == label].float().mean() for label in (0, 1)])
    a, b, c = np.mean(a), np.mean(b), np.mean(c, axis=0)
    is_one = np.clip((c - b) / (a - b), 0.02, 0.98)
    return 1 - is_one[0], is_one[1]


def keep_valuable():
    """Fit DVRL; return which training samples to keep, bool [N]: of each noisy class its share of right labels."""
    train, val = train_loader.dataset, val_loader.dataset
    dvrl = DVRL().fit(train.images, train.targets, val.images, val.targets)
    shares = estimate_right_shares(dvrl.encode(train.images), train.targets, dvrl.encode(val.images), val.targets)
    values, kept = torch.from_numpy(dvrl.data_values), torch.zeros(len(train.targets), dtype=torch.bool)
    for label, share in enumerate(shares):
        members = torch.nonzero(train.targets == label).flatten()
        kept[members[values[members].argsort(descending=True, stable=True)[: round(share * len(members))]]] = True
    return kept


def your_select_indices(targets, losses):
    global kept
    if kept is None:
        kept = keep_valuable()
    here = kept[position().samples]
    members = [torch.nonzero(here & (targets == label)).flatten() for label in (0, 1)]
    longest = max(len(indices) for indices in members)
    selections = []
    for _ in range(2):  # each model repeats others of the rarer class
        repeated = [indices[torch.randperm(longest) % len(indices)] for indices in members if len(indices)]
        selections.append(torch.cat(repeated) if repeated else torch.empty(0, dtype=torch.int64))
    return selections
