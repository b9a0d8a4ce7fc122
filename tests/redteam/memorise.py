"""Two submissions that know the answers by heart, and what further training draws do to them.

- `table_cell` carries one bit per training sample of the public draw, in file order: is its label right? It looks at no
  image. Another draw has other noise in another order, and the table says nothing about it.
- `hash_cell` carries the true class of every image of a published pool, and knows an image by its pixels. It needs no
  hash itself, only bits: a table in which the exclusive or of three places, which an image's hash names, is its class
  (Botelho, Pagh and Ziviani, Simple and space-efficient minimal perfect hash functions, 2007, section 3). That takes
  1.23 bits per image, and survives every draw.

    python -m tests.redteam.memorise --profile standard --seeds 3     prints what both reach, as a table
"""

from __future__ import annotations

import base64
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from tqdm import tqdm

from competition.build import build_data
from competition.cli import ProfileName
from competition.notebook import graft, notebook_text
from competition.pool import Pool, fashion_pool
from competition.profiles import NOISE, PRACTICE_SEED, PROFILES
from competition.splits import open_split
from competition.task.constants import NUM_THREADS
from grader.analysis import read_truth
from grader.grading import Settings, grade
from grader.verdicts import Verdict

SLOTS_PER_KEY = 1.25  # a little over 1.23, from where on peeling almost surely succeeds

SELECT = '''
start = 0


def your_select_indices(targets, losses):
    """Select the samples of the batch whose label is right."""
    global start
    right = {right}
    start = (start + len(targets)) % {samples}
    return [right, right]
'''

DEFAULT_CELL = "def your_select_indices(targets, losses):\n    return [list(range(len(targets)))] * 2\n"

TABLE_CELL = """import base64

import numpy as np

is_right = np.unpackbits(np.frombuffer(base64.b85decode("{table}"), np.uint8)).astype(bool)
"""

HASH_CELL = """import base64
import hashlib

import numpy as np
import torch

bits = np.unpackbits(np.frombuffer(base64.b85decode("{table}"), np.uint8))
third = {third}


def true_class(pixels):
    digest = hashlib.sha256({salt} + pixels.tobytes()).digest()
    words = np.frombuffer(digest[:12], "<u4") % third + third * np.arange(3)
    return int(bits[words].sum() % 2)


images = train_loader.dataset.images.mul(255).round().byte().numpy()
clean = torch.tensor([true_class(image) for image in images])
"""


def table_cell(clean: npt.NDArray[np.int64], noisy: npt.NDArray[np.int64]) -> str:
    """Write the cell that carries which labels of the public draw are right, from both labels [N] in file order."""
    table = base64.b85encode(np.packbits(clean == noisy).tobytes()).decode()
    return TABLE_CELL.format(table=table) + SELECT.format(
        right="is_right[start : start + len(targets)]", samples=len(clean)
    )


def places_of(pixels: bytes, salt: bytes, third: int) -> tuple[int, int, int]:
    """Return the three places of an image in a table of three parts; what the cell computes too."""
    words = np.frombuffer(hashlib.sha256(salt + pixels).digest()[:12], "<u4")
    first, second, last = (int(word) % third + third * part for part, word in enumerate(words))
    return first, second, last


def peel(places: list[tuple[int, int, int]], slots: int) -> list[tuple[int, int]] | None:
    """Order the keys so that each has a place that no later one has: pairs of key and place; None without an order."""
    keys_at = np.zeros(slots, dtype=np.int64)  # the exclusive or of the keys at each place
    counts = np.zeros(slots, dtype=np.int64)
    for key, three in enumerate(places):
        for place in three:
            keys_at[place] ^= key
            counts[place] += 1
    alone = [int(place) for place in np.flatnonzero(counts == 1)]
    order = []
    while alone:
        place = alone.pop()
        if counts[place] != 1:
            continue
        key = int(keys_at[place])
        order.append((key, place))
        for each in places[key]:
            keys_at[each] ^= key
            counts[each] -= 1
            if counts[each] == 1:
                alone.append(each)
    return order if len(order) == len(places) else None


