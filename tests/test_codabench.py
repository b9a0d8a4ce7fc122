"""The Codabench export: what it holds, what the platform would refuse, what reads hostile bytes."""

import io
import json
import socket
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from competition.notebook import starter_text
from competition.task.constants import BATCH_SIZE, NUM_EPOCHS
from grader.cli import app
from grader.contest import OneByOne
from grader.contest.workers import InProcess
from grader.grading import Settings, draft_record
from grader.platforms.codabench import hand_over, ingestion
from grader.platforms.codabench.caps import HOUR, Caps
from grader.platforms.codabench.daemon import Daemon
from grader.platforms.codabench.lists import read_lists
from grader.platforms.codabench.make_submission import main as make_submission
from grader.platforms.codabench.places import Places
from grader.platforms.codabench.schema import faults
from grader.platforms.codabench.scores import CODES, scores_of
from grader.platforms.codabench.scoring import score
from grader.verdicts import InfrastructureError, ParticipantFault, Verdict

WORKER_BUNDLE = [
    "competition.yaml",
    "logo.png",
    "pages/data.md",
    "pages/evaluation.md",
    "pages/overview.md",
    "pages/rules.md",
    "pages/submitting.md",
    "pages/terms.md",
    "public_data/train.zip",
    "public_data/val.zip",
    "scoring_program/hand_over.py",
    "scoring_program/metadata.yaml",
    "solution_all_samples/notebook.ipynb",
    "starting_kit/make_submission.py",
    "starting_kit/requirements.txt",
    "starting_kit/starter_notebook.ipynb",
]


@pytest.fixture
def contest_folder(data, tmp_path):
    """Make the folder of a contest around the debug data."""
    (tmp_path / "contest.toml").write_text(
        f'title = "Spring"\ndata = "{data}"\n[rules]\nopening = 2026-03-01T09:00:00+01:00\n[final]\nseed = 71077345\n'
    )
    return tmp_path


def export(folder, *options):
    arguments = ["export", "codabench", "--contest", str(folder), "--out", str(folder / "out"), *options]
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_the_bundle_of_worker_mode_is_golden(contest_folder):
    """Worker mode uploads these files and no other: texts, the public data, a program without the kit."""
    result = export(contest_folder)
    assert result.exit_code == 0, result.output
    with zipfile.ZipFile(contest_folder / "out" / "bundle.zip") as bundle:
        assert bundle.namelist() == WORKER_BUNDLE
        made = yaml.safe_load(bundle.read("competition.yaml"))
        assert faults(made, set(WORKER_BUNDLE)) == []
        assert made["title"] == "Spring"
        assert made["phases"][0]["start"] == "2026-03-01 08:00:00"
        assert bundle.read("scoring_program/metadata.yaml") == b"command: python3 hand_over.py 3750\n"
        with Image.open(io.BytesIO(bundle.read("logo.png"))) as logo:
            assert logo.size == (512, 512)
    beside = sorted(str(path.relative_to(contest_folder / "out")) for path in (contest_folder / "out").rglob("*"))
    assert beside == [
        "CHECKLIST.md",
        "EXPORT.json",
        "bundle.zip",
        "worker",
        "worker/.env",
        "worker/README.md",
        "worker/docker-compose.yml",
        "worker/grader-daemon.service",
    ]
    assert "NETWORK_DISABLED=True" in (contest_folder / "out" / "worker" / ".env").read_text()


def test_the_same_contest_makes_the_same_bundle(contest_folder):
    """A bundle has the same bytes whenever it is made."""
    export(contest_folder)
    first = (contest_folder / "out" / "bundle.zip").read_bytes()
    (contest_folder / "out").rename(contest_folder / "before")
    export(contest_folder)
    assert (contest_folder / "out" / "bundle.zip").read_bytes() == first


