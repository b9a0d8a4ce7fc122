"""Runs to report on: a good one that displays all that a notebook can display, a broken one, and changed copies."""

import json
import shutil

import pytest

from competition.notebook import graft, notebook_text
from grader.grading import Settings, grade, read_record, write_run
from grader.verdicts import Verdict

ATTACK = "<img src=x onerror=\"document.title='owned'\">"
PRINTED = f"\x1b[31mred\x1b[0m {ATTACK} </pre></script><script>document.title = 'owned'</script>"

# Displays everything that a notebook can display, and keeps what has a small loss, some of it twice.
SHOWY = f"""
import matplotlib.pyplot as plt
import torch
from IPython.display import HTML, SVG, Javascript, Latex, display
from tqdm import tqdm

print({PRINTED!r})
for _ in tqdm(range(3)):
    pass
plt.figure(figsize=(3, 2))
plt.plot([3, 1, 2])
plt.show()
for kind, text in ((HTML, {ATTACK!r}), (SVG, "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")):
    display({{"text/html": text, "image/svg+xml": text}}, raw=True)
    display(kind(text))
display(Javascript("document.title = 'owned'"), Latex("$x$"))
calls = 0


def your_select_indices(targets, losses):
    global calls  # {ATTACK}
    calls += 1
    print("call", calls)
    small = torch.argsort(losses[1])[: len(targets) // 2]
    return [torch.cat([small, small[:3]]), targets == 1]
"""


def stored(cell, data, runs, **settings):
    """Grade a cell, or a submitted file's bytes, and return its run folder."""
    raw = cell if isinstance(cell, bytes) else notebook_text(graft(cell)).encode()
    return write_run(runs, *grade(raw, Settings(data, **({"split": "test_a", "threads": 1} | settings))))


@pytest.fixture(scope="module")
def good(data, tmp_path_factory):
    """Make one run with the verdict OK."""
    notebook = graft(SHOWY)
    next(cell for cell in notebook.cells if cell.id == "locked-model").source += "\n# " + ATTACK
    run = stored(notebook_text(notebook).encode(), data, tmp_path_factory.mktemp("runs"))
    assert read_record(run).verdict is Verdict.OK
    return run


@pytest.fixture(scope="module")
def broken(data, tmp_path_factory):
    """Make one run that raised an error in the second epoch."""
    cell = "calls = 0\ndef your_select_indices(targets, losses):\n    global calls\n    calls += 1\n"
    cell += f"    if calls == 4: raise ValueError({ATTACK!r})\n    return [[0, 0, 1], []]"
    run = stored(cell, data, tmp_path_factory.mktemp("runs"))
    assert read_record(run).verdict is Verdict.RUNTIME_ERROR
    return run


@pytest.fixture
def copy(tmp_path):
    """Copy a run, with some fields of its record changed."""

    def make(run, **fields):
        target = tmp_path / "copied run"
        shutil.copytree(run, target)
        record = json.loads((target / "record.json").read_text()) | fields
        (target / "record.json").write_text(json.dumps(record))
        return target

    return make
