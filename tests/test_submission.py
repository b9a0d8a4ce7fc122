"""Submitted files: what is a notebook, which cell is graded, what a participant is told about the rest."""

import json
import os
import re

import pytest

from competition.notebook import SOLUTION_MARKER, build_notebook, graft, has_marker, notebook_text
from grader.submission import MAX_NOTEBOOK_BYTES, read_cells, read_file, read_submission
from grader.submission.advice import EXAMINED_CHARACTERS, NAMED_AT_MOST
from grader.verdicts import ParticipantFault, Verdict

SOLUTION = f"{SOLUTION_MARKER}\ndef your_select_indices(targets, losses):\n    return [[], []]"


STARTER = [c for c in json.loads(notebook_text(build_notebook()))["cells"] if c.get("id") != "solution"]


def notebook_with(*cells, base=None, **fields):
    """Make a notebook file of the starter's cells (or of `base`) and more; `fields` go to its top level."""
    made = [
        cell if isinstance(cell, dict) else {"cell_type": "code", "metadata": {}, "outputs": [], "source": cell}
        for cell in cells
    ]
    notebook = {"cells": [*(STARTER if base is None else base), *made], "metadata": {}, "nbformat": 4}
    return json.dumps({**notebook, "nbformat_minor": 5, **fields}).encode()


def message_of(raw):
    """Return the message of the PresentationError that reading `raw` gives."""
    with pytest.raises(ParticipantFault) as fault:
        read_submission(raw)
    assert fault.value.verdict is Verdict.PRESENTATION_ERROR
    return fault.value.message


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"print('hello')", "not JSON"),
        (b"", "not JSON"),
        (b"\xff\xfe\x00\x01", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b"PK\x03\x04zip", "not JSON"),
        (b"[]", "no list of cells"),
        (b"{}", "no list of cells"),
        (b'{"cells": 5}', "no list of cells"),
        (b'{"cells": ["text"]}', "cell 1 has no source text"),
        (b'{"cells": [{"source": [1]}]}', "cell 1 has no source text"),
        (b'{"worksheets": [], "nbformat": 3}', "old format 3"),
        (notebook_with(), "no solution cell: no cell has the line"),
        (notebook_with("select = your_select_indices", base=[]), "and none defines your_select_indices"),
        (
            notebook_with("def your_select_indices(t, l): pass", "your_select_indices = None", base=[]),
            "cells 1 and 2 each define your_select_indices: put the line above the one that is to be graded",
        ),
        (notebook_with(SOLUTION, SOLUTION, base=[]), "more than one solution cell (cells 1 and 2)"),
        (notebook_with({"cell_type": "markdown", "source": SOLUTION}, base=[]), "is a markdown cell"),
        (notebook_with({"cell_type": "raw", "source": SOLUTION}, base=[]), "is a raw cell"),
        (notebook_with(SOLUTION + "#" * 70_000), "at most 65,536 are allowed"),
        (notebook_with(SOLUTION + "\ud800"), "not valid Unicode"),
        (b'{"cells": [' + b"{}," * 20_000 + b"{}]}", "20,001 cells, 10,000 are allowed"),
        (notebook_with("\n\r\u2028" * 70_000), "lines, 200,000 are allowed"),
    ],
)
def test_what_is_no_submission_is_refused_with_the_remedy(raw, words):
    """Each way of not being a submission has its own message."""
    assert words in message_of(raw)


def test_only_the_solution_cells_source_counts():
    """Metadata, tags, kernelspec, outputs and other cells change neither the solution nor its checksum."""
    plain = read_submission(notebook_with(SOLUTION))
    loud = {
        "cell_type": "code",
        "id": "x",
        "metadata": {"tags": ["skip-execution", "parameters"], "editable": False},
        "outputs": [{"output_type": "error", "traceback": ["no"]}],
        "source": SOLUTION.splitlines(keepends=True),
    }
    other = read_submission(notebook_with("print(1)", loud, metadata={"kernelspec": {"name": "evil"}}))
    assert plain.solution == other.solution == SOLUTION
    assert plain.solution_sha256 == other.solution_sha256
    assert plain.notices == other.notices == ()


def test_editors_white_space_is_no_change():
    """Blank lines before the marker, trailing blanks and a byte-order mark do not matter."""
    assert read_submission(b"\xef\xbb\xbf" + notebook_with("\n\n  " + SOLUTION)).notices == ()


