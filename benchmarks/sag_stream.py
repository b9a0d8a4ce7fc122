"""Does S-aware gating hold the wanted sensitivity, specificity or success rate on a stream?

    python -m benchmarks.sag_stream [--mode sensitivity ...] [--s-des 0.9 ...] [--reps 3] [--full] [--jobs 2] [--plot]

The experiment is the paper's (ASkDAgger, arXiv 2508.05310), after its authors' code. A novice, a small LeNet, sees a
stream of images in steps of 128. It predicts each label and says how uncertain it is, by Monte-Carlo dropout (rate 0.4,
16 passes). `sag` sets the threshold from what earlier queries revealed. The images that reach it, and others with
probability p_rand = 0.1, get their label from a teacher and join the training set. Every 5 steps the novice takes 5
steps of gradient descent on randomly cropped images of that set.

Three modes, and in the sensitivity mode the authors' ablations: without the regression of uncertainty on time, without
the imputation of outcomes that nobody saw, with p_rand 0.05 and 0.2; and, ours, without the random crop.

What deviates in the gate, which is that of `reference_solutions/sag_gate.py`:

- The authors' logistic regression has no penalty. Ours has next to none (C = 1000), so that its weights stay finite
  where uncertainty separates the known outcomes; theirs then depends on when the solver stops.
- The authors' success curve is off by one sample against their own rule: an image is queried where u reaches the
  threshold, and the curve counts the image of the threshold itself as not queried. So theirs queries one image of the
  window more than it means to, and ours, whose curve follows the rule, does not.

And theirs raises an error where every outcome of the window is known, or without imputation in the specificity mode.

The images are Fashion-MNIST's ten classes instead of digits, and harder, so there are more failures. By default 12,000
of them, 5 values of s_des and 3 repetitions; ``--full`` is the original size: 60,000 images, 9 values, 10 repetitions.
With MNIST's four files, ``--images FOLDER --full`` is the original experiment.

Every stream is kept, image by image, as a file of ``--experiments``, so that the same command goes on where it was
stopped; see `benchmarks.sag.stream.Trace`. Beside FILE.json of ``--out`` stand three figures, which ``--plot`` draws
from it alone.
"""

from __future__ import annotations

import argparse
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.fashion_mnist import add_images_option
from benchmarks.sag.drawing import plot
from benchmarks.sag.experiment import ABLATED_MODE, ABLATIONS, Plan, Source, measure
from benchmarks.sag.kept import KeptError
from benchmarks.sag.report import RESULT_KEYS, make_results, markdown
from benchmarks.stored_results import read_results, require_place, write_results
from grader.safe_io import folder_problem
from reference_solutions.sag_gate import MODES

RESULTS = Path(__file__).with_name("results") / "sag_stream.json"
EXPERIMENTS = Path("build/sag_stream")
USUAL = Plan()
FULL = replace(USUAL, s_des=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), repetitions=10, stream=60_000)


def make_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(description="S-aware gating on a stream: wanted against reached.")
    parser.add_argument("--mode", nargs="+", choices=MODES, default=MODES, help="what is held (all three)")
    parser.add_argument("--s-des", nargs="+", type=float, metavar="VALUE", help="at which values, 0 to 1")
    parser.add_argument("--reps", type=int, help="streams of each setting (3)")
    parser.add_argument("--stream", type=int, metavar="IMAGES", help="images in a stream (12000)")
    parser.add_argument(
        "--ablations", nargs="*", choices=list(ABLATIONS), help="what is changed in the sensitivity mode (all)"
    )
    parser.add_argument("--full", action="store_true", help="the original size, where nothing else is said")
    add_images_option(parser)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--jobs", type=int, default=1, help="streams at a time, each on one thread")
    parser.add_argument(
        "--experiments", type=Path, default=EXPERIMENTS, metavar="FOLDER", help="where streams are kept"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="FILE.json")
    parser.add_argument("--plot", action="store_true", help="redraw table and figures from the results, run nothing")
    return parser


def read_plan(arguments: argparse.Namespace) -> Plan:
    """Return what is asked for.

    Raises:
        ValueError: it cannot be measured.
    """
    size, modes = FULL if arguments.full else USUAL, tuple(dict.fromkeys(arguments.mode))
    ablations = arguments.ablations
    if ablations is None:
        ablations = ABLATIONS if ABLATED_MODE in modes else ()
    return Plan(
        modes=modes,
        s_des=size.s_des if arguments.s_des is None else tuple(dict.fromkeys(arguments.s_des)),
        ablations=tuple(dict.fromkeys(ablations)),
        repetitions=size.repetitions if arguments.reps is None else arguments.reps,
        stream=size.stream if arguments.stream is None else arguments.stream,
    )


def run(plan: Plan, source: Source, jobs: int, out: Path) -> None:
    """Measure everything; after each repetition, write what is known.

    Raises:
        SystemExit: something is missing, cannot be written, or belongs to another experiment.
    """
    require_place(out)
    if problem := folder_problem(source.folder):
        raise SystemExit(f"error: {problem}")
    outcomes = []
    try:
        for repetition in measure(plan, source, jobs):
            outcomes += repetition
            write_results(out, make_results(plan, source.device, outcomes))
    except (KeptError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    except KeyboardInterrupt:
        print("stopped: the same command goes on from here", file=sys.stderr)
        raise SystemExit(130) from None


def main(words: list[str] | None = None) -> None:
    """Parse the command line, run unless only the plot is wanted, draw and print."""
    parser = make_parser()
    arguments = parser.parse_args(words)
    if not arguments.plot:
        automatic = "cuda" if torch.cuda.is_available() else "cpu"
        device = automatic if arguments.device == "auto" else arguments.device
        if device == "cuda" and not torch.cuda.is_available():
            parser.error("--device cuda: there is no NVIDIA GPU here")
        if arguments.jobs < 1:
            parser.error("--jobs must be at least 1")
        try:
            plan = read_plan(arguments)
        except ValueError as error:
            parser.error(str(error))
        run(plan, Source(arguments.images, device, arguments.experiments), arguments.jobs, arguments.out)
    results = read_results(arguments.out, *RESULT_KEYS)
    print(markdown(results), end="")
    figures = ", ".join(str(path) for path in plot(results, arguments.out.with_suffix(".png")))
    print(f"{results['repetitions_done']} repetitions; figures: {figures}", file=sys.stderr)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, which ends the processes of --jobs too
    main()
