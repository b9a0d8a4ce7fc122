"""Kaggle's files as the exporter writes them: within Kaggle's limits, as they were; and what would be refused."""

import json
import os
import re
import shlex
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from grader.cli import app
from grader.contest_file.contest import Contest, GradingTable, RulesTable
from grader.platforms.exporting import write_export
from grader.platforms.kaggle import export, files
from grader.platforms.kaggle.export import PAGES, PLAN, Target, licence_text, write_kaggle
from grader.verdicts import InfrastructureError
from tests.conftest import REPOSITORY

GOLDEN = Path(__file__).with_name("golden") / "kaggle"
CLOSING = datetime(2026, 3, 31, 18, 0, tzinfo=timezone(timedelta(hours=2)))
CONTEST = Contest(title="Wrong labels, round 1", grading=GradingTable(threads=1), rules=RulesTable(closing=CLOSING))
TARGET = Target("olympiad", "wrong-labels-2026")
NOT_TEXT = {".zip", ".npz", ".ipynb"}
PYTHON = "LABEL_NOISE_KAGGLE_PYTHON"  # names the Python of an environment with Kaggle's client


@pytest.fixture(scope="module")
def exported(data, tmp_path_factory):
    """Export the tests' data."""
    out = tmp_path_factory.mktemp("kaggle") / "out"
    write_export(out, PLAN, CONTEST, data, lambda folder: write_kaggle(folder, TARGET, CONTEST, data))
    return out


def load(path):
    """Read a JSON file."""
    return json.loads(path.read_text())


def test_the_texts_are_as_they_were(exported):
    """Every text file of an export equals the one that is kept: a change of one is seen before a host sees it."""
    found = {path.relative_to(exported) for path in exported.rglob("*") if path.is_file()}
    texts = {path for path in found if path.suffix not in NOT_TEXT}
    assert {path.as_posix() for path in found - texts} == {
        "data/train.zip",
        "data/val.zip",
        "metric-data/label_noise_metric.npz",
        "metric/metric.ipynb",
        "starter/starter_notebook.ipynb",
    }
    assert texts == {path.relative_to(GOLDEN) for path in GOLDEN.rglob("*") if path.is_file()}
    for path in sorted(texts):
        assert (exported / path).read_text() == (GOLDEN / path).read_text(), path


def test_every_file_is_within_kaggles_limits(exported):
    """Our own schema finds nothing in what we write."""
    competition = exported / "competition"
    assert files.competition_problems(load(competition / "competition-metadata.json")) == []
    assert files.settings_problems(load(competition / "settings.json")) == []
    assert files.dataset_problems(load(exported / "metric-data" / "dataset-metadata.json")) == []
    for kernel in ("metric", "starter"):
        metadata = load(exported / kernel / "kernel-metadata.json")
        assert files.kernel_problems(metadata) == []
        assert (exported / kernel / metadata["code_file"]).is_file()
        assert metadata["enable_internet"] is False
    solution = (exported / "private" / "solution.csv").read_text()
    assert files.table_problems(solution, (exported / "data" / "sample_submission.csv").read_text()) == []
    for page in PAGES:
        assert files.page_problems(page, (competition / "pages" / f"{page}.md").read_text()) == []


def test_an_export_that_kaggle_would_refuse_is_none(data, tmp_path, monkeypatch):
    """Every file is checked before anything is there, and the sentence names the file and what is wrong with it."""
    whole = export.texts

    def spoilt(*arguments):
        return whole(*arguments) | {"competition/settings.json": '{"hats": 1}', "competition/pages/rules.md": " "}

    monkeypatch.setattr(export, "texts", spoilt)
    out = tmp_path / "out"
    with pytest.raises(InfrastructureError) as refused:
        write_export(out, PLAN, CONTEST, data, lambda folder: write_kaggle(folder, TARGET, CONTEST, data))
    assert "competition/settings.json: hats is not known" in refused.value.message
    assert "competition/pages/rules.md: rules is empty" in refused.value.message
    assert not out.exists()


def test_the_metric_alone_has_the_private_data_set(exported):
    """The starter gets the competition's data, the metric the private data set, and neither the other's."""
    metric, starter = (load(exported / name / "kernel-metadata.json") for name in ("metric", "starter"))
    dataset = load(exported / "metric-data" / "dataset-metadata.json")
    assert (metric["dataset_sources"], metric["competition_sources"]) == ([dataset["id"]], [])
    assert (starter["dataset_sources"], starter["competition_sources"]) == ([], [TARGET.slug])
    assert metric["is_private"]


def test_fashion_mnist_goes_with_its_licence(exported):
    """Kaggle knows no MIT licence, so it is 'other' with the whole text; own images have words of their own."""
    text = licence_text("fashion")
    assert "MIT" in text
    assert "Zalando" in text
    dataset = load(exported / "metric-data" / "dataset-metadata.json")
    assert dataset["licenses"] == [{"name": "other"}]
    assert text in dataset["description"]
    assert text in (exported / "competition" / "pages" / "data-description.md").read_text()
    assert "MIT" not in licence_text("folder")


