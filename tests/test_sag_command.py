"""The command of S-aware gating's experiment: its smallest run, what it keeps, its options, what it refuses."""

import json

import pytest

from benchmarks import sag_stream
from benchmarks.sag import experiment
from benchmarks.sag.gate import Setting
from benchmarks.sag.report import RESULT_KEYS, markdown
from benchmarks.stored_results import read_results
from tests.conftest import REPOSITORY
from tests.made_fashion import write_fashion

SMALLEST = ["--device", "cpu", "--stream", "256", "--s-des", "0.5"]


@pytest.fixture(scope="module")
def fashion(tmp_path_factory):
    """Write made images as Fashion-MNIST's files, once."""
    return write_fashion(tmp_path_factory.mktemp("sag") / "images")


@pytest.fixture
def command(fashion, tmp_path, capsys):
    """Return a function that runs the command at its smallest, and gives what it printed and stored."""

    def run(*words, out="results.json"):
        place = ["--images", str(fashion), "--experiments", str(tmp_path / "kept"), "--out", str(tmp_path / out)]
        sag_stream.main([*SMALLEST, *place, *words])
        return *capsys.readouterr(), json.loads((tmp_path / out).read_text())

    return run


def test_the_command_measures_tells_keeps_and_draws(command, tmp_path):
    """Each mode and ablation gives a row, and a line and a file of each stream; --plot prints and draws all again."""
    table, progress, results = command("--reps", "2")
    assert table.count("\n") == 2 + 3 + 5
    assert table.count("±") == 8 * 6
    assert table == markdown(results)
    assert [line.split(":")[0] for line in progress.splitlines()[:-1]] == [f"{n} of 16" for n in range(1, 17)]
    changes = ["", "", "", "no regression", "no imputation", "p_rand 0.05", "p_rand 0.2", "no crop"]
    assert [line.split("|")[2].strip() for line in table.splitlines()[2:]] == changes
    assert len(list((tmp_path / "kept").iterdir())) == 16
    figures = [tmp_path / f"results{end}.png" for end in ("", "_ablations", "_p_rand")]
    for figure in figures:
        assert figure.stat().st_size > 10_000
        figure.unlink()
    assert command("--plot") == (table, progress.splitlines()[-1] + "\n", results)
    assert all(figure.exists() for figure in figures)


def test_a_stopped_command_goes_on(command, monkeypatch, tmp_path):
    """Ctrl-C ends it with status 130; what was done is not done again, and all comes out as if it was never stopped."""
    words, real, done = ("--reps", "1", "--ablations"), experiment.run_stream, []

    def stopped(*arguments):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(real(*arguments))
        return done[-1]

    monkeypatch.setattr(experiment, "run_stream", stopped)
    with pytest.raises(SystemExit) as stop:
        command(*words)
    assert stop.value.code == 130
    monkeypatch.setattr(experiment, "run_stream", real)
    table, progress, results = command(*words)
    assert progress.count("was there") == 2
    for path in (tmp_path / "kept").iterdir():
        path.unlink()
    again, progress, never_stopped = command(*words)
    assert "was there" not in progress
    assert (again, never_stopped) == (table, results)


def test_one_repetition_has_no_spread_and_no_nan(command, tmp_path):
    """And without ablations there is one figure."""
    table, _, results = command("--reps", "1", "--ablations")
    assert "nan" not in table
    assert "±" not in table
    assert results["repetitions_done"] == 1
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["results.png"]


def test_some_modes_values_and_ablations_can_be_asked_for(command):
    """Each setting is run once, however often it is named; ablations are left out with their mode."""
    streams = command("--reps", "1", "--mode", "success", "specificity", "--s-des", "0.3", "0.6", "0.3")[2]["streams"]
    assert [(each["mode"], each["s_des"]) for each in streams] == [
        ("success", 0.3), ("success", 0.6), ("specificity", 0.3), ("specificity", 0.6),
    ]  # fmt: skip
    streams = command("--reps", "1", "--mode", "sensitivity", "--ablations", "crop", out="crop.json")[2]["streams"]
    assert [each["crop"] for each in streams] == [True, False]


def test_the_original_size_is_one_option_and_what_is_typed_wins():
    """60,000 images, nine values, ten repetitions."""
    parser = sag_stream.make_parser()
    plan = sag_stream.read_plan(parser.parse_args(["--full"]))
    assert (plan.stream, plan.repetitions, len(plan.s_des), len(plan.settings())) == (60_000, 10, 9, 72)
    plan = sag_stream.read_plan(parser.parse_args(["--full", "--reps", "2", "--s-des", "0.9", "--mode", "success"]))
    assert (plan.stream, plan.repetitions, plan.settings()) == (60_000, 2, [Setting("success", 0.9)])


@pytest.mark.slow
def test_streams_side_by_side_are_the_same(command, tmp_path):
    """Two processes store what one does."""
    one = command("--reps", "1")[2]
    for path in (tmp_path / "kept").iterdir():
        path.unlink()
    assert command("--reps", "1", "--jobs", "2")[2] == one


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--s-des", "1.5"], "s_des is 1.5: it must be from 0 to 1"),
        (["--reps", "0"], "reps is 0: it must be at least 1"),
        (["--stream", "100"], "at least 128 images"),
        (["--jobs", "0"], "--jobs must be at least 1"),
        (["--mode", "success", "--ablations", "crop"], "ablations are those of the sensitivity mode"),
        (["--stream", "5000"], "has 400"),
        (["--images", "nowhere"], "apt-get install dataset-fashion-mnist"),
        (["--plot", "--out", "nothing.json"], "measure first, without --plot"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(words, told, fashion, tmp_path, monkeypatch, capsys):
    """No traceback, no file, and a status that is not 0."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        sag_stream.main(["--device", "cpu", "--images", str(fashion), "--out", "results.json", *words])
    assert stop.value.code
    assert told in f"{stop.value.code} {capsys.readouterr().err}"
    assert not list(tmp_path.glob("*.json"))


def test_a_folder_of_other_streams_is_refused(command):
    """What is kept of another length is named, not mixed in."""
    command("--reps", "1", "--mode", "success")
    with pytest.raises(SystemExit, match="other length: remove it, or name another folder"):
        command("--reps", "1", "--mode", "success", "--stream", "384")


def test_the_table_of_the_page_is_the_one_that_was_measured():
    """Each row comes from the stored results."""
    page = (REPOSITORY / "docs" / "benchmarks.md").read_text()
    stored = read_results(REPOSITORY / "benchmarks" / "results" / "sag_mnist.json", *RESULT_KEYS)
    for row in markdown(stored).splitlines():
        assert row in page, row
