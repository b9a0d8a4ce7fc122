"""A run beside others: whose file it was, what the references reached on the same board, and what stays private."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grader.cli import app
from grader.contest import reference_scores
from grader.contest.store import Kind, Store
from grader.grading import Record, read_record
from grader.pages import make_report, report_page
from grader.validation import measured_scores
from grader.verdicts import Verdict
from tests.conftest import ALL_SAMPLES
from tests.contest import contest, make_entry, make_key, make_record, scripted

__all__ = ["contest", "scripted"]  # fixtures

HOSTILE_NAME = "<b>\x1b[31m\u202eanna.ipynb"


@pytest.fixture
def run(tmp_path):
    """Make run folders that hold a record and nothing else."""

    def make(**fields):
        folder = tmp_path / f"run-{len(list(tmp_path.glob('run-*')))}"
        folder.mkdir()
        (folder / "record.json").write_text(make_record(**fields).to_json())
        return folder

    return make


@pytest.fixture
def store(tmp_path):
    """Make a store in which two references were graded on several boards, one of them twice, and a participant."""
    path = tmp_path / "references.sqlite"
    boards = (
        ("co_teaching", {}, (0.86, 0.86)),
        ("co_teaching", {"threads": 2}, (0.8612, 0.8634)),
        ("class_balance", {}, (0.61, 0.63)),
        ("class_balance", {"split": "test_b"}, (0.6717, 0.6717)),
        ("class_balance", {"train": "redraw-1"}, (0.6919, 0.6919)),
        ("class_balance", {"seed": 1000}, (0.7313, 0.7313)),
        ("class_balance", {"data_sha256": "other"}, (0.7414, 0.7414)),
        ("class_balance", {"template_sha256": "older"}, (0.7515, 0.7515)),
    )
    names = ("co_teaching", "class_balance", "oracle", "anna", "broken")
    kinds = {"oracle": Kind.ORACLE, "anna": Kind.PARTICIPANT}
    with Store(path) as opened:
        entries = [make_entry(name, code=f"cell:{name}", kind=kinds.get(name, Kind.REFERENCE)) for name in names]
        received = {each.participant: each for each in opened.receive(entries)}
        for name, changes, bac in (*boards, ("oracle", {}, (0.9, 0.9)), ("anna", {}, (0.8, 0.8))):
            record = make_record(bac, **changes)
            opened.add(received[name], make_key(f"cell:{name}", **changes), record, "a run")
        opened.add(received["broken"], make_key("cell:broken"), make_record(verdict=Verdict.RUNTIME_ERROR), "a run")
    return path


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Work in a folder that holds measurements of the references on the data of `make_record`."""
    conditions = {
        "reference": "jocor",
        "profile": "standard",
        "seed": 123,
        "device": "cpu",
        "threads": 2,
        "sandbox": "bwrap",
        "solution_sha256": "a",
        "template_sha256": "template",
        "data_sha256": "data",
        "tests_sha256": "tests",
        "versions": {},
    }
    figures = {"test_b": 0.7616, "seconds": 1.0, "answer_seconds": 0.1, "purity": 0.9, "clean_recall": 0.5}
    rows = [
        ({}, 0.80),
        ({"seed": 124}, 0.82),
        ({"reference": "oracle"}, 0.91),
        ({"reference": "best", "data_sha256": "other"}, 0.92),
        ({"reference": "best", "template_sha256": "older"}, 0.93),
    ]
    entries = [{"conditions": conditions | changes, "test_a": bac, **figures} for changes, bac in rows]
    path = tmp_path / "reference_solutions" / "results" / "standard.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"measurements": entries}))
    monkeypatch.chdir(tmp_path)
    return path


def compared(page):
    """Return the rows of the comparison in a page as (name, BAC, points, ...)."""
    table = re.search(r'<table class="plain small compared">.*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    rows = re.findall(r"<tr.*?</tr>", table[1], re.DOTALL) if table else []
    return [tuple(re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)) for row in rows]


def edition(folder, store=None, *, for_organizer=False):
    """Return a page."""
    return report_page(make_report(folder, Path("nowhere"), for_organizer=for_organizer, store=store))


def test_the_references_of_the_board_stand_beside_the_run(run, store):
    """Same data, template, draw, seed and split, the latest grading; no participant, no oracle, no faults."""
    page = edition(run(bac=(0.7, 0.72)), store)
    assert compared(page) == [
        ("co_teaching", "0.8623", "100"),
        ("this submission", "0.7100", "70"),
        ("class_balance", "0.6200", "40"),
    ]
    assert page.count('class="own"') == 1
    assert compared(edition(run(bac=(0.9, 0.9)), store))[0][0] == "this submission"
    assert [row[0] for row in compared(edition(run(verdict=Verdict.TIME_LIMIT), store))][-1] == "this submission"
    assert compared(edition(run(verdict=Verdict.INFRASTRUCTURE_ERROR), store)) == []
    assert compared(edition(run(verdict=Verdict.PRESENTATION_ERROR, data_sha256=None), store)) == []


@pytest.mark.parametrize("changes", [{"split": "test_b"}, {"train": "redraw-1"}])
def test_the_references_of_a_private_board_are_the_organizers(run, store, measured, changes):
    """Of the final test set and of a redraw a participant sees no reference, neither stored nor measured."""
    folder = run(**changes)
    for place in (store, None):
        shown = edition(folder, place)
        assert compared(shown) == []
        assert "Beside the reference solutions" not in shown
        assert not re.search(r"0\.6717|0\.6919|0\.7616|co_teaching|class_balance|jocor", shown)
    own = compared(edition(folder, store, for_organizer=True))
    assert [row[1] for row in own if row[0] == "class_balance"] == ["0.6717" if "split" in changes else "0.6919"]
    assert compared(edition(folder, for_organizer=True)) == []


