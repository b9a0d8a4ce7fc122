"""`grader validate`: references graded for real, bands, stored runs, the oracle."""

import json
import shutil
import statistics
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

import grader.validation.bands
import grader.validation.references
from competition.build import build_data
from competition.manifest import public_sha256, read_manifest
from competition.pool import fashion_pool
from competition.profiles import NOISE, PRACTICE_SEED, Profile
from competition.splits import open_split
from competition.task.constants import BATCH_SIZE, NUM_EPOCHS
from competition.task.selection import MAX_REPEATS
from grader.analysis import oracle_select_indices, read_truth
from grader.cli import app
from grader.grading import read_record
from grader.validation.bands import read_bands
from grader.validation.references import practice_data
from grader.validation.results import Band, Conditions, Measurement, Result, ResultsFile, markdown_table
from grader.verdicts import InfrastructureError


@pytest.fixture
def references(tmp_path, monkeypatch):
    """Set up a folder of one reference with a band, and practice data beside it."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "reference_solutions"
    folder.mkdir()
    (folder / "nothing.py").write_text("def your_select_indices(targets, losses):\n    return [[], []]\n")
    (folder / "expected.toml").write_text("[debug.cpu]\nnothing = [0.1, 0.9]\n")
    return folder


def run_on(*arguments):
    """Run `grader validate` on the data that the arguments name."""
    options = ["validate", *arguments, "--device", "cpu", "--threads", "1"]
    return CliRunner().invoke(app, options, env={"COLUMNS": "200"}, catch_exceptions=False)


def run(*arguments):
    """Run `grader validate` on the debug profile."""
    return run_on(*arguments, "--profile", "debug")


def test_validate_grades_compares_and_stores(references, light, tmp_path):
    """Inside its band a reference passes, a second call trains nothing, and outside it fails with the distance."""
    first = run("nothing", "--seeds", "2")
    assert first.exit_code == 0, first.output
    assert "inside" in first.output
    runs = sorted((tmp_path / "runs" / "validate").iterdir())
    assert len(runs) == 2
    scores = [read_record(folder).bac_mean for folder in runs]
    assert run("nothing", "--seeds", "2").exit_code == 0
    assert sorted((tmp_path / "runs" / "validate").iterdir()) == runs
    (references / "expected.toml").write_text("[debug.cpu]\nnothing = [0.98, 0.99]\n")
    outside = run("nothing", "--seeds", "2")
    assert outside.exit_code == 3
    distance = 0.98 - statistics.fmean(scores)
    assert f"lies {distance:.4f} below its band 0.980 to 0.990" in outside.output
    manifest = json.loads((tmp_path / "practice" / "debug" / "private" / "manifest.json").read_text())
    assert manifest["seed"] == str(PRACTICE_SEED)


def test_measurements_in_a_file_outlive_the_runs(references, light, tmp_path):
    """With a results file nothing is trained twice, until the solution changes; the table is written beside it."""
    assert run("nothing", "oracle", "--results", "kept/results.json").exit_code == 0
    written = (tmp_path / "kept" / "results.json").read_text()
    table = (tmp_path / "kept" / "results.md").read_text()
    assert [line.split(" | ")[0] for line in table.splitlines()[2:]] == ["| nothing", "| oracle"]
    assert "| oracle | 1 |" in table
    oracle = next(
        entry for entry in json.loads(written)["measurements"] if entry["conditions"]["reference"] == "oracle"
    )
    assert oracle["purity"] == oracle["clean_recall"] == 1.0
    shutil.rmtree(tmp_path / "runs")
    assert run("nothing", "--results", "kept/results.json").exit_code == 0
    assert (tmp_path / "kept" / "results.json").read_text() == written
    assert not (tmp_path / "runs").exists()
    with open(references / "nothing.py", "a") as cell:
        cell.write("# changed\n")
    assert run("nothing", "--results", "kept/results.json").exit_code == 0
    assert len(list((tmp_path / "runs" / "validate").iterdir())) == 1
    assert len(json.loads((tmp_path / "kept" / "results.json").read_text())["measurements"]) == 2


def test_references_are_measured_on_data_of_one_s_own(references, light, tmp_path):
    """With --data no practice data is made, no band counts, and other test sets are measured anew."""
    sizes = Profile("own", train=256, val=128, test_a=64, test_b=64)
    build_data(fashion_pool(), sizes, NOISE, 5, tmp_path / "mine")
    build_data(fashion_pool(), replace(sizes, test_a=96, test_b=96), NOISE, 5, tmp_path / "larger")
    assert public_sha256(read_manifest(tmp_path / "mine" / "public")) == public_sha256(
        read_manifest(tmp_path / "larger" / "public")
    )
    (references / "expected.toml").write_text("[standard.cpu]\nnothing = [0.98, 0.99]\n")
    scores = {}
    for data in ("mine", "larger", "mine"):
        result = run_on("nothing", "oracle", "--data", data, "--results", f"{data}.json")
        assert result.exit_code == 0, result.output
        assert f"data {data}, training seeds from 123 on" in result.output
        assert "band" not in result.output
        entries = json.loads((tmp_path / f"{data}.json").read_text())["measurements"]
        scores[data] = [(entry["conditions"]["profile"], entry["test_a"]) for entry in entries]
        assert [profile for profile, _ in scores[data]] == ["own", "own"]
    assert scores["mine"] != scores["larger"]
    assert len(list((tmp_path / "runs" / "validate").iterdir())) == 4
    assert not (tmp_path / "practice").exists()


def test_data_of_one_s_own_that_is_not_whole_is_refused(references, tmp_path):
    """Two kinds of data at once are a usage error; a folder that is no data, or lacks the private part, says so."""
    assert "not both" in run("nothing", "--data", "mine").output
    assert run("nothing", "--data", "mine").exit_code == 2
    (tmp_path / "empty").mkdir()
    for folder in ("nowhere", "empty"):
        result = run_on("nothing", "--data", folder)
        assert result.exit_code == 3, result.output
        assert folder in result.output


def test_a_damaged_results_file_is_left_alone(references, tmp_path):
    """Measurements that cannot be read are an error that names the file, and the file stays as it is."""
    (tmp_path / "results.json").write_text('{"measurements": [{}]}')
    result = run("nothing", "--results", "results.json")
    assert result.exit_code == 3
    assert "results.json is damaged" in result.output
    assert (tmp_path / "results.json").read_text() == '{"measurements": [{}]}'
    with pytest.raises(InfrastructureError, match="cannot be written"):
        ResultsFile(references / "expected.toml" / "results.json").add(measurement(0.5))


def test_an_unknown_name_and_a_missing_folder_are_refused(references, tmp_path, monkeypatch):
    """A name that is no reference is a usage error; outside a clone the message says where to run it."""
    unknown = run("nobody")
    assert unknown.exit_code == 2
    assert "there are nothing, oracle" in unknown.output
    monkeypatch.setattr(grader.validation.bands, "REFERENCES_FOLDER", tmp_path / "elsewhere")
    missing = run()
    assert missing.exit_code == 3
    assert "clone of the repository" in missing.output


def test_a_reference_that_fails_stops_the_validation(references, light):
    """A reference whose verdict is not OK is an error of ours, with its message."""
    (references / "broken.py").write_text("raise RuntimeError('broken reference')\n")
    result = run("broken")
    assert result.exit_code == 3
    assert "reference broken got RuntimeError" in result.output
    assert "broken reference" in result.output


def test_practice_data_of_an_earlier_version_is_refused(references):
    """Bands hold for today's noise only: practice data with other noise is named, and what to do about it."""
    manifest = references.parent / practice_data("debug") / "private" / "manifest.json"
    written = json.loads(manifest.read_text())
    written["difficulty_spread"] = [0.0, 0.0]
    manifest.write_text(json.dumps(written))
    result = run("nothing")
    assert result.exit_code == 3
    assert "was built with other noise than today's: delete it" in result.output


