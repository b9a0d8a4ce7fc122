"""The export in Codabench's own code: its unpacker, serializers and models on SQLite, and its compute worker.

Skipped unless CODABENCH_CHECKOUT names a checkout of codalab/codabench, and CODABENCH_PYTHON a Python with the packages
of its pyproject.toml, and docker and rich, which the worker needs.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from competition.notebook import graft, notebook_text
from grader.cli import app
from tests.codabench_worker import daemon_at, packed
from tests.conftest import REPOSITORY

CHECKOUT, PYTHON = os.environ.get("CODABENCH_CHECKOUT"), os.environ.get("CODABENCH_PYTHON")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHECKOUT and PYTHON), reason="CODABENCH_CHECKOUT and CODABENCH_PYTHON name no checkout"),
]
OPENING = "opening = 2026-03-01T09:00:00+01:00\nclosing = 2026-03-31T18:30:00+02:00\n"
BALANCED = (REPOSITORY / "reference_solutions" / "class_balance.py").read_text()


def theirs(program, *arguments):
    """Run a program of ours in Codabench's environment; return its last line, as JSON."""
    command = [str(PYTHON), str(REPOSITORY / "tests" / program), str(CHECKOUT), *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.fixture
def bundle(data, tmp_path):
    """Export in a mode and return the path of the bundle."""

    def make(*options):
        text = f'title = "Spring"\ndata = "{data}"\n[grading]\ndevice = "cpu"\nthreads = 1\n[rules]\n{OPENING}'
        (tmp_path / "contest.toml").write_text(text)
        arguments = ["export", "codabench", "--contest", str(tmp_path), "--out", str(tmp_path / "out"), *options]
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return tmp_path / "out" / "bundle.zip"

    return make


@pytest.mark.parametrize("mode", ["worker", "bundle"])
def test_codabench_saves_what_was_meant(bundle, mode):
    """Its unpacker and serializers take the bundle, and its models hold the contest's times, limits and columns."""
    saved = theirs("codabench_unpacker.py", bundle("--mode", mode, "--image", "me/noise:1"))
    assert "error" not in saved, saved["error"]
    assert (saved["title"], saved["docker_image"]) == ("Spring", "me/noise:1")
    assert (saved["start"], saved["end"]) == ("2026-03-01T08:00:00+00:00", "2026-03-31T16:30:00+00:00")
    assert (saved["daily"], saved["rule"], saved["solutions"]) == (5, "Force_Best", [1])
    assert saved["columns"][:3] == [["bac", "desc", 4], ["points", "desc", 0], ["verdict", "asc", 0]]
    assert saved["tasks"] == [dict.fromkeys(("ingestion_program", "input_data", "reference_data"), mode == "bundle")]


def test_codabenchs_worker_scores_as_the_grader_does(bundle, grade, tmp_path):
    """A notebook that goes through the platform's own worker in bundle mode is Finished, with our score to the bit."""
    submission = tmp_path / "submission.zip"
    submission.write_bytes(packed(mine__ipynb=notebook_text(graft(BALANCED))))
    made = bundle("--mode", "bundle", "--image", "me/noise:1")
    told = theirs("codabench_real_worker.py", made, submission, tmp_path / "run", Path(sys.executable))
    assert told["statuses"] == ["Running", "Preparing", "Scoring", "Running", "Finished"]
    assert told["scores"]["bac"] == grade(BALANCED).record["bac_mean"]
    assert "Every batch was answered" in told["page"]


def test_codabenchs_worker_reaches_the_daemon(bundle, data, grade, short_folder, tmp_path):
    """In worker mode the platform's own worker brings the notebook to the daemon, and our score back, to the bit."""
    submission, contest = tmp_path / "submission.zip", tmp_path / "daemon"
    submission.write_bytes(packed(mine__ipynb=notebook_text(graft(BALANCED))))
    contest.mkdir()
    sockets = short_folder / "host" / "data"
    sockets.mkdir(parents=True)
    with daemon_at(sockets / "grader.sock", data, contest):
        told = theirs("codabench_real_worker.py", bundle(), submission, short_folder, Path(sys.executable))
    assert told["statuses"][-1] == "Finished"
    assert told["scores"]["bac"] == grade(BALANCED).record["bac_mean"]
    assert "Every batch was answered" in told["page"]


def test_codabenchs_worker_does_not_count_our_faults(bundle, tmp_path):
    """In worker mode without a daemon the platform's own worker says Failed, and no score is sent."""
    submission = tmp_path / "submission.zip"
    submission.write_bytes(packed(mine__ipynb=notebook_text(graft(BALANCED))))
    told = theirs("codabench_real_worker.py", bundle(), submission, tmp_path / "run", Path(sys.executable))
    assert told["statuses"][-1] == "Failed"
    assert told["scores"] is None
