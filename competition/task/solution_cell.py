"""The solution cell: its text, run in a namespace of its own over the locked names, and its errors in plain words.

At home and at the grader alike a training starts from here, so nothing is left of an earlier run, and nothing counts
that another cell defines.
"""

from competition.task.cells import FUNCTION_NAME, defines_function, has_marker, locked_name, names_bound
from competition.task.constants import SEED
from competition.task.errors import NotebookError
from competition.task.reproducibility import seed_everything
from competition.task.selection import SelectIndices, may_be_a_mask

# LOCKED CELL [solution_cell]: runs your cell afresh for each training.
import copy
import linecache
import re
import sys
import traceback
import types
from typing import Any

import torch
from IPython.core.getipython import get_ipython

SOLUTION_FILE = "<solution cell>"  # what tracebacks call it
SHOWN_LINES = 3
LOADERS = ("train_loader", "val_loader")
HINTS = {  # the first that is found in the error's text
    r"^NameError": "Only the solution cell counts: what it needs of another cell belongs into it.",
    r"^(ModuleNotFound|Import)Error": "The grader has the libraries that the notebook's first cell lists; nothing else "
    "can be installed there.",
    r"^SystemExit": "Remove what ends the notebook: sys.exit, exit or quit.",
    r"URLError|gaierror|ConnectionError|name resolution|Name or service|Network is unreachable|Max retries": "There is "
    "no internet at the grader: nothing can be fetched or installed.",
    r"does not require grad": "The losses are copies without gradients: they say how large a loss is, and nothing can "
    "be learned through them. Train a model of your own instead.",
    r"NVIDIA driver|not compiled with CUDA|No CUDA GPUs": "There is no GPU here: write DEVICE instead of 'cuda'.",
    r"on the same device": "targets and losses are on the CPU: move your own tensors there, with .cpu().",
    r"Boolean value of Tensor with more|truth value of an array": "Combine masks with & and |, each comparison in "
    "parentheses, instead of 'and' and 'or'.",
}


def cells_run() -> list[str]:
    """Return the texts of the cells that this kernel has run, in order; one that ran twice stands there twice."""
    shell = get_ipython()
    assert shell is not None
    assert shell.history_manager is not None
    return list(shell.history_manager.input_hist_raw)


def plain_python(text: str) -> str:
    """Turn IPython's magics in a cell's text into Python."""
    shell = get_ipython()
    assert shell is not None
    return str(shell.transform_cell(text))


locked: dict[str, Any] = {}  # what the locked cells above the solution define, as they left it


def lock_names() -> None:
    """Remember what the locked cells define, the loaders as copies: other cells may give a name another meaning."""
    names = {name for cell in cells_run() if locked_name(cell) not in (None, "final") for name in names_bound(cell)}
    locked.update({name: value for name, value in globals().items() if name in names})
    locked.update({name: copy.deepcopy(locked[name]) for name in LOADERS})


def restore_names() -> None:
    """Give the locked names their meaning back, as the locked cells' own functions use them."""
    globals().update({name: value for name, value in locked.items() if name not in LOADERS})


class SolutionError(NotebookError):
    """The solution cell raised an error; the message is that of `explain`."""


def explain(error: BaseException) -> str:
    """Say what went wrong in the solution cell: its own line first, how it came there, what to do."""
    if isinstance(error, NotebookError):
        return str(error)
    if isinstance(error, SyntaxError) and error.filename == SOLUTION_FILE:
        numbers, what = [error.lineno or 1], f"{type(error).__name__}: {error.msg}"
    else:
        steps = traceback.walk_tb(error.__traceback__)
        numbers = [number for frame, number in steps if frame.f_code.co_filename == SOLUTION_FILE]
        what = "".join(traceback.format_exception_only(error)).strip()
    lines = []
    for number in dict.fromkeys(reversed(numbers)):
        code = linecache.getline(SOLUTION_FILE, number).strip()
        lines.append(f"    line {number}: {code}")
    if len(lines) > SHOWN_LINES:
        lines[SHOWN_LINES:] = [f"    and {len(lines) - SHOWN_LINES} more lines"]
    where = f"solution cell, line {numbers[-1]}" if numbers else "solution cell"
    hint = next((hint for pattern, hint in HINTS.items() if re.search(pattern, what)), None)
    return "\n".join([f"{where}: {what}", *lines, *([hint] if hint else [])])


def solution_text(cells: list[str]) -> tuple[str, list[str]]:
    """Find the solution cell among the cells that were run, and what its author should know about the others.

    Args:
        cells: their texts in the order in which they were run; one that was run twice stands there twice.

    Returns:
        The text as it was run last, and notices, a sentence each.

    Raises:
        NotebookError: it was not run yet.
    """
    notices = []
    marked = [cell for cell in cells if has_marker(cell)]
    others = [cell for cell in cells if defines_function(cell) and not has_marker(cell)]
    if not marked and not others:
        raise NotebookError("Run the solution cell first: no cell that was run has its first line.")
    if not marked:
        notices.append("No cell that was run has the solution cell's first line: the one that defines it was taken.")
    elif others:
        notices.append(f"Another cell defines {FUNCTION_NAME} too; it is ignored, as only the solution cell counts.")
    return (marked or others)[-1], notices


class Solution:
    """The solution cell, run in a fresh module over the locked names; calling it calls `your_select_indices`.

    Attributes:
        module: holds the names of the cell. It is ``__main__`` from now on, as pickle looks for classes there.

    Raises:
        SolutionError: the cell raised an error, or defines no `your_select_indices`.
    """

    def __init__(self, text: str) -> None:
        self.module = types.ModuleType("__main__")
        vars(self.module).update(locked)
        for name in LOADERS:  # the training's own stay as they are, whatever the cell does
            setattr(self.module, name, copy.deepcopy(locked[name]))
        sys.modules["__main__"] = self.module
        linecache.cache[SOLUTION_FILE] = (len(text), None, text.splitlines(keepends=True), SOLUTION_FILE)
        seed_everything(SEED)
        try:
            exec(compile(plain_python(text), SOLUTION_FILE, "exec"), vars(self.module))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise SolutionError(explain(error)) from None
        function = getattr(self.module, FUNCTION_NAME, None)
        if not callable(function):
            raise SolutionError(
                f"the solution cell defines no {FUNCTION_NAME}, the function that is called for every batch"
            )
        self._function: SelectIndices = function
        self._told = False

    def __call__(self, targets: torch.Tensor, losses: list[torch.Tensor]) -> Any:
        """Call the function; its errors come as `SolutionError`, but for KeyboardInterrupt."""
        try:
            returned = self._function(targets, losses)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise SolutionError(explain(error)) from None
        pair = returned if isinstance(returned, (list, tuple)) and not self._told else ()
        if any(may_be_a_mask(selection, len(targets)) for selection in pair):
            self._told = True
            print(
                "notice: a selection of integers that are all 0 or 1, as many as the batch has samples, is taken as "
                "the indices 0 and 1; if it is a mask, return it as bool: mask.bool()"
            )
        return returned


solution: Solution | None = None


def take_solution(line: str, text: str) -> None:
    """Run the solution cell that the grader put below ``%%solution``, for `final_evaluate`."""
    global solution
    solution = Solution(text)