def test_bundle_mode_holds_test_a_and_no_answer_besides(contest_folder, data):
    """Bundle mode uploads both programs with the kit, the public data and test_a; no pool, no test_b, no truth."""
    result = export(contest_folder, "--mode", "bundle", "--image", "me/noise:1")
    assert result.exit_code == 0, result.output
    assert "test_a is uploaded" in result.output
    with zipfile.ZipFile(contest_folder / "out" / "bundle.zip") as bundle:
        names = bundle.namelist()
        manifest = json.loads(bundle.read("reference_data/private/manifest.json"))
        assert list(manifest["splits"]) == ["test_a"]
        assert "seed" not in manifest
        assert yaml.safe_load(bundle.read("competition.yaml"))["docker_image"] == "me/noise:1"
    folders = {tuple(name.split("/")[:3]) for name in names}
    assert ("reference_data", "private", "test_a") in folders
    assert ("ingestion_program", "kit", "grader") in folders
    assert not [name for name in names if name.startswith("input_data/private") or "test_b" in name]
    assert not [name for name in names if name.endswith((".npz", ".csv")) and "dataset_labels" not in name]
    own = sorted(path.name for path in (data / "private" / "test_a" / "data").iterdir())
    assert not [name for name in names if Path(name).name in own and not name.startswith("reference_data/private")]
    requirements = (contest_folder / "out" / "image" / "requirements.txt").read_text()
    assert "torch==" in requirements
    assert "+" not in requirements


def test_what_is_missing_is_said(data, tmp_path):
    """No opening, and no image in bundle mode, are usage errors that say what to do."""
    (tmp_path / "contest.toml").write_text(f'data = "{data}"\n')
    result = export(tmp_path)
    assert (result.exit_code, "set opening under" in " ".join(result.output.split())) == (2, True)
    (tmp_path / "contest.toml").write_text(f'data = "{data}"\n[rules]\nopening = 2026-03-01T09:00:00+01:00\n')
    result = export(tmp_path, "--mode", "bundle")
    assert (result.exit_code, "--image" in result.output) == (2, True)


def test_a_zip_is_made_for_the_participant(tmp_path):
    """make_submission.py packs the one notebook, and refuses what is none with a sentence."""
    notebook, target = tmp_path / "mine.ipynb", tmp_path / "submission.zip"
    notebook.write_text(starter_text())
    assert make_submission([str(notebook), str(target)]) == 0
    with zipfile.ZipFile(target) as archive:
        assert archive.namelist() == ["notebook.ipynb"]
    notebook.write_text("{}")
    assert make_submission([str(notebook), str(target)]) == 1
    assert make_submission([]) == 2


@pytest.mark.parametrize("program", ["hand_over", "make_submission"])
def test_programs_that_leave_need_only_python(program):
    """What runs in the hand-over's container and at participants imports nothing but Python's standard library."""
    path = Path(hand_over.__file__).with_name(f"{program}.py")
    code = f"import runpy, sys; runpy.run_path({str(path)!r}); print(*sorted(sys.modules))"
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert {name.split(".")[0] for name in ran.stdout.split()} <= sys.stdlib_module_names | {"__main__"}


def test_every_verdict_of_a_participant_has_a_code(data):
    """Each verdict but ours is a number on the board; ours has no score."""
    assert set(CODES) == set(Verdict) - {Verdict.INFRASTRUCTURE_ERROR}
    assert len(set(CODES.values())) == len(CODES)
    draft = draft_record(Settings(data, "test_a"))
    assert scores_of(replace(draft, verdict=Verdict.TIME_LIMIT))["verdict"] == 3
    with pytest.raises(InfrastructureError):
        scores_of(replace(draft, verdict=Verdict.INFRASTRUCTURE_ERROR))
    with pytest.raises(InfrastructureError):
        scores_of(replace(draft, bac_mean=float("nan")))


def test_caps_count_an_hour():
    """A container may ask so often, all together may train so often; after an hour they may again."""
    caps = Caps(trainings=2, questions=1)
    assert [caps.may_ask("a", 0), caps.may_ask("a", 1), caps.may_ask("b", 2)] == [True, False, True]
    assert [caps.may_train(0), caps.may_train(1), caps.may_train(2)] == [True, True, False]
    assert caps.may_ask("a", HOUR)
    assert caps.may_train(HOUR)
    assert not caps.may_train(HOUR)


def npz(tmp_path, **arrays):
    path = tmp_path / "selections.npz"
    np.savez_compressed(path, **arrays)
    return path


