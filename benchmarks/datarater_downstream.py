"""Is a classifier better when it learns from what DataRater keeps? Downstream accuracy against two controls.

    python -m benchmarks.datarater_downstream [--attack] [--full] [--out FILE.json] [--plot]

Data: ten-class Fashion-MNIST. A fraction of the training images or labels is spoilt:

- ``images``: the pixels of the image are shuffled, with another permutation for each image;
- ``labels``: the label becomes one of the nine others, all equally likely.

The rater (``reference_solutions/datarater_filter.py``, features PCA-48) learns from these and from clean held-out
images. Then classifiers (784-128-10, ReLU, Adam) are trained, from the same weights and on the same batches: on
everything (baseline), without the lowest-rated share of each batch (filtered), and without a random share of each batch
(random). The share is 10 %, as in the original guide, and then the spoilt fraction itself.

``--attack`` adds the accuracy under projected gradient descent (Madry et al., arXiv 1706.06083) in the L-infinity ball:
random start, 40 steps of eps / 30 each, eps 0.3, the numbers that are common for MNIST. The classifiers are trained
without an attack, so next to nothing survives at 0.3, where a difference is one of single images; the smaller eps is
there to tell the trainings apart.

Printed: mean and sample standard deviation over the seeds, and the standard error of the differences, seed by seed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from torch import nn

from competition.pool.make_pool import DEFAULT_FOLDER, read_part
from reference_solutions.datarater_filter import DataRater, MLPRater, Parameters, batches

RESULTS = Path(__file__).with_name("results") / "datarater_downstream.json"
CLASSES = 10
COMPONENTS = 48
GUIDE_SHARE = 0.1
BATCH_SIZE = 128
REGIMES = {"images": "corrupted images", "labels": "flipped labels"}


@dataclass(frozen=True)
class Settings:
    """One run's numbers.

    Attributes:
        train, held_out, test: images per split.
        fraction: share of the training samples that is spoilt.
        seeds, epochs: repetitions, and epochs of each classifier.
        attacked: test images that are attacked.
        eps, pgd_step, pgd_steps: radii of the attack, one step as a share of eps, number of steps.
    """

    train: int
    held_out: int
    test: int
    fraction: float
    seeds: int
    epochs: int
    attacked: int
    eps: tuple[float, ...]
    pgd_step: float
    pgd_steps: int


@dataclass(frozen=True)
class Split:
    """Images float32 [N, 784] between 0 and 1, and labels int64 [N]."""

    images: torch.Tensor
    labels: torch.Tensor


def read_parts(folder: Path) -> list[Split]:
    """Read Fashion-MNIST's training and test part."""
    try:
        parts = [read_part(folder, prefix) for prefix in ("train", "t10k")]
    except FileNotFoundError as error:
        raise SystemExit(
            f"error: {error.filename} is missing: apt-get install dataset-fashion-mnist, or name the folder "
            "of the four *-ubyte.gz files with --images"
        ) from None
    return [
        Split(torch.from_numpy(images.reshape(len(images), -1) / np.float32(255)), torch.from_numpy(labels.astype(int)))
        for images, labels in parts
    ]


def draw(part: Split, sizes: tuple[int, ...], generator: np.random.Generator) -> list[Split]:
    """Draw disjoint splits of the given sizes."""
    rows = torch.from_numpy(generator.permutation(len(part.labels))[: sum(sizes)])
    return [Split(part.images[chosen], part.labels[chosen]) for chosen in rows.split(sizes)]


def spoil(regime: str, split: Split, fraction: float, generator: np.random.Generator) -> tuple[Split, np.ndarray]:
    """Spoil a fraction of the images or labels; return the split and which samples are spoilt, bool [N]."""
    images, labels = split.images.numpy().copy(), split.labels.numpy().copy()
    spoilt = np.zeros(len(labels), bool)
    spoilt[generator.choice(len(labels), round(fraction * len(labels)), replace=False)] = True
    if regime == "images":
        images[spoilt] = generator.permuted(images[spoilt], axis=1)
    else:
        labels[spoilt] = (labels[spoilt] + generator.integers(1, CLASSES, spoilt.sum())) % CLASSES
    return Split(torch.from_numpy(images), torch.from_numpy(labels)), spoilt


