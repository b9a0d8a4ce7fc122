"""What does each part of the `best` reference contribute? The reference against itself with one part taken out.

    python -m benchmarks.best_ablation [--profile full] [--seeds 3] [--workers 2] [--out FILE.json]

A variant is the reference's file with some lines replaced; one adds what an earlier version did. Each is graded by
``grader validate`` on the CPU, one thread per training, in a folder of its own below ``build/``, so that a call that
was stopped goes on where it was. Printed: mean ± sample standard deviation over the training seeds of the mean BAC of
the two models, and the difference from the whole, paired by seed, ± its standard error. The whole is measured on the
same machine, as other CPUs give other bits.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from competition.profiles import PROFILES
from competition.task.constants import SEED
from grader.validation.bands import BANDS_FILE, REFERENCES_FOLDER
from grader.validation.references import PRACTICE_FOLDER, practice_data
from grader.validation.results import spread
from grader.verdicts import InfrastructureError

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
VARIANTS: dict[str, tuple[tuple[str, str], ...]] = {
    WHOLE: (),
    "no_agreement": (("val_loader.dataset) > 0)", "val_loader.dataset) > -np.inf)"),),
    "no_balance": (("balance(kept[here.samples], targets)", "torch.nonzero(kept[here.samples]).flatten()"),),
    "no_annealing": (NO_ANNEALING,),
    "no_rest": (NO_REST,),
    "no_annealing_no_rest": (NO_ANNEALING, NO_REST),
    "peers_rank_too": ((SELECTION, SELECTION_BY_PEERS), (FUNCTION, BELIEVED + FUNCTION)),
}


def edited(source: str, edits: tuple[tuple[str, str], ...]) -> str:
    """Return a source with each text replaced.

    Raises:
        ValueError: a text does not stand in it exactly once.
    """
    for old, new in edits:
        if source.count(old) != 1:
            raise ValueError(f"{old.strip()!r} stands {source.count(old)} times in the reference: mend the variant")
        source = source.replace(old, new)
    return source


def set_up(profile: str) -> None:
    """Write the variants into the workshop, beside the practice data."""
    practice_data(profile)
    references = WORKSHOP / REFERENCES_FOLDER
    references.mkdir(parents=True, exist_ok=True)
    (references / BANDS_FILE).touch()
    source = (REFERENCES_FOLDER / f"{WHOLE}.py").read_text()
    for name, edits in VARIANTS.items():
        (references / f"{name}.py").write_text(edited(source, edits))
    if not (WORKSHOP / PRACTICE_FOLDER).exists():
        (WORKSHOP / PRACTICE_FOLDER).symlink_to(PRACTICE_FOLDER.resolve())


def measure(name: str, profile: str, seeds: int) -> dict:
    """Grade one variant with each seed; return its figures, in the order of the seeds."""
    results = f"{profile}-{name}.json"
    command = [sys.executable, "-m", "grader", "validate", name, "--profile", profile, "--seeds", str(seeds)]
    graded = subprocess.run(
        [*command, "--device", "cpu", "--threads", "1", "--results", results],
        cwd=WORKSHOP,
        capture_output=True,
        text=True,
        check=False,
    )
    if graded.returncode != 0:
        raise SystemExit(f"error: {name}: {graded.stderr.strip()[-2000:]}")
    print(f"{name}: done", file=sys.stderr, flush=True)
    entries = [
        entry
        for entry in json.loads((WORKSHOP / results).read_text())["measurements"]
        if entry["conditions"]["seed"] in range(SEED, SEED + seeds)
    ]
    return {"name": name} | {key: [entry[key] for entry in entries] for key in ("test_a", "test_b", "purity")}


def difference(row: dict, whole: dict, key: str) -> str:
    """Write the mean difference from the whole, paired by seed, and its standard error."""
    pairs = [ours - its for ours, its in zip(row[key], whole[key], strict=True)]
    error = f" ± {statistics.stdev(pairs) / math.sqrt(len(pairs)):.4f}" if len(pairs) > 1 else ""
    return f"{statistics.fmean(pairs):+.4f}{error}"


def markdown(rows: list[dict]) -> str:
    """Write the results as a Markdown table."""
    whole = next(row for row in rows if row["name"] == WHOLE)
    lines = ["| variant | BAC on test_a | minus the whole | BAC on test_b | minus the whole | purity |"]
    lines.append("|---|---|---|---|---|---|")
    for row in rows:
        less = ["" if row is whole else difference(row, whole, key) for key in ("test_a", "test_b")]
        purity = f"{statistics.fmean(row['purity']):.3f}"
        lines.append(
            f"| {row['name'].replace('_', ' ')} | {spread(row['test_a'])} | {less[0]} | {spread(row['test_b'])} "
            f"| {less[1]} | {purity} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Take the parts of the reference 'best' out, one by one.")
    parser.add_argument("--profile", choices=PROFILES, default="full")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="trainings at the same time")
    parser.add_argument("--out", type=Path, default=RESULTS_FILE)
    arguments = parser.parse_args()
    try:
        set_up(arguments.profile)
    except InfrastructureError as error:
        raise SystemExit(f"error: {error.message}") from None
    with ThreadPoolExecutor(arguments.workers) as pool:
        rows = list(pool.map(lambda name: measure(name, arguments.profile, arguments.seeds), VARIANTS))
    arguments.out.write_text(json.dumps({"profile": arguments.profile, "rows": rows}, indent=2) + "\n")
    print(markdown(rows))


if __name__ == "__main__":
    main()