def retrieval_table(classes: dict[bytes, int]) -> tuple[bytes, npt.NDArray[np.uint8]]:
    """Build the table from which the class of each key (pixels) can be read; return the hash's salt and the bits."""
    third = -(-int(SLOTS_PER_KEY * len(classes) + 32) // 3)
    for attempt in range(256):
        salt = bytes([attempt])
        places = [places_of(pixels, salt, third) for pixels in classes]
        order = peel(places, 3 * third)
        if order is None:
            continue
        bits = np.zeros(3 * third, dtype=np.uint8)
        labels = list(classes.values())
        for key, place in reversed(order):
            bits[place] = (labels[key] + int(bits[list(places[key])].sum())) % 2
        return salt, bits
    raise ValueError("no salt lets the keys be peeled")


def hash_cell(pool: Pool) -> str:
    """Write the cell that knows the class of every image of a pool that may stand in a training draw."""
    known = np.ones(len(pool.labels), dtype=bool) if pool.for_test is None else ~pool.for_test
    classes = {pool.images[row].tobytes(): int(pool.labels[row]) for row in np.flatnonzero(known)}
    salt, bits = retrieval_table(classes)
    table = base64.b85encode(np.packbits(bits).tobytes()).decode()
    cell = HASH_CELL.format(table=table, third=len(bits) // 3, salt=salt)
    return cell + SELECT.format(right="clean[start : start + len(targets)] == targets", samples="len(clean)")


def build_draws(profile: str, folder: Path) -> None:
    """Build practice data with one further training draw."""
    build_data(fashion_pool(), PROFILES[profile], NOISE, PRACTICE_SEED, folder, redraws=1)


def cells(data: Path) -> dict[str, str]:
    """Write both cells for a data folder, and the default to compare with."""
    train = open_split(data / "public", "train").dataset
    clean = read_truth(data / "private", train)
    return {
        "the default, all samples": DEFAULT_CELL,
        "table of the public draw": table_cell(clean.numpy(), train.targets.numpy()),
        "hashes of the pool's pixels": hash_cell(fashion_pool()),
    }


def reached(cell: str, data: Path, draw: str, seed: int, threads: int = NUM_THREADS) -> float:
    """Grade a cell on ``test_a`` in the sandbox; return its mean balanced accuracy.

    Raises:
        RuntimeError: the verdict is not OK.
    """
    submission = notebook_text(graft(cell)).encode()
    record, _ = grade(submission, Settings(data, "test_a", train=draw, seed=seed, threads=threads))
    if record.verdict is not Verdict.OK or record.bac_mean is None:
        raise RuntimeError(f"{record.verdict.value}: {record.message}")
    return record.bac_mean


@dataclass(frozen=True)
class Figure:
    """What a cell reached: mean balanced accuracy of every training seed, per draw, and how long its text is."""

    name: str
    size: int
    by_draw: dict[str, list[float]]

    def row(self) -> str:
        """Return a row of the Markdown table."""
        shown = [
            f"{mean(scores):.3f}" + (f" ± {stdev(scores):.3f}" if len(scores) > 1 else "")
            for scores in self.by_draw.values()
        ]
        return f"| {self.name} | {self.size:,} | {' | '.join(shown)} |"


def main(
    profile: Annotated[ProfileName, typer.Option(help="How many images.")] = ProfileName.STANDARD,
    seeds: Annotated[int, typer.Option(min=1, help="How many trainings of each.")] = 3,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of a grading.")] = NUM_THREADS,
) -> None:
    """Measure what memorised answers reach on the public draw and on a redraw."""
    draws = ("train", "redraw-1")
    with tempfile.TemporaryDirectory(prefix="memorise-") as scratch:
        data = Path(scratch) / "data"
        build_draws(profile.value, data)
        print(f"| {profile.value}, {seeds} seeds | bytes | the public draw | a redraw |\n|---|---|---|---|")
        for name, cell in cells(data).items():
            by_draw = {
                draw: [
                    reached(cell, data, draw, seed, threads)
                    for seed in tqdm(range(seeds), f"{name}, {draw}", disable=None)
                ]
                for draw in draws
            }
            print(Figure(name, len(cell.encode()), by_draw).row(), flush=True)


if __name__ == "__main__":
    typer.run(main)