def rate(train: Split, held_out: Split, parameters: Parameters) -> torch.Tensor:
    """Return DataRater's ratings of the training samples, float32 [N]."""
    pixels = [split.images.numpy() for split in (train, held_out)]
    pca = PCA(COMPONENTS, whiten=True, random_state=0).fit(np.concatenate(pixels))
    inputs, clean = (torch.from_numpy(pca.transform(part).astype(np.float32)) for part in pixels)
    predictor = LogisticRegression(C=0.1, max_iter=200).fit(clean.numpy(), held_out.labels.numpy())
    predicted = torch.from_numpy(predictor.predict_proba(inputs.numpy()).astype(np.float32))
    samples = inputs, train.labels, (F.one_hot(train.labels, CLASSES) - predicted).abs()
    rater = DataRater(
        lambda: nn.Sequential(nn.Linear(COMPONENTS, 64), nn.ReLU(), nn.Linear(64, CLASSES)),
        lambda: MLPRater(COMPONENTS, CLASSES),
        parameters,
    )
    size = parameters.batch_size
    rater.fit(
        batches(*samples, batch_size=size, shuffle=True),
        batches(clean, held_out.labels, batch_size=size, shuffle=True),
    )
    return rater.rate(batches(*samples, batch_size=size, shuffle=False))


def train_classifier(split: Split, ratings: torch.Tensor | None, share: float, epochs: int, seed: int) -> nn.Sequential:
    """Train a classifier on batches that lack their lowest-rated share, or, without ratings, a random share."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, CLASSES))
    optimizer = torch.optim.Adam(model.parameters())
    order, drop = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(seed + 1)
    for _ in range(epochs):
        for batch in torch.randperm(len(split.labels), generator=order).split(BATCH_SIZE):
            scores = torch.rand(len(batch), generator=drop) if ratings is None else ratings[batch]
            kept = batch[scores.argsort()[round(share * len(batch)) :]]
            optimizer.zero_grad()
            F.cross_entropy(model(split.images[kept]), split.labels[kept]).backward()
            optimizer.step()
    return model


def attack(model: nn.Module, split: Split, eps: float, settings: Settings) -> torch.Tensor:
    """Return images that PGD moved by at most `eps` per pixel to where the loss is high, float32 [N, 784]."""
    noise = torch.rand(split.images.shape, generator=torch.Generator().manual_seed(0))
    images = (split.images + eps * (2 * noise - 1)).clamp(0, 1)
    for _ in range(settings.pgd_steps):
        images.requires_grad_()
        (gradient,) = torch.autograd.grad(F.cross_entropy(model(images), split.labels), images)
        moved = images.detach() + settings.pgd_step * eps * gradient.sign()
        images = torch.clamp(moved, split.images - eps, split.images + eps).clamp(0, 1)
    return images


@torch.no_grad()
def accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the share of right predictions."""
    return float((model(images).argmax(1) == labels).float().mean())


def arms(fraction: float) -> dict[str, tuple[bool, float]]:
    """Name the trainings: whether the ratings are used, and the share of each batch that is dropped."""
    named = {"baseline": (False, 0.0)}
    for share in (GUIDE_SHARE, fraction):
        named |= {f"filtered {share:.0%}": (True, share), f"random {share:.0%}": (False, share)}
    return named


def measure(parts: list[Split], settings: Settings, regime: str, seed: int) -> Iterator[tuple[str, str, float]]:
    """Yield (table, arm, value): the accuracies of every training, and how well the ratings detect what is spoilt."""
    name, generator = REGIMES[regime], np.random.default_rng(seed)
    clean, held_out = draw(parts[0], (settings.train, settings.held_out), generator)
    (test,) = draw(parts[1], (settings.test,), generator)
    few = Split(test.images[: settings.attacked], test.labels[: settings.attacked])
    train, spoilt = spoil(regime, clean, settings.fraction, generator)
    torch.manual_seed(seed)
    ratings = rate(train, held_out, Parameters())
    yield "detection AUC", name, float(roc_auc_score(~spoilt, ratings.numpy()))
    for arm, (rated, share) in arms(settings.fraction).items():
        model = train_classifier(train, ratings if rated else None, share, settings.epochs, seed)
        yield name, arm, accuracy(model, test.images, test.labels)
        for eps in settings.eps:
            robust = accuracy(model, attack(model, few, eps, settings), few.labels)
            yield f"{name}, PGD eps {eps:g}", arm, robust


