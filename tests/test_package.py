"""`competition package`: a solution file or a notebook in, a notebook with that one solution cell out."""

import json
import os

import nbformat
import pytest
from typer.testing import CliRunner

from competition.cli import app
from competition.notebook import build_notebook, graft, locked_cells, notebook_text
from competition.task.cells import SOLUTION_MARKER
from tests.conftest import ALL_SAMPLES

OTHER = "import math\n\n" + ALL_SAMPLES


def package(*arguments):
    """Run ``competition package``; return its status and what it printed."""
    result = CliRunner().invoke(app, ["package", *map(str, arguments)])
    return result.exit_code, result.output


def solution_of(path):
    """Return the text of the solution cell; every other cell must be the starter's."""
    packaged, starter = nbformat.read(path, as_version=4), build_notebook()
    assert [a.id for a, b in zip(packaged.cells, starter.cells, strict=True) if a != b] == ["solution"]
    return next(cell.source for cell in packaged.cells if cell.id == "solution")


def test_the_solution_cell_of_a_notebook_is_lifted(tmp_path):
    """A notebook gives its solution cell, however its other cells were changed and its lines are kept."""
    notebook = graft(OTHER)
    notebook.cells[0].source = "other words"
    notebook.cells = [cell for cell in notebook.cells if cell.id != "locked-training"]
    (tmp_path / "mine.ipynb").write_text(notebook_text(notebook))
    assert package(tmp_path / "mine.ipynb", "-o", tmp_path / "out.ipynb")[0] == 0
    assert solution_of(tmp_path / "out.ipynb") == f"{SOLUTION_MARKER}\n{OTHER}".rstrip()


def test_a_notebook_without_the_marker_gives_the_cell_that_defines_the_function(tmp_path):
    """Where an editor lost the marker, the one code cell that defines the function is taken."""
    cells = [{"cell_type": "markdown", "source": OTHER}, {"cell_type": "code", "source": OTHER.splitlines(True)}]
    (tmp_path / "mine.ipynb").write_text(json.dumps({"cells": cells}))
    assert package(tmp_path / "mine.ipynb", "-o", tmp_path / "out.ipynb")[0] == 0
    assert solution_of(tmp_path / "out.ipynb") == f"{SOLUTION_MARKER}\n{OTHER}".rstrip()


NO_SOLUTIONS = {
    "no JSON": ("def f(): pass", "this is not a Jupyter notebook of format 4"),
    "a list": ("[]", "this is not a Jupyter notebook of format 4"),
    "a cell without a type": ('{"cells": [{"source": "x"}]}', "this is not a Jupyter notebook of format 4"),
    "deep JSON": ("[" * 100_000, "this is not a Jupyter notebook of format 4"),
    "no cell": ('{"cells": []}', "no solution cell"),
    "locked cells alone": (
        json.dumps({"cells": [{"cell_type": "code", "source": text} for text in locked_cells().values()]}),
        "no solution cell",
    ),
    "two cells": (json.dumps({"cells": [{"cell_type": "code", "source": OTHER}] * 2}), "cells 1 and 2 each define"),
    "a raw cell": (
        json.dumps({"cells": [{"cell_type": "raw\x1b[2J", "source": SOLUTION_MARKER}]}),
        "(cell 1) is a raw cell: change its type",
    ),
    "half a character": (
        json.dumps({"cells": [{"cell_type": "code", "source": f"{OTHER}# \ud800"}]}),
        "not valid Unicode",
    ),
}


@pytest.mark.parametrize(("text", "words"), NO_SOLUTIONS.values(), ids=NO_SOLUTIONS)
def test_a_notebook_without_one_solution_cell_is_refused_in_a_line(tmp_path, text, words):
    """What is no notebook, or has no single solution cell, is one line that names the file, and writes nothing."""
    (tmp_path / "mine.ipynb").write_text(text)
    status, said = package(tmp_path / "mine.ipynb", "-o", tmp_path / "out.ipynb")
    assert status == 1
    assert said.startswith(f"error: {tmp_path / 'mine.ipynb'}: ")
    assert words in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out.ipynb").exists()


@pytest.mark.parametrize("name", ["itself", "a link", "another name", "another spelling", "the default"])
def test_the_file_that_was_given_is_never_overwritten(tmp_path, monkeypatch, name):
    """Input and output may not be one file, whatever it is called."""
    monkeypatch.chdir(tmp_path)
    given = tmp_path / "mine.ipynb"
    given.write_text(notebook_text(graft(OTHER)))
    before = given.read_bytes()
    (tmp_path / "link.ipynb").symlink_to(given)
    os.link(given, tmp_path / "second.ipynb")
    output = {
        "itself": ("-o", given),
        "a link": ("-o", tmp_path / "link.ipynb"),
        "another name": ("-o", tmp_path / "second.ipynb"),
        "another spelling": ("-o", tmp_path / ".." / tmp_path.name / "mine.ipynb"),
        "the default": (),
    }[name]
    status, said = package(given, *output)
    assert status == 1
    assert "is the file that was given: name another one with -o" in said
    assert given.read_bytes() == before


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("nowhere/out.ipynb", "nowhere: no such folder; make it"),
        ("folder", "is no file"),
        ("pipe", "is no file"),
        ("cell.py/out.ipynb", "cannot be written: Not a directory"),
        ("a" * 300, "cannot be written: File name too long"),
    ],
    ids=["no folder", "a folder", "a pipe", "a file for a folder", "a long name"],
)
def test_a_place_that_cannot_be_written_is_told_in_a_line(tmp_path, output, words):
    """A missing folder, a folder and a pipe in place of the output are one line each, and no pipe is waited for."""
    (tmp_path / "cell.py").write_text(OTHER)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    status, said = package(tmp_path / "cell.py", "-o", tmp_path / output)
    assert (status, said.count("\n")) == (1, 1)
    assert words in said
    starter = CliRunner().invoke(app, ["build-notebook", "-o", str(tmp_path / output)])
    assert (starter.exit_code, starter.output) == (1, said)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "No such file"),
        ("a folder", "it is no file"),
        ("a pipe", "it is no file"),
        ("a circle of links", "cannot be read"),
        ("no UTF-8", "it is not UTF-8 text"),
        ("too large", "16,777,216 are allowed"),
    ],
)
def test_a_solution_that_cannot_be_read_is_told_in_a_line(tmp_path, monkeypatch, kind, words):
    """What is no readable text file is one line that names it."""
    path = tmp_path / "cell.py"
    match kind:
        case "a folder":
            path.mkdir()
        case "a pipe":
            os.mkfifo(path)
        case "a circle of links":
            path.symlink_to(path)
        case "no UTF-8":
            path.write_bytes(b"\xff\xfe\x00")
        case "too large":
            with open(path, "wb") as stream:
                stream.truncate((16 << 20) + 1)
    status, said = package(path, "-o", tmp_path / "out.ipynb")
    assert (status, said.count("\n")) == (1, 1)
    assert said.startswith(f"error: {path} cannot be read")
    assert words in said
