"""Does a network that learns on need fewer labels when it chooses what is asked? The notebook's experiment.

    python -m benchmarks.active_learning_cnn [--seeds 5] [--rounds 20] [--queries 25] [--images PATH] [--out FILE.json]

Ten classes of Fashion-MNIST, 1,000 labelled images, a pool of 4,000, 400 held out. A small convolutional network learns
on from each round of right answers, chosen by uncertainty, margin, entropy or at random; beside it stand passive
learning and a network that takes the same steps without an answer (see `benchmarks.active.ways`). Printed is one
Markdown table, mean ± sample standard deviation over the seeds, which draw images and networks anew; FILE.json is
written after each seed, and FILE.png drawn from it; `--plot` does that alone.

Who wants to answer: `python -m benchmarks.label_by_hand`. Other implementations: `python -m
benchmarks.active_learning`.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from benchmarks.active.drawing import draw_ways, ways_table
from benchmarks.active.images import add_images_option, draw_task, read_images
from benchmarks.active.ways import WAYS, Run, run_way
from benchmarks.stored_results import read_results, require_place, write_results

RESULTS = Path(__file__).with_name("results") / "active_learning_cnn.json"
SEEDS, ROUNDS, QUERIES_PER_ROUND = 5, 20, 25


def measure(images: Path, seeds: int, rounds: int, queries_per_round: int, out: Path) -> None:
    """Let every way learn with each seed, and keep the runs."""
    fashion = read_images(images)
    conditions = {
        "classes": len(fashion.names),
        "queries_per_round": queries_per_round,
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
    }
    runs: list[Run] = []
    for seed in tqdm(range(seeds), unit="seed"):
        task = draw_task(fashion, seed)
        runs += [run_way(task, way, seed, rounds, queries_per_round) for way in tqdm(WAYS, leave=False, unit="way")]
        write_results(out, {**conditions, "runs": [asdict(run) for run in runs]})


def main(words: list[str] | None = None) -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Active learning with a small network, beside passive and random.")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--queries", type=int, default=QUERIES_PER_ROUND, help="of a round")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the JSON; the PNG is written beside it")
    parser.add_argument("--plot", action="store_true", help="print the table and draw the PNG from --out, run nothing")
    add_images_option(parser)
    arguments = parser.parse_args(words)
    if min(arguments.seeds, arguments.rounds, arguments.queries) < 1:
        parser.error("it takes at least one seed, one round and one query")
    if not arguments.plot:
        require_place(arguments.out)
        torch.set_num_threads(1)
        measure(arguments.images, arguments.seeds, arguments.rounds, arguments.queries, arguments.out)
    runs = [Run(**run) for run in read_results(arguments.out, "runs", "queries_per_round")["runs"]]
    print(ways_table(runs))
    draw_ways(runs, arguments.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