@pytest.mark.parametrize(
    "above",
    ["\n\n", "#@title My solution\n", "# my team: the sevens\n\n  # second try\n", "\ufeff", "\ufeff\n#@title\n\n"],
    ids=["blank lines", "Colab's title", "comments", "byte-order mark", "all of them"],
)
def test_the_marker_may_stand_below_comments(above):
    """Whatever comments and blank lines an editor or a person puts above the marker, it is the solution cell."""
    submission = read_submission(notebook_with(above + SOLUTION))
    assert submission.notices == ()
    assert submission.solution == (above + SOLUTION).removeprefix("\ufeff")
    assert sum(has_marker(cell.source) for cell in graft(submission.solution).cells) == 1


def test_a_marker_below_code_is_none():
    """A marker in a string or below a statement does not make a second solution cell."""
    other = f'text = """\n{SOLUTION_MARKER}\n"""'
    assert read_submission(notebook_with(other, SOLUTION)).solution == SOLUTION


@pytest.mark.parametrize(
    "definition",
    [
        "import torch\n\ndef your_select_indices(targets, losses):\n    return [[], []]",
        "your_select_indices = lambda targets, losses: [[], []]",
    ],
    ids=["def", "assignment"],
)
def test_without_a_marker_the_one_cell_that_defines_the_function_is_taken(definition):
    """Who deleted the marker is graded all the same, and told so."""
    submission = read_submission(notebook_with("print(your_select_indices)", definition))
    assert submission.solution == definition
    assert re.fullmatch(
        r"cell \d+ was taken: it defines the function, and no cell has the line .*", submission.notices[0]
    )
    assert len(submission.notices) == 1


def test_a_solution_cell_that_nobody_edited_is_noticed():
    """The starter's own cell says loudly what it is; one more comment in it, and it is somebody's own."""
    starter = next(cell for cell in build_notebook().cells if cell.id == "solution").source
    [notice] = read_submission(notebook_with(starter)).notices
    assert "is still the starter's" in notice
    assert read_submission(notebook_with(starter + "\n# mine")).notices == ()


@pytest.mark.parametrize(
    "elsewhere",
    [
        "def your_select_indices(targets, losses):\n    return [[0], [0]]",
        "your_select_indices = clever",
        "from mine import clever as your_select_indices",
    ],
    ids=["def", "assignment", "import"],
)
def test_a_function_in_another_cell_is_noticed(elsewhere):
    """A definition that is ignored, while the marked cell counts, is said in a sentence with its cell's number."""
    [notice] = read_submission(notebook_with(SOLUTION, "print(your_select_indices)", elsewhere)).notices
    assert re.match(r"cell \d+ defines your_select_indices too; it is ignored", notice)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("def your_select_indices(targets, losses)\n    pass", "line 2: SyntaxError: expected ':'"),
        (
            "%matplotlib inline\ndef your_select_indices(targets, losses):\n  return [",
            "line 4: SyntaxError: '[' was never",
        ),
        ("def your_select_indices(targets):\n    pass", "line 2: your_select_indices is called with two arguments"),
        ("def your_select_indices(a, b, c):\n    pass", "losses, but needs 3"),
        ("def your_select_indices(targets, *, losses):\n    pass", "but needs 2"),
        ("def your_select_indice(targets, losses):\n    pass", "is your_select_indice, in line 2, the one?"),
        ("%%time\ndef your_select_indices(targets, losses):\n    pass", "line 2: %%time works on the first line"),
    ],
)
def test_what_can_be_seen_without_running_is_said_with_its_line(cell, words):
    """Syntax, parameters, a misspelt name, a misplaced magic: told with the line as the author counts it."""
    notices = read_submission(notebook_with(f"{SOLUTION_MARKER}\n{cell}")).notices
    assert any(words in notice for notice in notices), notices


@pytest.mark.parametrize(
    "cell",
    [
        "def your_select_indices(targets, losses, rate=0.5):\n    pass",
        "def your_select_indices(*both):\n    pass",
        "%matplotlib inline\nimport os  # why?\nfiles = !ls\ndef your_select_indices(t, l):\n    # really?\n    pass",
    ],
    ids=["a default", "any number", "magics"],
)
def test_what_is_in_order_is_passed_over_in_silence(cell):
    """Defaults, star arguments and IPython's own syntax are no mistakes."""
    assert read_submission(notebook_with(f"{SOLUTION_MARKER}\n{cell}")).notices == ()


