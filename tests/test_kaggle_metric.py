"""The metric as Kaggle runs it: its cells in an empty namespace, frames split by Usage, good and broken submissions."""

import base64
import csv
import doctest
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from competition.notebook import FOLDED, Origin, build_notebook, notebook_text
from competition.task.data import TaskDataset
from grader.contest_file.contest import Contest, GradingTable
from grader.grading import unpack_selections
from grader.platforms.exporting import write_export
from grader.platforms.kaggle.export import PLAN, Target, write_kaggle
from grader.platforms.kaggle.metric import METRIC_DATA
from grader.platforms.kaggle.metric_data import halves
from grader.platforms.kaggle.notebooks import starter_for_kaggle
from grader.platforms.kaggle.packed import ROWS, pack_lists, unpack_lists
from grader.submission import read_submission
from tests.conftest import ALL_SAMPLES, REPOSITORY

SIZES = [128, 128] * 6  # of the batches of a whole training on the tests' data
MOST = 4
ORIGIN = Origin({"train": "a" * 64, "val": "b" * 64})


@pytest.fixture(scope="module")
def exported(data, tmp_path_factory):
    """Export the tests' data, with trainings on one thread as those of the tests."""
    out = tmp_path_factory.mktemp("kaggle") / "out"
    contest = Contest(grading=GradingTable(threads=1))
    target = Target("olympiad", "wrong-labels")
    write_export(out, PLAN, contest, data, lambda folder: write_kaggle(folder, target, contest, data))
    return out


@pytest.fixture
def metric(exported, monkeypatch):
    """Run the code cells of the metric in an empty namespace, beside its data; return that namespace."""
    monkeypatch.chdir(exported / "metric-data")
    namespace = {}
    for cell in json.loads((exported / "metric" / "metric.ipynb").read_text())["cells"]:
        exec(compile("".join(cell["source"]), "cell", "exec"), namespace)
    return namespace


def frames(exported, submission):
    """Yield solution and submission for each Usage, as Kaggle hands them over, and for both together."""
    solution = pd.read_csv(exported / "private" / "solution.csv")
    for usages in (["Public"], ["Private"], ["Public", "Private"]):
        part = solution[solution["Usage"].isin(usages)].drop(columns="Usage").reset_index(drop=True)
        yield part, submission[submission["id"].isin(part["id"])].reset_index(drop=True)


def frame(text, rows=ROWS):
    """Make a submission of a packed text."""
    return pd.DataFrame({"id": list(rows), "selections": [text] * len(rows)})


def lists_of(run):
    """Read what the grader kept of a run, as int64 tensors."""
    return [[torch.from_numpy(each) for each in step] for step in unpack_selections(run)]


def test_the_score_is_the_graders(data, exported, metric, grade):
    """From the lists of a grading, the metric trains models that predict what the grader's do; both score alike."""
    graded = grade((REPOSITORY / "reference_solutions" / "co_teaching.py").read_text())
    assert graded.status == 0, graded.printed
    submission = frame(pack_lists(lists_of(graded.run)))
    public, private, both = (metric["score"](*pair, "id") for pair in frames(exported, submission))
    ((_, predicted),) = metric["trained"].items()  # once, for two rows and three calls
    truth = TaskDataset(data / "private" / "test_a").targets.numpy()
    assert [balanced_accuracy_score(truth, each.numpy()) for each in predicted] == graded.record["bac"]
    half = halves(truth)
    for number, found in enumerate((public, private)):
        own = half == number
        assert found == sum(balanced_accuracy_score(truth[own], each.numpy()[own]) for each in predicted) / 2
    assert both == pytest.approx(graded.record["bac_mean"], abs=1e-12)
    assert graded.record["bac_mean"] > 0.5


@pytest.mark.slow
def test_the_sample_submission_scores_what_all_samples_reach(exported, metric, grade):
    """The sample is whole and gets a score: that of learning from every sample."""
    sample = pd.read_csv(exported / "data" / "sample_submission.csv")
    *_, both = (metric["score"](*pair, "id") for pair in frames(exported, sample))
    graded = grade((REPOSITORY / "reference_solutions" / "all_samples.py").read_text())
    assert both == pytest.approx(graded.record["bac_mean"], abs=1e-12)


def packed(values):
    """Pack numbers as `pack_lists` does, whatever they are."""
    return base64.b64encode(zlib.compress(np.array(values, "<u2").tobytes())).decode()


