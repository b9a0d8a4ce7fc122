"""Both modes of the Codabench export, end to end, in a stand-in for the platform's worker."""

import io
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from competition.notebook import graft, notebook_text
from grader.cli import app
from grader.platforms.codabench import ingestion, scoring
from grader.platforms.codabench.places import Places
from grader.platforms.codabench.scores import CODES
from grader.verdicts import Verdict
from tests.codabench_worker import Worker, daemon_at, packed
from tests.conftest import ALL_SAMPLES, REPOSITORY

pytestmark = pytest.mark.slow
BALANCED = (REPOSITORY / "reference_solutions" / "class_balance.py").read_text()
CO_TEACHING = (REPOSITORY / "reference_solutions" / "co_teaching.py").read_text()
FORGER = """
import os, time
import numpy as np
np.savez("/app/output/selections.npz", indices_1=np.zeros(1, "u2"))
open("/app/output/record.json", "w").write('{"verdict": "OK", "message": ""}')
open("/app/output/scores.json", "w").write('{"bac": 1.0}')
print("seen:", sorted(os.listdir("/app")))
"""


def notebook(solution):
    return notebook_text(graft(solution))


def exported(folder, data, *options):
    """Export the debug contest and return the path of its bundle."""
    folder.mkdir()
    contest = folder / "contest.toml"
    contest.write_text(
        f'data = "{data}"\n[grading]\ndevice = "cpu"\nthreads = 1\n[rules]\nopening = 2026-03-01T09:00:00+01:00\n'
    )
    arguments = ["export", "codabench", "--contest", str(contest), "--out", str(folder / "out"), *options]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return folder / "out" / "bundle.zip"


@pytest.fixture(scope="module")
def bundle(data, tmp_path_factory):
    """Make the bundle of bundle mode once."""
    folder = tmp_path_factory.mktemp("bundle") / "contest"
    return exported(folder, data, "--mode", "bundle", "--image", "name:1")


def test_bundle_mode_scores_as_the_grader_does(bundle, grade, tmp_path):
    """Without namespaces the notebook runs confined by Landlock, and the training from its lists gives our score."""
    expected = grade(CO_TEACHING).record
    submitted = Worker(bundle, tmp_path / "worker").submit(packed(my_notebook__ipynb=notebook(CO_TEACHING)))
    assert submitted.status == "Finished", submitted.printed
    assert submitted.scores["bac"] == expected["bac_mean"]
    assert submitted.scores["points"] == expected["points"]
    assert submitted.scores["verdict"] == 0
    assert sorted(path.name for path in submitted.results.iterdir()) == ["record.json", "selections.npz"]
    assert json.loads((submitted.results / "record.json").read_text())["sandbox"] == "confined"
    assert "Every batch was answered" in submitted.page


def test_bundle_mode_takes_bubblewrap_where_it_starts(data, grade, tmp_path):
    """Where namespaces can be made, the ingestion runs the notebook in bubblewrap; the score is ours again."""
    program, submission, output, scored = (tmp_path / name for name in ("program", "sent", "res", "scored"))
    for folder in (program, submission, output, scored):
        folder.mkdir()
    (program / "grading.json").write_text('{"seed": 123, "threads": 1, "seconds": null, "guard": null}')
    (submission / "mine.ipynb").write_text(notebook(BALANCED))
    assert ingestion.main(Places(program, submission, data / "public", output)) == 0
    assert json.loads((output / "record.json").read_text())["sandbox"] == "bwrap"
    assert scoring.main(Places(program, output=scored, results=output, reference=data)) == 0
    assert json.loads((scored / "scores.json").read_text())["bac"] == grade(BALANCED).record["bac_mean"]


def test_what_a_command_of_its_own_wrote_is_gone(bundle, tmp_path):
    """A submission's own command cannot put lists or scores in the place of those of the training."""
    files = {"metadata__yaml": "command: python3 run.py", "run__py": FORGER, "a__ipynb": notebook(ALL_SAMPLES)}
    submitted = Worker(bundle, tmp_path / "worker").submit(packed(**files))
    assert "'input_data'" in submitted.printed, "the command did not run"
    assert "'input'" not in submitted.printed.split("seen:")[1].splitlines()[0], "the test set was in reach"
    assert submitted.status == "Finished", submitted.printed
    assert submitted.scores["bac"] < 1
    assert "scores.json" not in [path.name for path in submitted.results.iterdir()]


