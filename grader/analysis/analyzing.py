"""Analyse a run, or any vector of data values: every metric of `grader.analysis.metrics` as one JSON file and as plots.

    analysis.json    all metrics
    discovery.png    corrupted samples found among the lowest values, with the optimal and the random search
    removal.png      a model trained without the lowest values, and without the highest
    values.png       the values of right and of wrong labels
    selection.png    purity and clean recall per class and epoch (runs only)

What needs to know the wrong labels is left out where nobody does. The losses of a run are drawn in its report.
"""

from __future__ import annotations

from pathlib import Path

from grader.analysis.metrics import Analysis, evaluate_values
from grader.analysis.plots import save_plots
from grader.analysis.values import open_source
from grader.verdicts import InfrastructureError

ANALYSIS_FILE = "analysis.json"


def analyze(source: Path, data: Path, out: Path) -> Analysis:
    """Analyse a run folder or a file of data values, and write the metrics and the plots into `out`.

    Args:
        source: a run folder; or values, see `read_values`.
        data: what ``build-data`` made, with its private part; or a folder of npz files, see `read_npz_data`.

    Raises:
        InfrastructureError: something is missing, damaged, or does not fit; or `out` cannot be written.
    """
    values, opened, selection = open_source(source, data)
    analysis = evaluate_values(source.name, values, opened, selection)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / ANALYSIS_FILE).write_text(analysis.to_json())
        save_plots(analysis, values, opened.corrupted, out)
    except OSError as error:
        raise InfrastructureError(f"the analysis could not be written to {out}: {error}") from None
    return analysis