def test_without_a_store_the_measurements_count(run, store, measured):
    """The mean over the seeds, of the same data and locked cells alone; a store with references goes first."""
    page = edition(run(bac=(0.7, 0.7)))
    assert compared(page) == [("jocor", "0.8100", "100", "2"), ("this submission", "0.7000", "67", "1")]
    assert "several trainings" in page
    assert "jocor" not in edition(run(), store)
    assert compared(edition(run(seed=7), store))[0][0] == "jocor"  # nobody graded a reference with that seed
    assert compared(edition(run(split="val"))) == []  # the measurements are of the test set
    assert measured_scores("data", "template") == {"jocor": [0.80, 0.82]}
    assert measured_scores("data", "newer") == {}


def test_a_damaged_source_costs_the_comparison_alone(run, measured, tmp_path):
    """Measurements or a store that cannot be read are a gap; only the organizer reads where they lie."""
    folder = run(data_sha256="data")
    measured.write_text("{")
    (tmp_path / "canary.sqlite").write_text("no store" * 200)
    for place, name in ((None, "standard.json"), (tmp_path / "canary.sqlite", "canary.sqlite")):
        shown, secret = (edition(folder, place, for_organizer=flag) for flag in (False, True))
        for page in (shown, secret):
            assert "What the reference solutions reached is missing." in page
        assert name not in shown
        assert name in secret


def test_the_command_takes_the_contests_store(run, store, tmp_path, monkeypatch):
    """`grader report` looks into contest.sqlite where there is one, or into --store, which must be there then."""
    folder = run()
    page = folder / "report" / "participant.html"
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["report", str(folder)]).exit_code == 0
    assert compared(page.read_text()) == []
    assert CliRunner().invoke(app, ["report", str(folder), "--store", store.name]).exit_code == 0
    assert len(compared(page.read_text())) == 3
    page.unlink()
    shutil.copy(store, "contest.sqlite")
    assert CliRunner().invoke(app, ["report", str(folder)]).exit_code == 0
    assert len(compared(page.read_text())) == 3
    assert CliRunner().invoke(app, ["report", str(folder), "--store", "nowhere.sqlite"]).exit_code == 2


def test_the_files_name_is_shown_as_plain_text(run):
    """A report says which file it is about; a hostile name acts not, and an unknown one is not missed."""
    page = edition(run(file=HOSTILE_NAME))
    assert '<bdi class="file">&lt;b&gt;anna.ipynb</bdi>' in page
    assert "<title>Report: 83 points, &lt;b&gt;anna.ipynb</title>" in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert 'class="file"' not in edition(run())


def test_records_without_a_files_name_stay_readable():
    """What was kept before the field existed is read, and does not know the name."""
    fields = json.loads(make_record().to_json())
    assert fields.pop("file") is None
    assert Record.from_json(json.dumps(fields)) == make_record()
    assert Record.from_json(make_record(file="a.ipynb").to_json()).file == "a.ipynb"


@pytest.mark.usefixtures("light")
def test_a_grading_keeps_the_files_name_and_a_second_one_too(grade, data, tmp_path):
    """`grader grade` notes the name; `grader regrade` keeps it, although it reads the run's own copy."""
    graded = grade(ALL_SAMPLES)
    assert graded.record["file"] == read_record(graded.run).file == "submission.ipynb"
    (graded.run / "record.json").write_text(replace(read_record(graded.run), file="anna.ipynb").to_json())
    again = tmp_path / "again"
    CliRunner().invoke(app, ["regrade", str(graded.run), "--data", str(data), "--runs", str(again)])
    [run] = again.iterdir()
    assert read_record(run).file == "anna.ipynb"


def test_every_entry_of_a_batch_keeps_its_own_files_name(contest, scripted):
    """Two files with one solution are trained once, but neither report may name the other's file; references too."""
    scripted()
    contest.submit("anna/first try", "# same\n" + ALL_SAMPLES)
    contest.submit("bela/my notebook", "# same\n" + ALL_SAMPLES)
    contest.run("batch", contest.submissions)
    named = {
        name: (grading.record.file, read_record(contest.runs / grading.run)) for name, grading in contest.gradings()
    }
    assert {name: file for name, (file, _) in named.items()} == {"anna": "first try.ipynb", "bela": "my notebook.ipynb"}
    assert all(file == record.file for file, record in named.values())


def test_a_contests_references_are_found_for_its_runs(contest, scripted):
    """What `grader batch --reference` graded stands in the report of what `grader batch` graded afterwards."""
    workers = scripted()
    workers.bacs = {"clever": 0.8211, "mine": 0.6122}
    contest.submit("clever", "# clever\n" + ALL_SAMPLES)
    contest.run("batch", contest.submissions, "--reference")
    (contest.submissions / "clever.ipynb").unlink()
    contest.submit("anna", "# mine\n" + ALL_SAMPLES)
    contest.run("batch", contest.submissions)
    [own] = [grading for name, grading in contest.gradings() if name == "anna"]
    trained = replace(own.record, data_sha256=own.key.data_sha256)  # as a real worker notes it
    assert reference_scores(contest.store, trained) == {"clever": [0.8211]}


def test_the_time_before_the_first_call_is_shown_as_the_notebooks(run, data):
    """What a notebook's clock counts outside the function went before its first call, and is nobody else's time."""
    page = report_page(make_report(run(clock_seconds=70.0, answer_seconds=8.0), data, for_organizer=False))
    assert "before the first call: 62.0 s" in page
    assert "your function: 8.0 s" in page
    assert "70.0 s of the 280 s that the training may wait for your notebook, 8.0 s of it in your function" in page