def test_changed_and_missing_locked_cells_are_named():
    """A participant reads which locked cells differ, and that the difference is ignored."""
    starter = json.loads(notebook_text(build_notebook()))["cells"]
    kept = [cell for cell in starter if cell.get("id") not in ("solution", "locked-model")]
    training = next(cell for cell in kept if cell["id"] == "locked-training")
    training["source"] = "".join(training["source"]).replace("range(epochs)", "range(9)")
    notices = read_submission(notebook_with(SOLUTION, base=kept)).notices
    assert notices == (
        "the locked cell [model] is missing; the grader uses its own copy",
        "the locked cell [training] was changed; the change is ignored",
    )


def test_an_organizers_download_ids_are_no_change():
    """The cell with the download ids differs from contest to contest, so nobody is told about it."""
    cells = json.loads(notebook_text(build_notebook()))["cells"]
    next(cell for cell in cells if cell["id"] == "locked-source")["source"] = (
        "# LOCKED CELL [source]: edits here change nothing.\nDRIVE_IDS = {'train': 'other'}"
    )
    kept = [cell for cell in cells if cell["id"] != "solution"]
    assert read_submission(notebook_with(SOLUTION, base=kept)).notices == ()


def test_a_function_of_another_name_is_noticed():
    """A cell that binds the expected name nowhere gets a notice; one that binds it in any way gets none."""
    wrong = read_submission(
        notebook_with(f"{SOLUTION_MARKER}\ndef select_indices(targets, losses):\n    return [[], []]")
    )
    assert wrong.notices[-1:] == (
        "the solution cell defines no your_select_indices, the function that is called for every batch; "
        "is select_indices, in line 2, the one?",
    )
    assigned = f"{SOLUTION_MARKER}\nyour_select_indices = lambda targets, losses: [[], []]"
    assert read_submission(notebook_with(assigned)).notices == ()


def test_names_from_ignored_cells_are_found():
    """Functions, imports and constants taken from cells that are not graded are named, with the cell."""
    helpers = "import math\nRATE = 0.5\ndef keep(n):\n    return range(n)\ndef unused(): pass"
    solution = (
        f"{SOLUTION_MARKER}\n%matplotlib inline\nimport torch\n"
        "def own(x): return x\n"
        "def your_select_indices(targets, losses):\n"
        "    n = math.floor(RATE * len(targets))\n"
        "    return [list(keep(n)), [own(i) for i in range(n) if train_loader and BATCH_SIZE]]"
    )
    notices = read_submission(notebook_with(helpers, solution, base=[])).notices
    told = [notice for notice in notices if "is defined in cell 1" in notice]
    assert [notice.split("'")[1] for notice in told] == ["math", "RATE", "keep"]
    assert all(re.match(r"solution cell, line [67]: '\w+' .*into the solution cell", notice) for notice in told)


def test_names_that_nothing_defines_are_found_with_their_line():
    """A misspelt or missing name is told before anything runs; locked names, and what Python binds, are not."""
    solution = (
        f"{SOLUTION_MARKER}\nimport torch as t\n"
        "def own(x, *rest, key=None, **more):\n"
        "    global seen\n    seen = [y for y in rest if key and more]\n    return seen\n"
        "def your_select_indices(targets, losses):\n"
        "    if (n := len(targets)) and position().epoch == 0 and display and get_ipython():\n"
        "        return [t.arange(n), lenght(targets)]\n"
        "    return [np.arange(n), own(lenght, List, DEVICE, pd, plt, Image, transforms, TRAIN_DATASET_PATH)]"
    )
    assert read_submission(notebook_with(solution)).notices == (
        "solution cell, line 9: nothing that counts defines 'lenght'",
    )
    misspelt = solution.replace("lenght", "trian_loader")
    assert read_submission(notebook_with(misspelt)).notices[0].endswith("'trian_loader'; is 'train_loader' meant?")
    star = solution.replace("import torch as t", "import torch as t\nfrom numpy import *")
    assert read_submission(notebook_with(star)).notices == ()


@pytest.mark.parametrize("line", ["!pip install xgboost", "%pip install xgboost", "if True:\n    !conda install x"])
def test_installing_is_told_to_be_of_no_use(line):
    """A line that installs something is named, as there is no internet at the grader."""
    cell = f"{SOLUTION_MARKER}\n{line}\ndef your_select_indices(t, l): pass"
    [notice] = read_submission(notebook_with(cell)).notices
    assert re.match(r"solution cell, line [23]: nothing can be installed at the grader", notice)


