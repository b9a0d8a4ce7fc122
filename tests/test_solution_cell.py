"""The solution cell at home and at the grader: which text counts, and what is said where it goes wrong."""

import linecache

import pytest
import torch

from competition.task.cells import SOLUTION_MARKER
from competition.task.errors import NotebookError
from competition.task.selection import PresentationError, normalise_selection
from competition.task.solution_cell import SHOWN_LINES, SOLUTION_FILE, explain, solution_text

FUNCTION = "def your_select_indices(targets, losses):\n    "
LOSSES = [torch.rand(4), torch.rand(4)]


def explained(cell):
    """Run a cell and call its function, as the notebook does, until an error; return how it is explained."""
    text = f"{SOLUTION_MARKER}\n{cell}"
    linecache.cache[SOLUTION_FILE] = (len(text), None, text.splitlines(keepends=True), SOLUTION_FILE)
    names = {"torch": torch}
    try:
        exec(compile(text, SOLUTION_FILE, "exec"), names)
        normalise_selection(names["your_select_indices"](torch.tensor([0, 1, 1, 0]), LOSSES), 4)
    except BaseException as error:  # SystemExit too
        return explain(error)
    raise AssertionError("there was no error")


WORDS = {
    "a name of another cell": (
        FUNCTION + "return helper(targets)",
        "solution cell, line 3: NameError: name 'helper' is not defined\n    line 3: return helper(targets)\n"
        "Only the solution cell counts: what it needs of another cell belongs into it.",
    ),
    "a library that is not there": (
        "import xgboost_of_nobody",
        "solution cell, line 2: ModuleNotFoundError: No module named 'xgboost_of_nobody'",
    ),
    "sys.exit": ("import sys\nsys.exit()", "Remove what ends the notebook"),
    "the internet": (
        "import urllib.error\n" + FUNCTION + "raise urllib.error.URLError('Temporary failure in name resolution')",
        "There is no internet at the grader: nothing can be fetched or installed.",
    ),
    "backward on the losses": (FUNCTION + "losses[0].mean().backward()", "The losses are copies without gradients"),
    "and between masks": (
        FUNCTION + "return [(targets == 1) and (losses[0] < 1)] * 2",
        "Combine masks with & and |",
    ),
    "a syntax error": (FUNCTION + "return [", "solution cell, line 3: SyntaxError: '[' was never closed"),
    "no return": (FUNCTION + "targets == 1", "returned None; expected two selections"),
    "three selections": (FUNCTION + "return [0], [1], [2]", "returned a tuple of 3; expected two selections"),
    "a dict": (FUNCTION + "return {1: [0], 2: [1]}", "returned a dict; expected two selections"),
    "one selection": (FUNCTION + "return torch.tensor([0, 1, 2])", "returned a Tensor; expected two selections"),
    "an index of the data set": (FUNCTION + "return [[0], [4]]", "an index is a place in the batch, not in the data"),
}


@pytest.mark.parametrize(("cell", "words"), WORDS.values(), ids=WORDS)
def test_a_mistake_is_told_in_words_that_help(cell, words):
    """The pupil's own line comes first, then what to do; of the machinery nothing is shown."""
    said = explained(cell)
    assert words in said
    assert "site-packages" not in said


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what is said without a GPU")
def test_cuda_without_a_gpu_is_told_to_use_device():
    """A tensor on a GPU that is not there is explained."""
    said = explained(FUNCTION + "return [torch.ones(2, device='cuda'), []]")
    assert said.endswith("There is no GPU here: write DEVICE instead of 'cuda'.")


def test_the_way_to_an_error_is_short():
    """The lines that led to it are shown, the last first, each once, and of many only some."""
    chain = "\n".join(f"def f{k}():\n    f{k + 1}()" for k in range(9)) + "\ndef f9():\n    return 1 / 0\n"
    said = explained(chain + FUNCTION + "f0()").splitlines()
    assert said[0] == "solution cell, line 21: ZeroDivisionError: division by zero"
    assert len(said) == 1 + SHOWN_LINES + 1
    assert said[-1] == f"    and {11 - SHOWN_LINES} more lines"
    recursive = explained("def again():\n    again()\n" + FUNCTION + "again()").splitlines()
    assert len(recursive) == 3


def test_the_marked_cell_counts_as_it_was_run_last():
    """Of the cells that were run, the one with the marker counts, in its newest form; a lost marker is told."""
    old, new = (f"{SOLUTION_MARKER}\n{FUNCTION}return [{k}]" for k in (1, 2))
    other = FUNCTION + "return [3]"
    assert solution_text(["x = 1", old, new]) == (new, [])
    assert solution_text([old, f"# a note\n\n{new}", "print(your_select_indices)"]) == (f"# a note\n\n{new}", [])
    text, [notice] = solution_text([new, other])
    assert text == new
    assert notice.startswith("Another cell defines your_select_indices too; it is ignored")
    text, [notice] = solution_text([other])
    assert text == other
    assert "has the solution cell's first line" in notice
    with pytest.raises(NotebookError, match="Run the solution cell first"):
        solution_text(["# LOCKED CELL [x]: y\ndef your_select_indices(): pass"])


def test_an_error_of_the_contract_keeps_its_words():
    """A `PresentationError` is its own explanation."""
    assert explain(PresentationError("one selection is missing")) == "one selection is missing"
