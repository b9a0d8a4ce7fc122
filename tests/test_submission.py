"""Submitted files: what is a notebook, which cell is graded, what a participant is told about the rest."""

import json
import os

import pytest

from competition.notebook import SOLUTION_MARKER, build_notebook, notebook_text
from grader.submission import MAX_NOTEBOOK_BYTES, read_file, read_submission
from grader.submission.advice import EXAMINED_CHARACTERS, NAMED_AT_MOST
from grader.verdicts import ParticipantFault, Verdict

SOLUTION = f"{SOLUTION_MARKER}\ndef your_select_indices(targets, losses):\n    return [[], []]"


def notebook_with(*cells, base=None, **fields):
    """Make a notebook file of the starter's cells (or of `base`) and more; `fields` go to its top level."""
    starter = [c for c in json.loads(notebook_text(build_notebook()))["cells"] if c.get("id") != "solution"]
    made = [
        cell if isinstance(cell, dict) else {"cell_type": "code", "metadata": {}, "outputs": [], "source": cell}
        for cell in cells
    ]
    notebook = {"cells": [*(starter if base is None else base), *made], "metadata": {}, "nbformat": 4}
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
        (notebook_with(), "no solution cell: its first line must be"),
        (notebook_with("def your_select_indices(t, l): pass", base=[]), "cell 1 defines your_select_indices"),
        (notebook_with(SOLUTION, SOLUTION, base=[]), "more than one solution cell (cells 1 and 2)"),
        (notebook_with({"cell_type": "markdown", "source": SOLUTION}, base=[]), "is a markdown cell"),
        (notebook_with({"cell_type": "raw", "source": SOLUTION}, base=[]), "is a raw cell"),
        (notebook_with(SOLUTION + "#" * 70_000), "at most 65,536 are allowed"),
        (notebook_with(SOLUTION + "\ud800"), "not valid Unicode"),
        (b'{"cells": [' + b"{}," * 20_000 + b"{}]}", "20,001 cells, 10,000 are allowed"),
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


def test_changed_and_missing_locked_cells_are_named():
    """A participant reads which locked cells differ, and that the difference is ignored."""
    starter = json.loads(notebook_text(build_notebook()))["cells"]
    kept = [cell for cell in starter if cell.get("id") not in ("solution", "locked-metric")]
    training = next(cell for cell in kept if cell["id"] == "locked-training")
    training["source"] = "".join(training["source"]).replace("NUM_EPOCHS + 1", "NUM_EPOCHS + 9")
    notices = read_submission(notebook_with(SOLUTION, base=kept)).notices
    assert notices == (
        "the locked cell [metric] is missing; the grader uses its own copy",
        "the locked cell [training] was changed; the change is ignored",
    )


def test_an_organizers_download_ids_are_no_change():
    """The cell with the download ids differs from contest to contest, so nobody is told about it."""
    cells = json.loads(notebook_text(build_notebook()))["cells"]
    next(cell for cell in cells if cell["id"] == "locked-source")["source"] = (
        "# LOCKED CELL [source]: edits here change nothing.\nTRAIN_ID = 'other'"
    )
    kept = [cell for cell in cells if cell["id"] != "solution"]
    assert read_submission(notebook_with(SOLUTION, base=kept)).notices == ()


def test_a_function_of_another_name_is_noticed():
    """A cell that binds the expected name nowhere gets a notice; one that binds it in any way gets none."""
    wrong = read_submission(
        notebook_with(f"{SOLUTION_MARKER}\ndef select_indices(targets, losses):\n    return [[], []]")
    )
    assert wrong.notices[-1:] == (
        "the solution cell defines no your_select_indices, the function that is called for every batch",
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
    told = [notice for notice in notices if "your solution uses" in notice]
    assert [notice.split("'")[1] for notice in told] == ["RATE", "keep", "math"]
    assert all("defined in cell 1" in notice and "into the solution cell" in notice for notice in told)


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
        ("link", "a link, a folder or a pipe"),
        ("folder", "a link, a folder or a pipe"),
        ("pipe", "a link, a folder or a pipe"),
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
    assert read_submission(notebook_with(huge, "found = 1", f"{SOLUTION}\nfound")).notices == ()