def test_a_syntax_error_does_not_stop_the_comparison():
    """A solution that does not parse is still lifted; the grader will run it and report the error."""
    assert read_submission(notebook_with(f"{SOLUTION_MARKER}\ndef (")).solution.endswith("def (")


def test_only_small_regular_files_are_read(tmp_path):
    """A link, a folder, a pipe and a file over 16 MiB are refused without reading them."""
    target = tmp_path / "target.ipynb"
    target.write_bytes(notebook_with(SOLUTION))
    (tmp_path / "link.ipynb").symlink_to(target)
    (tmp_path / "folder.ipynb").mkdir()
    os.mkfifo(tmp_path / "pipe.ipynb")
    with open(tmp_path / "big.ipynb", "wb") as stream:
        stream.truncate(MAX_NOTEBOOK_BYTES + 1)
    for name, words in (
        ("link", "a link, a folder, a pipe or the like"),
        ("folder", "a link, a folder, a pipe or the like"),
        ("pipe", "a link, a folder, a pipe or the like"),
        ("big", "Clear Outputs"),
    ):
        with pytest.raises(ParticipantFault, match=words):
            read_file(tmp_path / f"{name}.ipynb")
    assert read_submission(read_file(target)).solution == SOLUTION


def test_a_flood_of_magics_is_read_in_one_go():
    """A cell with thousands of IPython magics, which IPython itself gives up on, is parsed like any other."""
    cell = "%x\n" * 3000 + "found = 1\nhost = !hostname\nfound?\n"
    submission = read_submission(notebook_with(cell, SOLUTION + "\nprint(found, host)"))
    assert ["'found'" in notice or "'host'" in notice for notice in submission.notices] == [True, True]


def test_hints_about_ignored_cells_have_bounds():
    """Thousands of names and endless names make no endless record, and what lies behind a huge cell is not examined."""
    names = [f"name_{number}" for number in range(3000)]
    many = read_submission(notebook_with("\n".join(f"{n} = 1" for n in names), SOLUTION + "\n" + "\n".join(names)))
    assert len(many.notices) == NAMED_AT_MOST + 1
    assert many.notices[-1] == "there are more such names"
    endless = "n" * 30_000
    assert read_submission(notebook_with(f"{endless} = 1", f"{SOLUTION}\n{endless}")).notices == ()
    huge = "#" * EXAMINED_CHARACTERS
    [notice] = read_submission(notebook_with(huge, "found = 1", f"{SOLUTION}\nfound")).notices
    assert notice.endswith("nothing that counts defines 'found'")
    deep = f"{SOLUTION}\nx = y" + ".a" * 900  # too deep to look for names in, but Python can run it
    assert read_submission(notebook_with(deep)).notices == ()


def test_of_many_names_a_misspelt_one_is_still_recognised():
    """That names are compared within bounds hides no hint from an ordinary cell; endless names are not compared."""
    cell = f"{SOLUTION}\nkeep_rate = 1\n" + "".join(f"name_{number} = 1\n" for number in range(30))
    [notice] = read_submission(notebook_with(f"{cell}print(keep_rat)")).notices
    assert notice.endswith("nothing that counts defines 'keep_rat'; is 'keep_rate' meant?")
    long = "very_" * 12 + "long"
    [notice] = read_submission(notebook_with(f"{SOLUTION}\n{long}s = 1\nprint({long})")).notices
    assert notice.endswith(f"nothing that counts defines '{long}'")


@pytest.mark.parametrize("filler", ["[],", "{},", '"",', "0,"], ids=["lists", "objects", "texts", "numbers"])
def test_a_flood_of_small_values_is_refused_before_it_is_parsed(filler):
    """Millions of values in a file of allowed size take a gigabyte once parsed; the same marks in a text do not."""
    flood = f'{{"nbformat": 4, "cells": [], "x": [{filler * 1_000_001}0]}}'.encode()
    with pytest.raises(ParticipantFault, match="more than 1,000,000 values; clear the outputs"):
        read_cells(flood)
    text = json.dumps({"nbformat": 4, "cells": [], "x": filler * 1_000_001}).encode()
    assert read_cells(text) == []