def test_upload_stops_before_the_launch(exported):
    """upload.sh is good shell, is strict, names the launch and never calls it."""
    path = exported / "upload.sh"
    assert os.access(path, os.X_OK)
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0
    script = path.read_text()
    assert "set -euo pipefail" in script
    assert [line.split()[0] for line in script.splitlines() if "kaggle competitions launch" in line] == ["echo"]
    assert "$slug" not in script


BROKEN_COMPETITIONS = [
    ({"slug": "123"}, "slug"),
    ({"slug": "With Capitals"}, "slug"),
    ({"privacy": "SECRET"}, "privacy"),
    ({"title": ""}, "title"),
    ({"title": "two\nlines"}, "title"),
    ({"briefDescription": None}, "briefDescription"),
]
BROKEN_SETTINGS = [
    ({"host_segment": "X"}, "host_segment"),
    ({"deadline": "2026-03-31T18:00:00"}, "deadline"),
    ({"deadline": 7}, "deadline"),
    ({"rules_required": 1}, "rules_required"),
    ({"nonsense": True}, "nonsense"),
]
BROKEN_DATASETS = [
    ({"id": "a/b"}, "slug"),
    ({"title": "short"}, "title"),
    ({"title": "x" * 51}, "title"),
    ({"subtitle": "too short"}, "subtitle"),
    ({"licenses": []}, "licenses"),
    ({"licenses": [{"name": "MIT"}]}, "licenses"),
    ({"id": "no-owner-here"}, "id"),
]
BROKEN_KERNELS = [
    ({"title": "abc"}, "title"),
    ({"title": "another title"}, "slug"),
    ({"enable_internet": None}, "enable_internet"),
    ({"language": "r"}, "notebook"),
    ({"dataset_sources": ["nobody"]}, "data set"),
    ({"id": "alone"}, "id"),
]
BROKEN = [
    *(("competition/competition-metadata.json", files.competition_problems, *each) for each in BROKEN_COMPETITIONS),
    *(("competition/settings.json", files.settings_problems, *each) for each in BROKEN_SETTINGS),
    *(("metric-data/dataset-metadata.json", files.dataset_problems, *each) for each in BROKEN_DATASETS),
    *(("metric/kernel-metadata.json", files.kernel_problems, *each) for each in BROKEN_KERNELS),
]


@pytest.mark.parametrize(("file", "problems", "change", "named"), BROKEN)
def test_what_kaggle_would_refuse_is_named(exported, file, problems, change, named):
    """A file with one thing wrong has a sentence that names it."""
    found = problems(load(exported / file) | change)
    assert any(named in sentence for sentence in found), found


@pytest.mark.parametrize(
    ("solution", "named"),
    [
        ("id,selections\npublic,x\n", "Usage"),
        ("id,selections,Usage\npublic,x,Public\nprivate,x,Public\n", "both are there"),
        ("id,selections,Usage\npublic,x,Public\nother,x,Private\n", "same ids"),
        ("id,selections,Usage\npublic,x,Public\npublic,x,Private\n", "same ids"),
        ("id,selections,Usage\npublic,,Public\nprivate,x,Private\n", "no cell is empty"),
    ],
)
def test_a_solution_that_does_not_fit_is_named(exported, solution, named):
    """Columns, usages, ids and cells of the solution are held against the sample."""
    sample = (exported / "data" / "sample_submission.csv").read_text()
    assert any(named in sentence for sentence in files.table_problems(solution, sample))


@given(st.from_regex(r"\A[a-z0-9-]{1,45}\Z"), st.from_regex(r"\A[a-z0-9-]{1,20}\Z"))
def test_a_slug_that_is_taken_leads_to_good_files(slug, owner):
    """Whatever slug and owner the command takes, data set and kernels are within Kaggle's limits; others it names."""
    problem = files.name_problem(owner, slug, "Title")
    dataset = files.dataset_metadata(owner, slug, "licence")
    kernel = files.kernel_metadata(owner, f"{slug}-metric", "x.ipynb", private=True)
    competition = files.competition_metadata("Title", slug)
    found = [
        *files.dataset_problems(dataset),
        *files.kernel_problems(kernel),
        *files.competition_problems(competition),
    ]
    assert (problem is None) == (found == [])


@given(st.text(min_size=1, max_size=80).filter(str.strip))
def test_any_title_that_is_taken_is_within_the_limits(title):
    """A contest's title goes into the metadata as it is, or is named before anything is made."""
    problem = files.name_problem("owner", "slug-1", title)
    assert (problem is None) == (files.competition_problems(files.competition_metadata(title, "slug-1")) == [])
    assert files.settings_problems(files.settings(title, None)) == []


@given(st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.timezones()))
def test_every_closing_time_is_the_same_moment_in_utc(moment):
    """The deadline is written in UTC, to the second, whatever zone the contest file has it in."""
    written = files.settings("Title", moment)
    assert files.settings_problems(written) == []
    assert written["deadline"].endswith("Z")
    read = datetime.fromisoformat(written["deadline"])
    assert timedelta() <= moment.astimezone(UTC) - read < timedelta(seconds=1)