def test_practice_data_that_another_command_builds_meanwhile_is_taken(references, monkeypatch):
    """Of two that build it at once the slower one takes what the other has built; half a folder is an error of ours."""
    build = grader.validation.references.build_data

    def both_build(*arguments):
        build(*arguments)
        build(*arguments)

    monkeypatch.setattr(grader.validation.references, "build_data", both_build)
    assert [path.name for path in sorted(practice_data("debug").iterdir())] == ["private", "public"]
    shutil.rmtree(references.parent / "practice" / "debug" / "public")
    with pytest.raises(InfrastructureError, match="exists already"):
        practice_data("debug")


def test_every_committed_reference_has_a_band():
    """The profile that CI validates has a band for each reference and for the oracle."""
    bands = read_bands("standard", "cpu")
    assert set(bands) == set(grader.validation.bands.find_references([]))
    assert all(0.4 < band.low < band.high < 1 for band in bands.values())


def oracle_training(data, losses_of=lambda count: torch.linspace(0.1, 3.0, count)):
    """Go through a training of the oracle; yield the labels and clean labels of each batch, and the selections."""
    train = open_split(data / "public", "train").dataset
    clean = read_truth(data / "private", train)
    select = oracle_select_indices(clean)
    for _ in range(NUM_EPOCHS):
        for labels, truth in zip(train.targets.split(BATCH_SIZE), clean.split(BATCH_SIZE), strict=True):
            yield labels, truth, select(labels, [losses_of(len(labels)), losses_of(len(labels)).flip(0)])


