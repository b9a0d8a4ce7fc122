"""The starter notebook in JupyterLab, driven as a participant drives it: Run All, again, cells in the wrong place."""

import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request

import pytest

from competition.task.cells import SOLUTION_MARKER
from grader.submission import read_submission
from tests.browser import chromium

__all__ = ["chromium"]  # a fixture

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MINUTES = 240_000  # ms
HELPER = "def everything(targets):\n    return list(range(len(targets)))\n"
BALANCED = """
seen = 0


def your_select_indices(targets, losses):
    global seen
    assert seen == position().samples.start + position().epoch * len(train_loader.dataset)
    seen += len(targets)
    rare = torch.nonzero(targets == 1).flatten()
    return [torch.cat([torch.arange(len(targets)), rare, rare]), torch.rand(len(targets)) < 0.5]
"""

# What the page does for us, in the words of JupyterLab's own model of the notebook.
OPEN = """async (path) => {
    const app = window.jupyterapp;
    await app.started;
    const widget = await app.commands.execute('docmanager:open', {path});
    await widget.context.ready;
    await widget.sessionContext.ready;
    app.shell.activateById(widget.id);
}"""
RUN_ALL = "async () => await window.jupyterapp.commands.execute('notebook:run-all-cells')"
RUN = """async (where) => {
    const notebook = window.jupyterapp.shell.currentWidget.content;
    notebook.activeCellIndex = where < 0 ? notebook.widgets.length + where : where;
    await window.jupyterapp.commands.execute('notebook:run-cell');
}"""
INSERT = """async ([where, text]) => {
    const notebook = window.jupyterapp.shell.currentWidget.content;
    notebook.model.sharedModel.insertCell(where < 0 ? notebook.widgets.length + where : where,
        {cell_type: 'code', source: text});
}"""
FIND = """(start) => window.jupyterapp.shell.currentWidget.content.widgets
    .findIndex(cell => cell.model.sharedModel.getSource().startsWith(start))"""
WRITE = """([where, text]) => {
    const notebook = window.jupyterapp.shell.currentWidget.content;
    notebook.widgets[where].model.sharedModel.setSource(text);
}"""
SAVE = """async () => {
    const context = window.jupyterapp.shell.currentWidget.context;
    await context.save();
    return context.path;
}"""
OUTPUTS = """() => window.jupyterapp.shell.currentWidget.content.widgets.at(-1).model.outputs.toJSON()"""


class Lab:
    """A notebook that is open in JupyterLab; cells are named by their number, from the end where it is negative."""

    def __init__(self, page) -> None:
        self.page = page

    def run_all(self):
        """Choose Run All, and wait for its end."""
        self.page.evaluate(RUN_ALL)

    def run(self, where):
        """Run a cell, and wait for its end."""
        self.page.evaluate(RUN, where)

    def find(self, start):
        """Return the number of the first cell that begins with a text."""
        return self.page.evaluate(FIND, start)

    def insert(self, where, text):
        """Insert a code cell before another."""
        self.page.evaluate(INSERT, [where, text])

    def write(self, where, text):
        """Replace the text of a cell."""
        self.page.evaluate(WRITE, [where, text])

    def save(self):
        """Save the notebook, and return its file's name."""
        return self.page.evaluate(SAVE)

    def last_outputs(self):
        """Return the outputs of the last cell, as they would be saved."""
        return self.page.evaluate(OUTPUTS)

    def said(self):
        """Return what the last cell printed and raised, as plain text."""
        parts = []
        for output in self.last_outputs():
            text = output.get("text", output.get("traceback", ""))
            parts.append(text if isinstance(text, str) else "\n".join(text))
        return re.sub(r"\x1b\[[\d;]*m", "", "".join(parts))

    def score(self):
        """Return the table of the last cell: everything between the training and the attempts."""
        return self.said().partition("After epoch ")[2].partition("Your attempts")[0]