@pytest.mark.parametrize(
    ("owner", "slug", "said"),
    [("olympiad", "Wrong Labels", "--slug"), ("olympiad", "2026", "--slug"), ("An Owner", "x", "--owner")],
)
def test_a_bad_name_is_refused_before_anything_is_made(tmp_path, data, owner, slug, said):
    """A slug or an owner that Kaggle would refuse is a usage error, and nothing is written."""
    options = ["--out", str(tmp_path / "out"), "--owner", owner, "--slug", slug, "--data", str(data)]
    result = CliRunner().invoke(app, ["export", "kaggle", *options], env={"COLUMNS": "300"})
    assert result.exit_code == 2
    assert said in result.output
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_kaggle_cannot_keep_secret(tmp_path, data):
    """The command writes the export and prints each sentence of the trust table for this mode."""
    out = tmp_path / "deep" / "out"
    options = ["--out", str(out), "--owner", "olympiad", "--slug", "wrong-labels", "--data", str(data)]
    result = CliRunner().invoke(app, ["export", "kaggle", *options], env={"COLUMNS": "300"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    for sentence in PLAN.not_secret:
        assert f"notice: {sentence}" in result.output
    page = " ".join((REPOSITORY / "docs" / "kaggle.md").read_text().split())
    assert all(sentence in page for sentence in PLAN.not_secret)
    assert load(out / "EXPORT.json")["not_secret"] == list(PLAN.not_secret)
    again = CliRunner().invoke(app, ["export", "kaggle", *options], env={"COLUMNS": "300"})
    assert again.exit_code == 2
    assert "is there already" in again.output


CLIENT = """
import json, os, runpy, sys
from contextlib import contextmanager
from importlib.metadata import version
from types import SimpleNamespace
from unittest.mock import MagicMock, patch

os.environ["KAGGLE_API_TOKEN"] = "offline"
from kaggle import cli
from kaggle.api.kaggle_api_extended import KaggleApi
from requests import HTTPError

sent = []
LISTS = "invalidTags invalidDatasetSources invalidCompetitionSources invalidKernelSources invalidModelSources".split()

class Recorder:
    def __getattr__(self, name):
        return self

    def __call__(self, *arguments, **options):
        for each in arguments:
            if type(each).__name__.startswith("Api"):
                sent.append([type(each).__name__, getattr(each, "competition_name", None)])
        return MagicMock(error=None, status="ok", url="https://…", **{name: [] for name in LISTS})


@contextmanager
def client(self):
    yield Recorder()


def is_new(self, ref):
    raise HTTPError()


with (
    patch.object(KaggleApi, "build_kaggle_client", client),
    patch.object(KaggleApi, "dataset_status", is_new),
    patch.object(KaggleApi, "_upload_file", lambda *a, **k: SimpleNamespace(token="token")),
    patch.object(KaggleApi, "upload_files", lambda *a, **k: None),
    patch.object(KaggleApi, "_print_competition_settings", lambda *a: None),
    patch.object(KaggleApi, "competition_get_solution_status_cli", lambda *a, **k: None),
    patch.dict(cli.api.config_values, username="olympiad"),
):
    for command in json.loads(sys.argv[1]):
        sys.argv = command
        print("$", *command)
        runpy.run_path(command[1]) if command[0] == "python3" else cli.main()
print(json.dumps({"sent": sent, **{name: version(name) for name in ("kaggle", "kagglesdk")}}))
"""
REQUESTS = [
    "ApiCreateCompetitionRequest",
    "ApiUpdateCompetitionSettingsRequest",
    *["ApiUpdateCompetitionPageRequest"] * len(PAGES),
    "ApiCreateCompetitionDataRequest",
    "ApiCreateDatasetRequest",
    "ApiSaveKernelRequest",
    "ApiCreateCompetitionSolutionRequest",
    "ApiSaveKernelRequest",
]
COMPLAINTS = ("error", "does not resolve", "invalid", "must be", "skipping", "failed")


def commands_of(script):
    """Return the commands of upload.sh that reach Kaggle, as lists of words."""
    return [shlex.split(line) for line in script.splitlines() if re.match("(kaggle|python3) ", line)]


@pytest.mark.skipif(PYTHON not in os.environ, reason=f"{PYTHON} names no Python with Kaggle's client")
def test_kaggles_own_client_takes_every_command_and_file(exported):
    """Kaggle's client takes each call of upload.sh, builds its request without a network, and has no complaint."""
    commands = json.dumps(commands_of((exported / "upload.sh").read_text()))
    ran = subprocess.run(
        [os.environ[PYTHON], "-c", CLIENT, commands], cwd=exported, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    said = json.loads(ran.stdout.splitlines()[-1])
    print(said)
    assert [name for name, _ in said["sent"]] == REQUESTS
    assert {competition for _, competition in said["sent"]} == {None, TARGET.slug}
    assert not [word for word in COMPLAINTS if word in (ran.stdout + ran.stderr).lower()], ran.stdout + ran.stderr