def test_the_oracle_selects_clean_samples_and_balances_them(data):
    """In every batch it keeps exactly the right labels, both classes equally often, never more than it may."""
    batches = list(oracle_training(data))
    assert len(batches) == 12
    for labels, truth, selections in batches:
        for selection in selections:
            assert set(selection.tolist()) == set(torch.nonzero(labels == truth).flatten().tolist())
            assert (labels[selection] == 0).sum() == (labels[selection] == 1).sum()
            assert len(selection) <= MAX_REPEATS * len(labels)


def test_the_oracle_ends_with_easy_samples(data):
    """Towards the end, each model repeats the samples that it fits, more and more; before that, none."""
    first, *_, last = (selections for _, _, selections in oracle_training(data))
    assert torch.equal(*first)
    for selection, hard_half in zip(last, (slice(64, None), slice(64)), strict=True):
        repeats = torch.bincount(selection, minlength=BATCH_SIZE)
        assert len(selection) > 2 * len(first[0])
        assert repeats.sum() > 2 * repeats[hard_half].sum() + len(first[0]) / 2


def test_the_oracle_rests_at_the_end_of_a_long_training():
    """The last steps of a training that has enough of them select nothing, and so does a short batch near the end."""
    clean = torch.arange(1000) % 2
    select = oracle_select_indices(clean)
    batches = [labels for _ in range(NUM_EPOCHS) for labels in clean.split(BATCH_SIZE)]
    picked = [len(select(labels, [torch.zeros(len(labels))] * 2)[0]) for labels in batches]
    assert [step for step, count in enumerate(picked) if count == 0] == [39, 47]
    assert picked[7] == 104  # a short batch of an earlier epoch


def measurement(test_a, test_b=0.7, seconds=10.0, seed=123):
    """Make a measurement of a reference that nobody trained."""
    conditions = Conditions("some", "debug", seed, "cpu", 2, "bwrap", "a", "b", "c", "d", {"torch": "2"})
    return Measurement(conditions, test_a, test_b, seconds, 1.4, 0.9, 0.25)


def test_tables_show_mean_and_spread():
    """One seed shows its score, more show mean and sample standard deviation; violations name side and distance."""
    result = Result("some", (measurement(0.8), measurement(0.9, seconds=20.0)), Band(0.9, 1.0))
    row = "| some | 2 | 0.8500 ± 0.0707 | 0.7000 ± 0.0000 | 100 | 0.900 | 0.250 | 15 | 1 |"
    assert row in markdown_table([result])
    assert "lies 0.0500 below" in str(result.violation())
    assert Result("some", (measurement(0.95),), Band(0.9, 1.0)).violation() is None


def test_further_seeds_in_a_results_file_count_too():
    """A table is made of all seeds under the same conditions, in order; other conditions are left out."""
    known = ResultsFile(None)
    for each in (measurement(0.7, seed=125), measurement(0.8), measurement(0.9, seed=124)):
        known.add(each)
    other = measurement(0.1, seed=126)
    known.add(replace(other, conditions=replace(other.conditions, threads=1)))
    found = known.find_all(measurement(0.0, seed=130).conditions)
    assert [each.test_a for each in found] == [0.8, 0.9, 0.7]