@pytest.fixture(scope="module")
def server(data, tmp_path_factory):
    """Serve a copy of the handed-out folder with JupyterLab; yield folder and address."""
    folder = tmp_path_factory.mktemp("participant")
    shutil.copytree(data / "public", folder, dirs_exist_ok=True)
    token, settings = secrets.token_hex(16), folder / "settings"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"]
    command += ["--ServerApp.port=0", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"]
    command += [f"--ServerApp.root_dir={folder}"]
    environment = os.environ | {"HOME": str(settings), "JUPYTER_RUNTIME_DIR": str(settings / "runtime")}
    with open(folder / "lab.log", "wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        address = None
        while address is None:
            assert process.poll() is None, (folder / "lab.log").read_text()
            for file in (settings / "runtime").glob("jpserver-*.json"):
                with contextlib.suppress(ValueError):
                    address = json.loads(file.read_text())["url"]
            time.sleep(0.2)
        with urllib.request.urlopen(f"{address}api/status?token={token}", timeout=30) as answer:
            assert answer.status == 200
        yield folder, f"{address}lab?token={token}&reset"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def lab(server, chromium, request):
    """Open a copy of the starter notebook in JupyterLab, in an empty profile."""
    folder, address = server
    name = f"{request.node.name}.ipynb"
    shutil.copyfile(folder / "starter_notebook.ipynb", folder / name)
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(MINUTES)
    page.goto(address)
    page.wait_for_function("window.jupyterapp !== undefined")
    page.evaluate(OPEN, name)
    yield Lab(page)
    context.close()


def test_run_all_then_the_last_cell_again_gives_the_same_numbers(lab, server):
    """Run All shows a score; the last cell, run again, shows it to the bit, though the solution counts its calls."""
    solution = lab.find("# SOLUTION CELL")
    lab.write(solution, f"{SOLUTION_MARKER}\nimport torch\n{BALANCED}")
    lab.run_all()
    first = lab.score()
    assert "mean validation BAC 0." in first
    lab.run(-1)
    assert lab.score() == first
    one, two = lab.said().partition("session:\n")[2].splitlines()
    assert re.match(r" +1: 0\.\d{4}, \d+ points", one)
    assert two.replace("2:", "1:") == one
    assert not [output for output in lab.last_outputs() if output.get("name") == "stderr"]
    lab.write(solution, f"{SOLUTION_MARKER}\nimport torch\nQUICK = True\n{BALANCED}")
    lab.run(solution)
    lab.run(-1)
    assert "notice: QUICK is on: one epoch of six" in lab.said()
    assert "no points: QUICK never counts" in lab.score()
    assert "epoch 1/1" in lab.said()
    saved = lab.save()
    submission = read_submission((server[0] / saved).read_bytes())
    assert submission.notices == ()
    assert BALANCED.strip() in submission.solution


def test_a_solution_in_a_new_cell_counts_no_more_than_at_the_grader(lab):
    """A second definition in another cell is ignored, and the last cell says so; the marked cell's score stands."""
    lab.run_all()
    starter = lab.score()
    assert "Every sample was selected for both models" in starter
    lab.insert(-1, "def your_select_indices(targets, losses):\n    return [[0], [1]]")
    lab.run(-2)
    lab.run(-1)
    assert "Another cell defines your_select_indices too; it is ignored" in lab.said()
    assert lab.score() == starter


def test_a_helper_in_another_cell_is_missing_at_home_too(lab):
    """What another cell defines is not there, with the words that the grader has for it, and no traceback."""
    solution = lab.find("# SOLUTION CELL")
    lab.insert(solution, HELPER)
    function = "def your_select_indices(targets, losses):\n    return [everything(targets)] * 2"
    lab.write(solution + 1, f"{SOLUTION_MARKER}\n{function}")
    lab.run_all()
    assert lab.said().strip().splitlines()[-3:] == [
        "solution cell, line 3: NameError: name 'everything' is not defined",
        "    line 3: return [everything(targets)] * 2",
        "Only the solution cell counts: what it needs of another cell belongs into it.",
    ]
    assert [output["output_type"] for output in lab.last_outputs()] == ["stream", "error"]
