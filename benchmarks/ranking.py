"""Would another training seed rank the same submissions otherwise? Kendall's tau between seeds, and between boards.

    python -m benchmarks.ranking [--profile standard] [--seeds 10] [--workers 2] [--out FILE.json]
    python -m benchmarks.ranking --plot [--out FILE.json]

The submissions are all references and a dozen of them with other constants, as participants would change them; each is
graded with the training seeds from 123 on (`benchmarks.variants`), and both test sets are scored. A ranking is by the
mean over K seeds of the mean BAC of both models. Compared are

- two disjoint sets of K seeds on the same board: what chance in the training does to places;
- the same K seeds on ``test_a`` and on ``test_b``: what the images of the test set do.

Every way of choosing the sets counts once. They share seeds with each other, so the spread over them describes what a
contest may meet, and is no standard error. tau is tau-b, which accounts for equal scores (Kendall, 1945): 1 is the same
ranking, 0 is chance. "Apart" is the same over those pairs of submissions alone whose means over all seeds are at least
0.01 of BAC apart: which of two that are closer comes first, a jury may leave open. As these means come from the same
seeds, it is a little too high. Recommended is the smallest K for which that is at least 0.9 between disjoint sets.

Two disjoint sets of more than half of the seeds cannot be had, so larger K are modelled: scores are drawn from a normal
distribution with the means over all seeds and their covariances between submissions (which share seeds), divided by K.
The means carry chance as well, so the model's tau is a little too high; it stands beside the measured one at small K.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau, rankdata

from benchmarks.stored_results import read_results, require_place, write_results
from benchmarks.tables import table
from benchmarks.variants import measure_all, measuring_parser, variant
from grader.validation.bands import ORACLE, find_references
from grader.validation.results import spread

RESULTS_FILE = Path("benchmarks/results/ranking.json")
WORKSHOP = Path("build/ranking")
SIZES = (1, 2, 3, 4, 5)
MODELLED_SIZES = (1, 3, 5, 10, 20, 50, 100)
MODELLED_PAIRS = 1000
STEADY = 0.9
APART = 0.01
VARIANTS = {
    "fixed_ratio_70": ("fixed_ratio", "KEEP_RATE = 0.85", "KEEP_RATE = 0.7"),
    "fixed_ratio_50": ("fixed_ratio", "KEEP_RATE = 0.85", "KEEP_RATE = 0.5"),
    "official_92": ("official", "(0.5, 0.93)", "(0.5, 0.92)"),
    "official_35": ("official", "(0.5, 0.93)", "(0.35, 0.93)"),
    "random_drop_50": ("random_drop", "KEEP_RATE = 0.7", "KEEP_RATE = 0.5"),
    "co_teaching_slow": ("co_teaching", "T_K = 10 / 200", "T_K = 60 / 200"),
    "jocor_half": ("jocor", "LAMBDA = 0.9", "LAMBDA = 0.5"),
    "gmm_split_60": ("gmm_split", "P_THRESHOLD = 0.5", "P_THRESHOLD = 0.6"),
    "uncertainty_32": ("uncertainty_sampling", "COMPONENTS = 24", "COMPONENTS = 32"),
    "sag_gate_90": ("sag_gate", "KNOWN = 0.95", "KNOWN = 0.9"),
    "datarater_24": ("datarater_filter", "COMPONENTS = 48", "COMPONENTS = 24"),
    "best_40": ("best", "ANNEALED = 0.3 ", "ANNEALED = 0.4 "),
}

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """How far two rankings of the same submissions agree, over all ways of choosing the seeds.

    Attributes:
        between: "seeds", two disjoint sets on ``test_a``; "boards", the same set on both test sets; or "model", two
            disjoint sets whose scores were drawn.
        size: K, how many seeds a score is the mean of.
        pairs: how many pairs of rankings.
        tau: Kendall's tau-b, its mean; 0 where a ranking has no order, as all scores are equal.
        deviation: its standard deviation over the pairs.
        low: its 5 % quantile.
        apart: tau over the pairs of submissions that are apart, the mean; 0 where none are.
        moved: how many submissions have another place, the mean.
        distance: by how many places a submission moves, the mean over submissions and pairs.
        same_first: the share of pairs with the same first place.
    """

    between: str
    size: int
    pairs: int
    tau: float
    deviation: float
    low: float
    apart: float
    moved: float
    distance: float
    same_first: float


def rankings(test_a: Scores, test_b: Scores, between: str, size: int) -> Iterator[tuple[Scores, Scores]]:
    """Yield pairs of scores to rank by: means over `size` seeds, float64 [submissions].

    Args:
        test_a, test_b: float64 [submissions, seeds].
    """
    seeds = range(test_a.shape[1])
    for chosen in combinations(seeds, size):
        first = test_a[:, chosen].mean(axis=1)
        if between == "boards":
            yield first, test_b[:, chosen].mean(axis=1)
            continue
        for other in combinations([seed for seed in seeds if seed not in chosen], size):
            if other > chosen:  # each pair once
                yield first, test_a[:, other].mean(axis=1)


def modelled(scores: Scores, size: int) -> Iterator[tuple[Scores, Scores]]:
    """Yield pairs of scores as two disjoint sets of `size` seeds may give them, float64 [submissions].

    Args:
        scores: float64 [submissions, seeds]: their mean and covariance are those of the normal distribution.
    """
    means, generator = scores.mean(axis=1), np.random.default_rng(0)
    root = (scores - means[:, None]) / (size * (scores.shape[1] - 1)) ** 0.5  # times its transpose: covariance / size
    for _ in range(MODELLED_PAIRS):
        first, second = (means + root @ generator.standard_normal(scores.shape[1]) for _ in range(2))
        yield first, second


def order(scores: Scores) -> Scores:
    """Say which of each two submissions is first: 1, 0 where they are equal, or -1; float64 [submissions] * 2."""
    return np.sign(scores[:, None] - scores)


def agreement(test_a: Scores, test_b: Scores, between: str, size: int) -> Agreement:
    """Compare all pairs of rankings; see `rankings`, `modelled` and `Agreement`.

    Raises:
        ValueError: there are fewer than two submissions, or too few seeds for a pair.
    """
    pairs = [*(modelled(test_a, size) if between == "model" else rankings(test_a, test_b, between, size))]
    if len(test_a) < 2 or not pairs:
        raise ValueError(f"{test_a.shape[1]} seeds make no pair of {size} {between}")
    taus = np.nan_to_num([kendalltau(first, second).statistic for first, second in pairs])  # NaN: all scores equal
    means = test_a.mean(axis=1)
    distant = np.abs(means[:, None] - means) >= APART
    kept = [np.mean((order(first) * order(second))[distant]) for first, second in pairs] if distant.any() else [0.0]
    places = [(rankdata(-first, "min"), rankdata(-second, "min")) for first, second in pairs]
    moves = np.abs([first - second for first, second in places])
    return Agreement(
        between=between,
        size=size,
        pairs=len(pairs),
        tau=float(taus.mean()),
        deviation=float(taus.std()),
        low=float(np.quantile(taus, 0.05)),
        apart=float(np.mean(kept)),
        moved=float((moves > 0).sum(axis=1).mean()),
        distance=float(moves.mean()),
        same_first=float(np.mean([np.argmax(first) == np.argmax(second) for first, second in pairs])),
    )


def compare(rows: Sequence[dict]) -> list[Agreement]:
    """Compare the rankings of measured submissions: between seeds, between boards, and as the model has them."""
    test_a, test_b = (np.array([row[board] for row in rows]) for board in ("test_a", "test_b"))
    seeds = test_a.shape[1]
    wanted = [
        *(
            (between, size)
            for between, most in (("seeds", seeds // 2), ("boards", seeds))
            for size in SIZES
            if size <= most
        ),
        *(("model", size) for size in MODELLED_SIZES),
    ]
    return [agreement(test_a, test_b, between, size) for between, size in wanted]


def recommended(found: Sequence[Agreement]) -> int | None:
    """Return the smallest K from which disjoint sets of seeds rank alike what is apart; None where none is measured."""
    return next((each.size for each in found if each.between == "seeds" and each.apart >= STEADY), None)


def settled(found: Sequence[Agreement]) -> int | None:
    """Return the smallest K of the model from which all places are alike; None where it has none."""
    return next((each.size for each in found if each.between == "model" and each.tau >= STEADY), None)


def markdown(found: Sequence[Agreement], rows: Sequence[dict]) -> str:
    """Write the agreements, and what was ranked, as two Markdown tables."""
    agreements = table(
        ("between", "K", "pairs", "tau", "5 % of pairs below", "apart", "places changed", "mean move", "same first"),
        [
            (
                *(each.between, str(each.size), str(each.pairs), f"{each.tau:.2f} ± {each.deviation:.2f}"),
                *(f"{each.low:.2f}", f"{each.apart:.2f}", f"{each.moved:.1f} of {len(rows)}", f"{each.distance:.1f}"),
                f"{each.same_first:.0%}",
            )
            for each in found
        ],
    )
    best_first = sorted(rows, key=lambda row: -float(np.mean(row["test_a"])))
    scores = [(row["name"], spread(row["test_a"]), spread(row["test_b"])) for row in best_first]
    return f"{agreements}\n\n{table(('submission', 'BAC on test_a', 'BAC on test_b'), scores)}"


def draw(found: Sequence[Agreement], path: Path) -> None:
    """Draw tau against K, the mean and down to the 5 % quantile of all pairs."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for between, style, label in (
        ("seeds", "o-", "two disjoint sets of seeds"),
        ("model", "--", "the same, modelled"),
        ("boards", "s-", "test_a and test_b, same seeds"),
    ):
        chosen = [each for each in found if each.between == between]
        sizes, taus = [each.size for each in chosen], [each.tau for each in chosen]
        axes.fill_between(sizes, [each.low for each in chosen], taus, alpha=0.15)
        axes.plot(sizes, taus, style, label=label)
    seeds = [each for each in found if each.between == "seeds"]
    apart = f"two disjoint sets, pairs {APART} apart"
    axes.plot([each.size for each in seeds], [each.apart for each in seeds], "^-", color="C0", alpha=0.6, label=apart)
    axes.axhline(STEADY, color="grey", linestyle=":", label=f"{STEADY}")
    axes.set(xlabel="seeds that a score is the mean of (K)", ylabel="Kendall's tau\n(shade: down to the 5 % quantile)")
    axes.set_xscale("log")
    ticks = sorted({*SIZES, *MODELLED_SIZES})
    axes.set_xticks(ticks, [str(size) for size in ticks])
    axes.minorticks_off()
    axes.legend()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> None:
    """Parse the command line."""
    parser = measuring_parser("Kendall's tau between rankings of the same submissions.", RESULTS_FILE, 10)
    parser.add_argument("--names", nargs="+", metavar="NAME", help="these submissions alone")
    parser.add_argument("--plot", action="store_true", help="draw what was measured, and print it again")
    arguments = parser.parse_args()
    if not arguments.plot:
        require_place(arguments.out)
        solutions = {name: variant(name, ()) for name in find_references([]) if name != ORACLE}
        solutions |= {name: variant(reference, ((old, new),)) for name, (reference, old, new) in VARIANTS.items()}
        names = arguments.names or [*solutions]
        if arguments.seeds < 2:
            parser.error("--seeds takes at least 2: rankings of different seeds are compared")
        if len(names) < 2 or not solutions.keys() >= set(names):
            parser.error(f"--names takes at least two of {', '.join(solutions)}")
        wanted = {name: solutions[name] for name in names}
        rows = measure_all(WORKSHOP, wanted, arguments.profile, arguments.seeds, arguments.workers)
        found = compare(rows)
        write_results(
            arguments.out,
            {"profile": arguments.profile, "agreements": [asdict(each) for each in found], "rows": rows},
        )
    results = read_results(arguments.out, "agreements", "rows")
    found = [Agreement(**each) for each in results["agreements"]]
    print(markdown(found, results["rows"]))
    print(
        f"\ntau between disjoint sets of seeds reaches {STEADY} over pairs that are {APART} apart at K = "
        f"{recommended(found) or 'no K here'}, over all pairs in the model at K = {settled(found) or 'no K here'}"
    )
    if arguments.plot:
        draw(found, arguments.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