COUNTS = [0] * 2 * len(SIZES)
BROKEN = {
    "empty": (float("nan"), "it is empty"),
    "a number": (7, "it is empty"),
    "no base64": ("!!!", "no packed text"),
    "not ASCII": ("é" * 8, "no packed text"),
    "no zlib": (base64.b64encode(b"something else").decode(), "no packed text"),
    "cut off": (packed(COUNTS)[:-8], "a part of a packed text|no packed text"),
    "something behind": (
        base64.b64encode(zlib.compress(np.array(COUNTS, "<u2").tobytes()) + b"more").decode(),
        "something behind it",
    ),
    "odd": (base64.b64encode(zlib.compress(b"\0" * 97)).decode(), "a part of a packed text"),
    "one epoch": (packed([0] * 4), "fewer steps"),
    "another training": (packed([*COUNTS, 3]), "another number of steps"),
    "a count without indices": (packed([5, *COUNTS[1:]]), "another number of steps"),
    "too long a selection": (packed([513, *COUNTS[1:], *[0] * 513]), "longer than it may be"),
    "an index outside": (packed([1, *COUNTS[1:], 128]), "no place in its batch"),
    "a bomb": (base64.b64encode(zlib.compress(b"\0" * (64 << 20), 9)).decode(), "unpacks to more|longer than"),
    "a long text": ("A" * (1 << 20), "longer than the lists"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_lists_are_named_without_a_digit(exported, metric, name):
    """Each broken text has its message for the participant, which holds no digit, so none of the solution."""
    text, expected = BROKEN[name]
    for solution, submission in frames(exported, frame(text)):
        with pytest.raises(metric["ParticipantVisibleError"], match=expected) as caught:
            metric["score"](solution, submission, "id")
        assert not any(letter.isdigit() for letter in str(caught.value))
    assert metric["trained"] == {}


@pytest.mark.parametrize(
    ("submission", "expected"),
    [
        (pd.DataFrame({"id": ROWS}), "no column 'selections'"),
        (pd.DataFrame({"selections": ["x", "x"]}), "no column 'id'"),
        (frame("x", ["public"]), "each once"),
        (frame("x", ["public", "public"]), "each once"),
        (frame("x", ["public", "private", "other"]), "each once"),
        (frame("x", ["public", float("nan")]), "each once"),
    ],
)
def test_broken_tables_are_named_without_a_digit(exported, metric, submission, expected):
    """Missing columns, missing, doubled and foreign rows have their message too."""
    *_, (solution, _) = frames(exported, frame("x"))
    with pytest.raises(metric["ParticipantVisibleError"], match=expected) as caught:
        metric["score"](solution, submission, "id")
    assert not any(letter.isdigit() for letter in str(caught.value))


def test_what_is_the_hosts_fault_is_shown_to_hosts_alone(exported, metric, monkeypatch, tmp_path):
    """A data set that is not attached, or of another export, is no error that participants see."""
    *_, (solution, submission) = frames(exported, frame(packed(COUNTS)))
    with pytest.raises(metric["HostVisibleError"], match="from one export"):
        metric["score"](solution.assign(selections="0" * 64), submission, "id")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(metric["HostVisibleError"], match="not attached"):
        metric["score"](solution, submission, "id")
    assert not issubclass(metric["HostVisibleError"], metric["ParticipantVisibleError"])


def test_the_example_in_the_docstring_holds(metric):
    """What the docstring of `score` shows, as Kaggle's habit is, is what happens."""
    finder = doctest.DocTestParser().get_doctest(metric["score"].__doc__, metric, "score", None, None)
    assert doctest.DocTestRunner().run(finder) == (0, 1)


def test_the_halves_are_disjoint_and_alike(data):
    """Public and private images are two halves of test_a with the same share of each class; together they are all."""
    truth = TaskDataset(data / "private" / "test_a").targets.numpy()
    half = halves(truth)
    counts = [np.bincount(truth[half == number], minlength=2).tolist() for number in (0, 1)]
    assert counts[0] == counts[1]
    assert sum(map(sum, counts)) == len(truth)
    assert sorted(map(int, halves(np.array([0, 0, 0, 1])))) == [0, 0, 0, 1]


selection = st.lists(st.integers(0, 2), max_size=12)
trainings = st.integers(1, 6).flatmap(
    lambda steps: st.tuples(
        st.lists(st.integers(3, 9), min_size=steps, max_size=steps),
        st.lists(st.tuples(selection, selection), min_size=steps, max_size=steps),
    )
)


@given(trainings)
def test_lists_come_back_as_they_were_packed(training):
    """Whatever lists a training has, empty ones and repeats too, unpacking gives them back."""
    sizes, lists = training
    steps = [[torch.tensor(each, dtype=torch.int64) for each in step] for step in lists]
    back = unpack_lists(pack_lists(steps), sizes, MOST)
    assert [[each.tolist() for each in step] for step in back] == [[*map(list, step)] for step in lists]


@given(st.one_of(st.text(), st.binary().map(lambda raw: base64.b64encode(zlib.compress(raw)).decode())))
def test_any_text_is_lists_or_a_message(text):
    """Whatever stands in the cell, unpacking gives whole lists or raises one `ValueError` without a digit."""
    said = ""
    try:
        steps = unpack_lists(text, SIZES, MOST)
    except ValueError as error:
        steps, said = [], str(error)
    assert bool(said) != bool(steps)
    assert not any(letter.isdigit() for letter in said)
    assert all(int(each.max()) < 128 for step in steps for each in step if len(each))


def test_the_starter_for_kaggle_is_the_standard_one_with_two_cells_more():
    """Its other cells are those of the standard notebook, and the grader has nothing to say about it."""
    standard = build_notebook(ORIGIN)
    text = starter_for_kaggle(ORIGIN)
    cells = json.loads(text)["cells"]
    added = [cell for cell in cells if cell["id"].startswith("platform-")]
    rest = json.loads(notebook_text(standard))["cells"]
    assert [cell for cell in cells if cell not in added] == rest
    assert [cell["cell_type"] for cell in added] == ["markdown", "code"]
    assert FOLDED.items() <= added[1]["metadata"].items()
    plain = read_submission(notebook_text(standard).encode())
    ours = read_submission(text.encode())
    assert replace(ours, raw=b"") == replace(plain, raw=b"")


def run_all(exported, work, cell):
    """Run the starter for Kaggle with a solution, beside the data; return what it printed."""
    notebook = json.loads((exported / "starter" / "starter_notebook.ipynb").read_text())
    own = next(each for each in notebook["cells"] if each["id"] == "solution")
    own["source"] = "".join(own["source"]).splitlines()[0] + "\n" + cell
    (work / "mine.ipynb").write_text(json.dumps(notebook))
    for name in ("train.zip", "val.zip"):
        shutil.copy(exported / "data" / name, work)
    command = [sys.executable, "-m", "papermill", "mine.ipynb", "done.ipynb", "--no-progress-bar"]
    environment = {name: value for name, value in os.environ.items() if name not in ("DATA_DIR", "PYTHONPATH")}
    ran = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stderr
    outputs = (
        output for each in json.loads((work / "done.ipynb").read_text())["cells"] for output in each.get("outputs", ())
    )
    return "".join("".join(output.get("text", "")) for output in outputs)


@pytest.mark.slow
def test_a_run_on_kaggle_writes_what_the_metric_scores_as_the_grader(data, exported, metric, grade, tmp_path):
    """Run All writes submission.csv by itself, with the lists that the grader would get from the same function."""
    work = tmp_path / "work"
    work.mkdir()
    cell = (REPOSITORY / "reference_solutions" / "co_teaching.py").read_text()
    assert "wrote submission.csv" in run_all(exported, work, cell)
    graded = grade((work / "mine.ipynb").read_bytes(), "--threads", "2")
    submission = pd.read_csv(work / "submission.csv")
    for text in submission["selections"]:
        assert text == pack_lists(lists_of(graded.run))
    metric["THREADS"] = 2
    *_, both = (metric["score"](*pair, "id") for pair in frames(exported, submission))
    ((_, predicted),) = metric["trained"].items()
    truth = TaskDataset(data / "private" / "test_a").targets.numpy()
    assert [balanced_accuracy_score(truth, each.numpy()) for each in predicted] == graded.record["bac"]
    assert both == pytest.approx(graded.record["bac_mean"], abs=1e-12)


@pytest.mark.slow
def test_quick_writes_no_submission(exported, tmp_path):
    """One epoch is no submission, nor is a training that the solution does for itself; both go on as without Kaggle."""
    own = "train_two_models(train_loader, val_loader, default_select_indices, seed=5, epochs=6, progress=None)"
    assert "QUICK never counts" in run_all(exported, tmp_path, f"QUICK = True\n{own}\n{ALL_SAMPLES}")
    assert not (tmp_path / "submission.csv").exists()


def test_neither_notebook_needs_the_kit(exported):
    """Kaggle has no kit: what the metric and the starter need of it stands in their own cells."""
    for name in ("metric/metric.ipynb", "starter/starter_notebook.ipynb"):
        cells = json.loads((exported / name).read_text())["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        imported = re.findall(r"^ *(?:from|import) (\w+)", code, re.MULTILINE)
        assert "torch" in imported
        assert not {"competition", "grader"} & set(imported)


def test_participants_see_no_byte_of_the_test_set(exported):
    """The metric's data is there, and in no part that participants get."""
    with np.load(exported / "metric-data" / METRIC_DATA) as arrays:
        assert arrays["test_images"].shape == (128, 14, 14)
    rows = list(csv.reader(io.StringIO((exported / "private" / "solution.csv").read_text())))
    assert [row[-1] for row in rows] == ["Usage", "Public", "Private"]
    seen = {path.name for part in ("competition", "data", "starter") for path in (exported / part).rglob("*")}
    assert METRIC_DATA not in seen