@pytest.mark.parametrize(
    ("files", "verdict"),
    [
        ({}, Verdict.PRESENTATION_ERROR),
        ({"scores__json": '{"bac": 1.0}', "detailed_results__html": "mine"}, Verdict.PRESENTATION_ERROR),
    ],
    ids=["empty", "its own scores"],
)
def test_a_participants_fault_is_finished_with_0_points(bundle, tmp_path, files, verdict):
    """What holds no notebook ends Finished, with 0 points, the verdict's code, and the reason in the page."""
    submitted = Worker(bundle, tmp_path / "worker").submit(packed(**files))
    assert submitted.status == "Finished", submitted.printed
    assert submitted.scores == {"bac": 0.0, "points": 0, "verdict": CODES[verdict], "seconds": 0.0}
    assert verdict.value in submitted.page


def test_a_killed_ingestion_counts_for_nobody(bundle, tmp_path):
    """An ingestion that was killed leaves no record: the submission is Failed, which Codabench does not count."""
    submitted = Worker(bundle, tmp_path / "worker").submit(packed(a__txt="x"), kill_ingestion=True)
    assert submitted.status == "Failed"
    assert "left no record" in submitted.printed


def test_forged_lists_give_no_points(bundle, tmp_path):
    """A pickle in the place of the lists, beside a record that says OK, is a PresentationError."""
    stream = io.BytesIO()
    np.savez_compressed(stream, counts_1=np.array([{}], object))
    record = json.dumps({"verdict": "OK", "message": ""})
    files = packed(selections__npz=stream.getvalue(), record__json=record)
    submitted = Worker(bundle, tmp_path / "worker").submit(files, kill_ingestion=True)
    assert submitted.status == "Finished", submitted.printed
    assert submitted.scores["bac"] == 0.0
    assert submitted.scores["verdict"] == CODES[Verdict.PRESENTATION_ERROR]


def test_worker_mode_scores_as_the_grader_does(data, grade, short_folder, tmp_path):
    """The daemon's score is that of `grader grade`, bit for bit; the same cell again is answered without a training."""
    expected = grade(CO_TEACHING).record
    worker = Worker(exported(tmp_path / "contest", data), short_folder / "w")
    with daemon_at(worker.data / "grader.sock", data, tmp_path) as process:
        first = worker.submit(packed(my_notebook__ipynb=notebook(CO_TEACHING)))
        other = notebook(CO_TEACHING).replace("Learning from wrong labels", "Another title")
        again = worker.submit(packed(renamed__ipynb=other))
        process.terminate()
        said, _ = process.communicate(timeout=120)
    assert first.status == "Finished", first.printed
    assert first.scores["bac"] == expected["bac_mean"]
    assert first.scores["points"] == expected["points"]
    assert "Every batch was answered" in first.page
    assert again.scores == first.scores
    assert said.count("found") == 1, said


def test_worker_mode_without_a_daemon_counts_for_nobody(data, short_folder, tmp_path):
    """Nobody at the socket is our fault; no notebook, or a forged scores.json, is the participant's, daemon or not."""
    worker = Worker(exported(tmp_path / "contest", data), short_folder / "w")
    assert worker.submit(packed(a__ipynb=notebook(ALL_SAMPLES))).status == "Failed"
    empty = worker.submit(packed(scores__json='{"bac": 1.0}'))
    assert (empty.status, empty.scores["bac"], empty.scores["verdict"]) == ("Finished", 0.0, 1)
    with daemon_at(worker.data / "grader.sock", data, tmp_path):
        command = {"metadata__yaml": "command: python3 run.py", "run__py": FORGER, "a__ipynb": notebook(ALL_SAMPLES)}
        own = worker.submit(packed(**command))
        assert (own.status, own.scores["bac"]) == ("Finished", 0.0)
        broken = worker.submit(packed(a__ipynb="not a notebook"))
    assert (broken.status, broken.scores["verdict"]) == ("Finished", 1)
    assert "PresentationError" in broken.page
