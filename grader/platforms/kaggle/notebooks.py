"""The metric and the starter notebook for Kaggle, put together from the task's cells and the platform's."""

from __future__ import annotations

from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from competition.notebook import FOLDED, Origin, build_notebook, module_text, notebook_text

TRAINER = (  # the task's modules that a training needs, in the order of their cells
    "constants",
    "errors",
    "source",
    "reproducibility",
    "data",
    "model",
    "metric",
    "position",
    "selection",
    "epoch",
    "training",
)
MARKER = "# PLATFORM CELL ["
ON_KAGGLE = """\
# On Kaggle

**Save Version, Save & Run All, then submit the `submission.csv` among its outputs.** The last cell writes that file
when a whole training ends: the indices that your function chose, twice the same, for the two halves of the public test
set. Kaggle trains both models again from them. `QUICK = True` writes none.

The final ranking is made by the organizers, from **this notebook**, on images that nobody has seen: hand it in as the
rules say. What is said below of submitting a notebook is for that."""


def platform_text(name: str) -> str:
    """Return the cell's part of a module beside this one: its marker line and everything below."""
    module = Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    return module[module.index(MARKER) :].rstrip("\n")


def starter_for_kaggle(origin: Origin) -> str:
    """Return the text of the starter notebook that writes ``submission.csv`` at the end of a whole training.

    Every cell of the standard notebook is in it as it is; two are added.
    """
    notebook = build_notebook(origin)
    _, _, packed = platform_text("packed").partition("\n")
    recording = f"# @title {platform_text('recording').removeprefix('# ')}"
    head, _, body = recording.partition("\n")
    cell = new_code_cell(f"{head}\n{packed}\n\n\n{body}", id="platform-recording")
    cell.metadata.update(editable=False, deletable=False, **FOLDED)
    text = new_markdown_cell(ON_KAGGLE, id="platform-text")
    text.metadata.update(editable=False, deletable=False)
    last = next(place for place, each in enumerate(notebook.cells) if each.id == "locked-final")
    notebook.cells.insert(last, cell)
    notebook.cells.insert(1, text)
    return notebook_text(notebook)


def metric_notebook(threads: int) -> str:
    """Return the text of the metric's notebook.

    Args:
        threads: CPU threads of a training.
    """
    metric = platform_text("metric").replace("THREADS = NUM_THREADS", f"THREADS = {threads}")
    texts = [*map(module_text, TRAINER), platform_text("packed"), metric]
    notebook: NotebookNode = new_notebook(
        cells=[new_code_cell(text, id=f"cell-{number}") for number, text in enumerate(texts)],
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
    )
    return notebook_text(notebook)
