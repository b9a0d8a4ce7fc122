"""What does each part of the `best` reference contribute? The reference against itself with one part taken out.

    python -m benchmarks.best_ablation [--profile standard] [--seeds 5] [--workers 2] [--out FILE.json]

A variant is the reference's file with some lines replaced; one adds what an earlier version did. Each is graded on the
CPU, one thread per training, by `benchmarks.variants`. Printed: mean ± sample standard deviation over the training
seeds of the mean BAC of the two models, and the difference from the whole, paired by seed, ± its standard error, bold
where it is larger than twice that. The whole is measured on the same machine, as other CPUs give other bits.
"""

from __future__ import annotations

import statistics
from pathlib import Path

from benchmarks.stored_results import require_place, write_results
from benchmarks.tables import difference, table
from benchmarks.variants import Edits, measure_all, measuring_parser, variant
from grader.validation.results import spread

WHOLE = "best"
RESULTS_FILE = Path("benchmarks/results/best_ablation.json")
WORKSHOP = Path("build/best_ablation")

SELECTION = """\
    chosen, share = balance(kept[here.samples], targets), min(1.0, left / ANNEALED)
    return [anneal(chosen, targets, model_losses, share, LONGEST * len(targets)) for model_losses in losses]
"""
SELECTION_BY_PEERS = """\
    place, share, selections = here.samples, min(1.0, left / ANNEALED), []
    for model in (0, 1):
        chosen = balance(kept[place] & believed(place, targets, losses[1 - model], 1 - model), targets)
        selections.append(anneal(chosen, targets, losses[model], share, LONGEST * len(targets)))
    return selections
"""
FUNCTION = "def your_select_indices(targets, losses):\n"
BELIEVED = '''\
averaged = None


def believed(place, targets, losses, model):
    """Return which of a batch are not in the tenth of the kept of their class with the largest averaged losses."""
    global averaged
    if averaged is None:
        averaged = torch.full((2, len(kept)), -1.0)
    before = averaged[model, place]
    averaged[model, place] = torch.where(before < 0, losses, (before + losses) / 2)
    answer = torch.ones(len(targets), dtype=torch.bool)
    for label in (0, 1):
        members = torch.nonzero(kept[place] & (targets == label)).flatten()
        order = averaged[model, place][members].argsort(descending=True, stable=True)
        answer[members[order[: len(members) // 10]]] = False
    return answer


'''

NO_ANNEALING = ("ANNEALED = 0.3 ", "ANNEALED = 1e-9 ")
NO_REST = ("RESTING = 0.02 ", "RESTING = 0.0 ")
VARIANTS: dict[str, Edits] = {
    WHOLE: (),
    "no_agreement": (("val_loader.dataset) > 0)", "val_loader.dataset) > -np.inf)"),),
    "no_balance": (("balance(kept[here.samples], targets)", "torch.nonzero(kept[here.samples]).flatten()"),),
    "no_annealing": (NO_ANNEALING,),
    "no_rest": (NO_REST,),
    "no_annealing_no_rest": (NO_ANNEALING, NO_REST),
    "peers_rank_too": ((SELECTION, SELECTION_BY_PEERS), (FUNCTION, BELIEVED + FUNCTION)),
}


def markdown(rows: list[dict]) -> str:
    """Write the results as a Markdown table."""
    whole = next(row for row in rows if row["name"] == WHOLE)

    def columns(row: dict, board: str) -> tuple[str, str]:
        return spread(row[board]), "" if row is whole else difference(row[board], whole[board])

    return table(
        ("variant", "BAC on test_a", "minus the whole", "BAC on test_b", "minus the whole", "purity"),
        [
            (
                row["name"].replace("_", " "),
                *columns(row, "test_a"),
                *columns(row, "test_b"),
                f"{statistics.fmean(row['purity']):.3f}",
            )
            for row in rows
        ],
    )


def main() -> None:
    """Parse the command line."""
    arguments = measuring_parser("Take the parts of 'best' out, one by one.", RESULTS_FILE, 5).parse_args()
    require_place(arguments.out)
    solutions = {name: variant(WHOLE, edits) for name, edits in VARIANTS.items()}
    rows = measure_all(WORKSHOP, solutions, arguments.profile, arguments.seeds, arguments.workers)
    write_results(arguments.out, {"profile": arguments.profile, "rows": rows})
    print(markdown(rows))


if __name__ == "__main__":
    main()
