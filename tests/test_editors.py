"""A notebook as other editors save it: other minors, other metadata, ids lost or replaced, sources in another form."""

import copy
import json

import nbformat
import pytest

from competition.notebook import build_notebook, graft, notebook_text
from grader.submission import read_submission

SOLUTION = "import torch\n\n\ndef your_select_indices(targets, losses):\n    return [targets == 1, losses[0] < 1]"
OUTPUT = {"output_type": "stream", "name": "stdout", "text": ["epoch 1/6\n"]}


def lines_of(text):
    """Split a source as most editors store it: a list of lines, each but the last with its end."""
    return text.splitlines(keepends=True)


def in_vs_code(notebook):
    """VS Code: minor 2, no ids, the language in each cell's metadata, collapsed cells told in its own words."""
    notebook |= {"nbformat_minor": 2}
    notebook["metadata"] = {
        "kernelspec": {"display_name": ".venv (3.12.3)", "language": "python", "name": "python3"},
        "language_info": {"codemirror_mode": {"name": "ipython", "version": 3}, "name": "python", "version": "3.12.3"},
    }
    for cell in notebook["cells"]:
        cell.pop("id")
        folded = cell["metadata"].get("jupyter")
        cell["metadata"] = {"vscode": {"languageId": "python"}} | ({"jupyter": folded} if folded else {})
        cell["source"] = lines_of(cell["source"])
    return notebook


def in_colab(notebook):
    """Colab: minor 0, ids in the metadata, its own key for the notebook and for folded cells, Windows line ends."""
    notebook |= {"nbformat_minor": 0}
    notebook["metadata"] = {
        "colab": {"provenance": [], "gpuType": "T4", "toc_visible": True},
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
        "accelerator": "GPU",
    }
    for number, cell in enumerate(notebook["cells"]):
        cell.pop("id")
        form = {"cellView": "form"} if "cellView" in cell["metadata"] else {}
        cell["metadata"] = {"id": f"x{number:011d}", "colab": {"base_uri": "https://localhost:8080/"}} | form
        cell["source"] = lines_of(cell["source"].replace("\n", "\r\n"))
    return notebook


def on_kaggle(notebook):
    """Kaggle: minor 4, sources as one text, guards and execution times in the metadata, no outputs' order of keys."""
    notebook |= {"nbformat_minor": 4}
    notebook["metadata"] = {
        "kaggle": {"accelerator": "none", "dataSources": [], "isInternetEnabled": False, "language": "python"},
        "kernelspec": {"language": "python", "display_name": "Python 3", "name": "python3"},
        "language_info": {"name": "python", "pygments_lexer": "ipython3", "mimetype": "text/x-python"},
    }
    for cell in notebook["cells"]:
        cell.pop("id")
        cell["metadata"] = {
            "trusted": True,
            "_kg_hide-input": "jupyter" in cell["metadata"],
            "execution": {"iopub.status.busy": "2026-11-27T10:00:00.000000Z", "shell.execute_reply": "2026-11-27"},
        }
    return notebook


def in_classic_jupyter(notebook):
    """The classic notebook and nbclassic: minor 5, ids kept, tags and slideshow metadata, trailing blanks gone."""
    for cell in notebook["cells"]:
        cell["metadata"] |= {"slideshow": {"slide_type": ""}, "scrolled": True}
        cell["source"] = lines_of("\n".join(line.rstrip() for line in cell["source"].split("\n")) + "\n")
    return notebook


EDITORS = [in_vs_code, in_colab, on_kaggle, in_classic_jupyter]


def saved(editor, *, edit=lambda cells: None):
    """Return the bytes of a solved notebook as an editor saves it, run once."""
    notebook = json.loads(notebook_text(graft(SOLUTION)))
    for cell in notebook["cells"]:
        if isinstance(cell["source"], list):
            cell["source"] = "".join(cell["source"])
        if cell["cell_type"] == "code":
            cell |= {"execution_count": 7, "outputs": [copy.deepcopy(OUTPUT)]}
    edit(notebook["cells"])
    return json.dumps(editor(notebook)).encode()


@pytest.mark.parametrize("editor", EDITORS, ids=lambda editor: editor.__name__)
def test_a_notebook_saved_elsewhere_is_the_same_submission(editor):
    """Whatever an editor does to ids, metadata and line ends, the solution is lifted and no notice is made of it."""
    raw = saved(editor)
    nbformat.validate(json.loads(raw))
    submission = read_submission(raw)
    assert submission.notices == ()
    assert submission.solution.replace("\r\n", "\n").rstrip("\n").endswith(SOLUTION)


@pytest.mark.parametrize("editor", EDITORS, ids=lambda editor: editor.__name__)
def test_what_is_wrong_is_found_in_it_too(editor):
    """A locked cell that was changed, and a second definition, are told whichever editor saved them."""

    def edit(cells):
        training = next(cell for cell in cells if "LOCKED CELL [training]" in cell["source"])
        training["source"] = training["source"].replace("optimizer.step()", "pass")
        cells.append(copy.deepcopy(training) | {"source": "your_select_indices = None"})

    notices = read_submission(saved(editor, edit=edit)).notices
    assert notices == (
        f"cell {len(build_notebook().cells) + 1} defines your_select_indices too; it is ignored, as only the solution "
        "cell counts",
        "the locked cell [training] was changed; the change is ignored",
    )