def run(folder: Path, settings: Settings, out: Path) -> None:
    """Measure everything; after each seed, write what is known into the JSON file `out`."""
    started, parts = time.perf_counter(), read_parts(folder)
    values: dict[str, dict[str, list[float]]] = {}
    for seed in range(settings.seeds):
        for regime in REGIMES:
            for table, arm, value in measure(parts, settings, regime, seed):
                values.setdefault(table, {}).setdefault(arm, []).append(value)
        results = {
            "settings": asdict(settings),
            "rater": asdict(Parameters()),
            "versions": {"torch": torch.__version__, "numpy": np.__version__},
            "threads": torch.get_num_threads(),
            "seconds": round(time.perf_counter() - started, 1),
            "values": values,
        }
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(results, indent=1) + "\n")
        print(f"seed {seed} done", flush=True)


def differences(table: dict[str, list[float]]) -> Iterator[tuple[str, str, float, float]]:
    """Yield (filtered arm, control, mean difference, its standard error) over the seeds."""
    for arm in table:
        if arm.startswith("filtered"):
            for control in ("baseline", arm.replace("filtered", "random")):
                difference = np.subtract(table[arm], table[control])
                yield arm, control, float(difference.mean()), float(difference.std(ddof=1) / len(difference) ** 0.5)


def show(results: dict[str, Any]) -> None:
    """Print every table, and each comparison with its verdict."""
    for name, table in results["values"].items():
        print(f"\n{name}")
        for arm, values in table.items():
            print(f"  {arm:18s} {np.mean(values):.4f} +- {np.std(values, ddof=1):.4f}")
        for arm, control, mean, error in differences(table):
            verdict = "better" if mean > error else "worse" if mean < -error else "not told apart"
            print(f"  {arm} - {control}: {mean:+.4f}, standard error {error:.4f}: {verdict}")
    print(f"\n{results['seconds']:.0f} s on {results['threads']} thread(s)")


def plot(results: dict[str, Any], path: Path) -> None:
    """Draw mean and standard deviation of every arm, one panel for each table, and every seed as a dot."""
    tables = {name: table for name, table in results["values"].items() if "baseline" in table}
    figure, panels = plt.subplots(1, len(tables), figsize=(3.2 * len(tables), 3.6), squeeze=False, layout="constrained")
    for panel, (name, table) in zip(panels[0], tables.items(), strict=True):
        for place, (arm, values) in enumerate(table.items()):
            colour = {"b": "0.4", "f": "tab:blue", "r": "tab:orange"}[arm[0]]
            panel.errorbar(place, np.mean(values), np.std(values, ddof=1), fmt="o", capsize=4, color=colour)
            panel.scatter([place + 0.2] * len(values), values, s=6, color=colour)
        panel.set_xticks(range(len(table)), table, rotation=40, ha="right")
        panel.set_title(name, fontsize=9)
    panels[0][0].set_ylabel("test accuracy")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Downstream accuracy after DataRater's filter and two controls.")
    parser.add_argument("--images", type=Path, default=DEFAULT_FOLDER, help="folder of Fashion-MNIST's four files")
    parser.add_argument("--fraction", type=float, default=0.4, help="of the training samples, spoilt")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--full", action="store_true", help="the guide's size: all 60,000 images")
    parser.add_argument("--attack", action="store_true", help="measure the accuracy under PGD too")
    parser.add_argument("--eps", type=float, nargs="+", default=[0.3, 0.02], help="radii of the attack")
    parser.add_argument("--step", type=float, default=1 / 30, help="one PGD step, as a share of eps")
    parser.add_argument("--steps", type=int, default=40, help="number of PGD steps")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--plot", action="store_true", help="only draw the PNG and print the tables, from --out")
    arguments = parser.parse_args()
    if not arguments.plot:
        train, held_out, test = (50_000, 10_000, 10_000) if arguments.full else (3_000, 1_000, 10_000)
        settings = Settings(
            train=train,
            held_out=held_out,
            test=test,
            fraction=arguments.fraction,
            seeds=arguments.seeds,
            epochs=30,
            attacked=1_000,
            eps=tuple(arguments.eps) if arguments.attack else (),
            pgd_step=arguments.step,
            pgd_steps=arguments.steps,
        )
        torch.set_num_threads(1)
        run(arguments.images, settings, arguments.out)
    results = json.loads(arguments.out.read_text())
    show(results)
    plot(results, arguments.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
