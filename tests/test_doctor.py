"""`grader doctor`: each check tells well from ill, with what to do; the command's table and exit status."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from competition.manifest import public_sha256, read_manifest
from competition.notebook import Origin, build_notebook, notebook_text
from grader.cli import app
from grader.contest import doctor
from grader.contest.doctor import (
    checksums_of_draws,
    libraries,
    look_at_data,
    look_at_store,
    notebook_of,
    room_of,
    try_grading,
)
from grader.contest.readiness import (
    GIB,
    OLDEST_PYTHON,
    State,
    data_check,
    draw_check,
    gpu_check,
    grading_check,
    libraries_check,
    limits_check,
    notebook_check,
    python_check,
    room_check,
    sandbox_check,
    seed_check,
    socket_check,
    store_check,
)
from grader.contest.reuse import grading_key
from grader.contest.store import Store
from grader.grading import Settings
from grader.verdicts import Verdict
from tests.conftest import REPOSITORY
from tests.contest import make_entry, make_key, make_record

OK, WARNING, MISSING = State
HERE = Path("runs")
FREE = (5 * GIB, GIB)  # little, and too little


@pytest.mark.parametrize(
    ("check", "state", "said"),
    [
        (python_check((3, 11, 0)), OK, "3.11.0"),
        (python_check((3, 10, 14)), MISSING, "3.10.14 is too old: make the environment anew with 3.11"),
        (sandbox_check(None), OK, "bubblewrap"),
        (sandbox_check("bubblewrap is not installed: get it"), MISSING, "get it"),
        (limits_check("cgroup v2"), OK, "cgroup v2: the kernel limits"),
        (limits_check(None), WARNING, "watchdog limits memory and processes.*grade as root"),
        (gpu_check(0, False, False), OK, "none: gradings run on the CPU"),
        (gpu_check(1, True, True), OK, "torch sees a GPU"),
        (gpu_check(1, True, False), WARNING, "torch sees no GPU: look at 'nvidia-smi'"),
        (gpu_check(1, False, False), WARNING, "no library of its driver"),
        (room_check("room", HERE, None, 6 * GIB, *FREE), OK, "6.0 GiB are free in runs"),
        (room_check("room", HERE, None, 2 * GIB, *FREE), WARNING, "only 2.0 GiB.*5 GiB or more"),
        (room_check("room", HERE, None, GIB // 2, *FREE), MISSING, "only 0.5 GiB.*make room"),
        (room_check("room", HERE, "runs is no folder", 6 * GIB, *FREE), MISSING, "runs is no folder"),
        (socket_check(None), OK, "short enough"),
        (socket_check("set the variable TMPDIR"), MISSING, "TMPDIR"),
        (data_check(None, ["train", "val"]), OK, "whole and unchanged: train, val"),
        (data_check("no data in data: build it", []), MISSING, "build it"),
        (seed_check(2**127), OK, "secret"),
        (seed_check(2026), WARNING, "--seed 2026, for practice.*build without --seed"),
        (draw_check("redraw-1", ["train", "redraw-1"]), OK, "trains on redraw-1"),
        (draw_check("redraw-2", ["train", "redraw-1"]), MISSING, "does not have.*--seed from.*--redraw 2 and another"),
        (notebook_check(HERE, "text", "text"), OK, "equals a fresh build"),
        (notebook_check(HERE, "text", "another"), WARNING, "differs from a fresh build: 'competition build-notebook'"),
        (notebook_check(HERE, None, "another"), WARNING, "is missing: 'competition build-notebook'"),
        (libraries_check({"torch": "2.8.0+cpu"}, {"torch": "<3,>=2.8"}), OK, "torch 2.8.0"),
        (
            libraries_check({"torch": "3.0"}, {"torch": "<3,>=2.8"}),
            MISSING,
            "torch 3.0 is not <3,>=2.8: install the kit",
        ),
        (libraries_check({"torch": "2.7.1"}, {"torch": "<3,>=2.8"}), MISSING, "torch 2.7.1 is not"),
        (libraries_check({}, {"torch": ">=2.8"}), MISSING, "torch is not installed"),
        (libraries_check({"torch": "2.10"}, {"torch": ">=2.9", "numpy": ""}), MISSING, "^numpy is not installed"),
        (grading_check(make_record(seconds=21.4)), OK, "graded on the cpu in 21 s"),
        (grading_check(make_record(verdict=Verdict.RUNTIME_ERROR)), MISSING, "as RuntimeError: it went wrong"),
    ],
)
def test_each_check_tells_well_from_ill(check, state, said):
    """What is well is said in a few words, what is not with what to do."""
    assert check.state is state
    assert_said(said, check.text)


def assert_said(pattern, text):
    """Find a pattern in a text of one line."""
    assert re.search(pattern, text), text
    assert "\n" not in text


def gradings(tmp_path, *changes):
    """Return the gradings of a store that has one for each of these changes of a key."""
    with Store(tmp_path / "contest.sqlite") as store:
        [submission] = store.receive([make_entry("ann")])
        for number, change in enumerate(changes):
            store.add(submission, make_key(seed=number, **change), make_record(), f"run-{number}")
        return store.gradings()


def test_a_store_of_this_contest_is_told_from_another(tmp_path):
    """Gradings of other data, another notebook or other versions are counted, each with what it means."""
    found = gradings(tmp_path, {}, {"data_sha256": "redraw"}, {"data_sha256": "x"}, {"template_sha256": "x"})
    versions = found[0].key.versions
    data = {"data", "redraw"}
    assert store_check(None, found[:2], "template", data, versions).state is OK
    check = store_check(None, found, "template", data, versions)
    assert check.state is WARNING
    assert_said("1 of 4 gradings are of other data.*1 of 4 gradings are of another notebook", check.text)
    assert "other library versions" not in check.text
    assert_said("4 of 4 gradings are of other library", store_check(None, found, "template", data, "{}").text)
    assert store_check(None, None, "template", data, versions).state is OK
    assert store_check("is no store", None, "template", data, versions).state is MISSING


def test_the_checksums_are_those_of_gradings(data):
    """The training draws of a data folder have the checksum that a grading on it is kept under."""
    assert checksums_of_draws(data) == {grading_key(Settings(data, "test_a"), "cell:1").data_sha256}


def test_a_store_is_opened_and_none_is_made(tmp_path):
    """A missing store stays missing, one that is none is named, a real one gives its gradings."""
    path = tmp_path / "contest.sqlite"
    assert look_at_store(path) == (None, None)
    assert not path.exists()
    assert len(look_at_store_of(gradings(tmp_path, {}), path)) == 1
    (tmp_path / "text").write_text("words " * 1000)
    problem, none = look_at_store(tmp_path / "text")
    assert none is None
    assert "cannot be used as the store" in problem


def look_at_store_of(kept, path):
    """Look at a store that holds these gradings."""
    problem, found = look_at_store(path)
    assert (problem, found) == (None, kept)
    return found


@pytest.fixture
def own(data, tmp_path):
    """Copy the data, to spoil it."""
    return Path(shutil.copytree(data, tmp_path / "data"))


def test_whole_data_is_opened_split_by_split(own):
    """Nothing is wrong, and every split of the manifest was looked at."""
    problem, opened = look_at_data(own)
    assert problem is None
    assert sorted(opened) == ["test_a", "test_b", "train", "val"]


def test_what_is_wrong_with_the_data_is_named(own, tmp_path):
    """A missing folder, an unfinished build, a changed image, a lost truth and mixed builds are told apart."""
    assert "no data in" in look_at_data(tmp_path / "nowhere")[0]
    assert "only the public part" in look_at_data(own / "public")[0]
    truth = own / "private" / "train_truth.csv"
    truth.rename(own / "truth")
    assert "train_truth.csv is missing" in look_at_data(own)[0]
    (own / "truth").rename(truth)
    manifest = own / "public" / "manifest.json"
    text = manifest.read_text()
    values = json.loads(text)
    values["splits"]["val"]["sha256"] = "0" * 64
    manifest.write_text(json.dumps(values))
    assert "manifest" in look_at_data(own)[0]
    manifest.unlink()
    assert "no finished data" in look_at_data(own)[0]
    manifest.write_text(text)
    first, second, *_ = sorted((own / "private" / "test_b" / "data").iterdir())
    shutil.copy(first, second)
    problem, opened = look_at_data(own)
    assert "test_b was changed since it was built" in problem
    assert "test_b" not in opened


def test_the_notebook_is_compared_with_a_build_for_its_data(own):
    """What build-data wrote is fresh, also with an organizer's ids in it; a changed, a broken and no file are not."""
    path = own / "public" / "starter_notebook.ipynb"
    assert notebook_of(own / "public").state is OK
    checksums = public_sha256(read_manifest(own / "public"))
    ids = {"train": "1a-B_c", "val": "2d"}
    with_ids = Origin(checksums, ids, {"train": "a" * 64, "val": "b" * 64})
    path.write_text(notebook_text(build_notebook(with_ids)))
    assert notebook_of(own / "public").state is OK
    for origin in (None, replace(with_ids, data_sha256={"train": "0" * 64, "val": "1" * 64})):
        path.write_text(notebook_text(build_notebook(origin)))
        assert notebook_of(own / "public").state is WARNING
    path.write_text("no notebook")
    assert "differs" in notebook_of(own / "public").text
    path.unlink()
    assert "is missing" in notebook_of(own / "public").text