def test_lists_are_read_as_they_were(tmp_path):
    """The lists of a whole training come back step by step."""
    counts = np.array([2, 0], "<u2")
    path = npz(tmp_path, counts_1=counts, indices_1=np.array([3, 1], "<u2"), counts_2=counts[::-1], indices_2=counts)
    steps = read_lists(path, BATCH_SIZE, 2)
    assert [[list(indices) for indices in step] for step in steps] == [[[3, 1], []], [[], [2, 0]]]
    with pytest.raises(ParticipantFault, match="not those of a training"):
        read_lists(path, BATCH_SIZE, 3)


@given(st.binary(max_size=300), st.sampled_from(["", "PK\x03\x04", "npz"]))
def test_any_bytes_are_no_lists(tmp_path_factory, raw, kind):
    """Whatever lies in the place of the lists, or of one of them, is a participant's fault and no error of ours."""
    path = tmp_path_factory.mktemp("lists") / "selections.npz"
    if kind == "npz":
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("counts_1", "indices_1", "counts_2", "indices_2"):
                archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + raw)
    else:
        path.write_bytes(kind.encode("latin-1") + raw)
    with pytest.raises(ParticipantFault):
        read_lists(path, 256, 6)


def test_one_notebook_is_found_and_no_link_followed(tmp_path):
    """What systems leave in a zip is passed over; a link, a pipe, two notebooks or none are the participant's fault."""
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "a.ipynb").write_text("x")
    (tmp_path / "._a.ipynb").write_text("x")
    with pytest.raises(hand_over.Fault, match="holds no notebook"):
        hand_over.read_notebook(str(tmp_path))
    (tmp_path / "folder").mkdir()
    mine = tmp_path / "folder" / "Mine.IPYNB"
    mine.write_text("{}")
    assert hand_over.read_notebook(str(tmp_path)) == b"{}"
    mine.unlink()
    mine.symlink_to("/etc/hostname")
    with pytest.raises(hand_over.Fault, match="no regular file"):
        hand_over.read_notebook(str(tmp_path))
    (tmp_path / "b.ipynb").write_text("{}")
    with pytest.raises(hand_over.Fault, match="holds 2 notebooks"):
        hand_over.read_notebook(str(tmp_path))


@pytest.fixture
def serving(data, short_folder, tmp_path):
    """Serve a socket with the real daemon; give its path and what it told."""
    told = []
    settings = Settings(data, "test_a", threads=1)
    counter = OneByOne("codabench", tmp_path / "answers.sqlite", tmp_path / "runs", settings)
    path = short_folder / "grader.sock"

    def page(answer):
        return f"<p>{answer.record.verdict.value}</p>"

    with Daemon(path, counter, InProcess(), Caps(trainings=0, questions=8), page, told.append) as daemon:
        thread = threading.Thread(target=daemon.serve)
        thread.start()
        yield path, told
        daemon.close()
        thread.join(30)
        assert not thread.is_alive()


def test_the_daemon_bounds_what_is_asked(serving):
    """Garbage, a length beyond the limit and a training beyond the hour's number are refused, and others served."""
    path, told = serving
    for request in (b"GET / HTTP/1.1\r\n", hand_over.REQUEST.pack(b"GRAD", hand_over.MAX_NOTEBOOK_BYTES + 1)):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(request[: hand_over.REQUEST.size])
            assert connection.recv(4) == b"FAIL"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(hand_over.REQUEST.pack(b"GRAD", 100) + b"too short")
    with pytest.raises(hand_over.GraderFailed, match="submit again later"):
        hand_over.ask(starter_text().encode(), str(path), 60)
    scores, page = hand_over.ask(b"no notebook", str(path), 60)
    assert json.loads(scores) == {"bac": 0.0, "points": 0, "verdict": 1, "seconds": 0.0}
    assert page == b"<p>PresentationError</p>"
    assert any("this is no request" in line for line in told)


def test_a_container_that_asks_too_often_is_refused(serving):
    """Beyond its number, one container gets no answer until the hour is over."""
    path, _ = serving
    answers = []
    for _ in range(10):
        try:
            hand_over.ask(b"no notebook", str(path), 60)
            answers.append(True)
        except hand_over.GraderFailed:
            answers.append(False)
    assert answers == [True] * 8 + [False] * 2