def test_room_is_looked_for_where_the_folder_will_be(tmp_path):
    """A folder that is not there yet has the room of the nearest one; a file in its place is named."""
    assert room_of("room", tmp_path / "a" / "b", 0, 0).state is OK
    (tmp_path / "a").write_text("")
    check = room_of("room", tmp_path / "a" / "b", 0, 0)
    assert (check.state, check.text) == (MISSING, f"{tmp_path / 'a'} is no folder: name another one")


def test_the_libraries_are_those_that_the_kit_declares():
    """Names and bounds are those of pyproject.toml, extras apart, and all are installed here."""
    installed, wanted = libraries()
    assert wanted["torch"] == "<3,>=2.8"
    assert "ray" not in wanted
    assert libraries_check(installed, wanted).state is OK
    text = (REPOSITORY / "pyproject.toml").read_text()
    assert f'requires-python = ">={".".join(map(str, OLDEST_PYTHON))}"' in text


def run_doctor(folder, data, *options):
    """Run the command over a contest in a folder."""
    places = ["--data", str(data), "--store", str(folder / "contest.sqlite"), "--runs", str(folder / "runs")]
    return CliRunner().invoke(app, ["doctor", *places, *options], env={"COLUMNS": "300"}, catch_exceptions=False)


def test_a_sound_contest_exits_with_0_and_grades_nothing_when_quick(data, tmp_path, monkeypatch):
    """--quick leaves the grading out; on sound data nothing is missing, and nothing was made in the folder."""
    monkeypatch.setattr(doctor, "try_grading", None)
    result = run_doctor(tmp_path, data, "--quick")
    assert result.exit_code == 0, result.output
    assert "13 checks: 0 missing" in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_draw_that_the_final_needs_is_missed_before_the_contest(data, tmp_path, monkeypatch):
    """The final's draw is that of the contest file; one that the data does not have is missing, with its remedy."""
    monkeypatch.setattr(doctor, "try_grading", None)
    file = tmp_path / "contest.toml"
    file.write_text('[final]\ntrain = "redraw-1"\n')
    result = run_doctor(tmp_path, data, "--quick", "--contest", str(file))
    assert result.exit_code == 3
    assert_said("final +missing +it is to train on redraw-1.*--redraw 1", result.output.replace("\n", " "))


def test_what_is_missing_exits_with_3(data, tmp_path, monkeypatch):
    """Without bubblewrap the sandbox is missing with its remedy, and so is the grading; the other checks are made."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    result = run_doctor(tmp_path, data)
    assert result.exit_code == 3
    assert "14 checks: 2 missing" in result.output
    rows = {line.split("  ")[1].strip(): line for line in result.output.splitlines() if line.startswith("  ")}
    assert_said("missing .*apt-get install bubblewrap", rows["sandbox"])
    assert_said("missing .*ended as InfrastructureError", rows["grading"])
    assert_said(" ok .*whole and unchanged", rows["data"])


@pytest.mark.slow
def test_the_trial_goes_through_the_real_engine():
    """The starter notebook is graded on debug data in the sandbox, and nothing of it is kept."""
    check = try_grading()
    assert check.state is OK, check.text