def test_two_daemons_do_not_share_a_socket(serving, data, tmp_path):
    """A socket that a daemon serves is not taken from it; one that nobody serves is."""
    path, _ = serving
    counter = OneByOne("codabench", tmp_path / "b.sqlite", tmp_path / "runs", Settings(data, "test_a"))
    with pytest.raises(InfrastructureError, match="serves"):
        Daemon(path, counter, InProcess(), Caps(1, 1), str, print)


RECORD = {"verdict": "OK", "message": ""}


@pytest.fixture
def scoring(data, tmp_path):
    """Score what an ingestion may have left, in this process; return its record."""
    results, program = tmp_path / "res", tmp_path / "program"
    results.mkdir()
    program.mkdir()
    (program / "grading.json").write_text('{"seed": 123, "threads": 1, "seconds": null, "guard": null}')

    def run(told, **lists):
        (results / "record.json").write_text(told if isinstance(told, str) else json.dumps(told))
        np.savez_compressed(results / "selections.npz", **lists)
        record, _ = score(Places(program=program, results=results, reference=data))
        return record

    return run


def lists_of(data, value):
    """Make lists of a whole training: one index in each step, which is `value`."""
    samples = json.loads((data / "public" / "manifest.json").read_text())["splits"]["train"]["images"]
    steps = NUM_EPOCHS * -(-samples // BATCH_SIZE)
    return {f"counts_{which}": np.ones(steps, "<u2") for which in (1, 2)} | {
        f"indices_{which}": np.full(steps, value, "<u2") for which in (1, 2)
    }


def test_forged_lists_are_a_presentation_error(scoring, data):
    """Too many, too few, of another type, outside of the batch: none of them scores, and none is an error of ours."""
    whole = lists_of(data, 60_000)
    for lists in (
        {},
        {"counts_1": np.zeros(1 << 22, "<u2")},
        whole,
        whole | {"indices_1": np.zeros(len(whole["indices_1"]), "<i8")},
        whole | {"counts_1": whole["counts_1"][1:]},
        whole | {"counts_2": whole["counts_2"] * 4096},
    ):
        record = scoring(RECORD, **lists)
        assert (record.verdict, record.points) == (Verdict.PRESENTATION_ERROR, 0), sorted(lists)


def test_a_record_can_only_take_points_away(scoring, data):
    """Of the ingestion's record a participant's verdict and message count, as harmless text; the rest is not read."""
    told = scoring({"verdict": "TimeLimitExceeded", "message": "\x1b[31mslow", "points": 100, "bac_mean": 1.0})
    assert (told.verdict, told.points, told.bac_mean) == (Verdict.TIME_LIMIT, 0, None)
    assert "\x1b" not in told.message
    for forged in ("[]", "{}", '{"verdict": "Winner", "message": ""}', "[" * 100_000):
        assert scoring(forged).verdict is Verdict.PRESENTATION_ERROR
    with pytest.raises(InfrastructureError, match="the ingestion failed: no sandbox"):
        scoring({"verdict": "InfrastructureError", "message": "no sandbox"})


def test_the_ingestion_empties_its_output_and_refuses_without_a_sandbox(data, tmp_path, monkeypatch):
    """What lay in the output is gone, links not followed; where no sandbox works, no notebook runs: our fault."""
    output, program, submission, outside = (tmp_path / name for name in ("output", "program", "sent", "outside"))
    for folder in (output, program, submission, outside):
        folder.mkdir()
    (program / "grading.json").write_text('{"seed": 123, "threads": 1, "seconds": null, "guard": null}')
    (submission / "mine.ipynb").write_text(starter_text())
    (outside / "kept").write_text("x")
    (output / "link").symlink_to(outside)
    (output / "folder").mkdir()
    (output / "scores.json").write_text("{}")
    monkeypatch.setattr(ingestion, "bwrap_problem", lambda: "no bubblewrap")
    monkeypatch.setattr(ingestion, "confined_problem", lambda: "no Landlock")
    places = Places(program=program, submission=submission, data=data / "public", output=output)
    assert ingestion.main(places) == 0
    assert [path.name for path in output.iterdir()] == ["record.json"]
    record = json.loads((output / "record.json").read_text())
    assert record["verdict"] == "InfrastructureError"
    assert record["message"] == "no notebook is run here without a sandbox: no bubblewrap; and no Landlock"
    assert (outside / "kept").exists()
