"""DataRater for robustness as a command: images, models, options, results, plots, one's own pieces."""

import csv
import json
import re
import shlex
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

from benchmarks import datarater_downstream
from benchmarks.datarater.corruptions import CORRUPTIONS, Spoiling
from benchmarks.datarater.meta import MetaLearner
from benchmarks.datarater.models import INNER_MODELS, RATERS
from benchmarks.datarater.parameters import GUIDE, Parameters
from benchmarks.datarater.report import plot, plot_learning, tables
from benchmarks.datarater.sources import EMBEDDED, Sizes, draw_task, read_images, read_samples
from benchmarks.datarater.task import Samples
from competition.errors import SourceError
from tests.conftest import REPOSITORY

SMALL = Parameters(meta_steps=6, num_inner_models=3, batch_size=16, eval_frequency=2, attack_steps=3, inner_lr=0.1)
EMBEDDED_FILE = REPOSITORY / EMBEDDED
SMALLEST = shlex.split(
    f"--images {EMBEDDED_FILE} --size 300 --test_size 60 --attacked 20 --epochs 1 --meta_steps 6 --eval_frequency 6 "
    "--attack_steps 2 --attack_eval_steps 2 --num_inner_models 2 --batch_size 32"
)


@pytest.fixture(scope="module")
def parts():
    """Read the embedded images, five classes."""
    return read_samples(read_images, EMBEDDED_FILE)


@pytest.mark.parametrize("rater", RATERS)
def test_every_rater_finds_shuffled_images(parts, rater):
    """A short meta-learning suffices to put most of them below the clean ones."""
    spoiling = Spoiling("shuffle", CORRUPTIONS["shuffle"], 0.4, (1.0, 1.0))
    task = draw_task(parts, Sizes(800, 100), spoiling, seed=0)
    parameters = Parameters(meta_steps=25, num_inner_models=2, batch_size=64)
    learner = MetaLearner(
        lambda: INNER_MODELS["mlp"](task), lambda: RATERS[rater](task), task.train, task.disagreement, task.held_out,
        parameters, 0,
    ).fit()  # fmt: skip
    assert roc_auc_score(~task.spoilt, learner.rate(task.train, task.disagreement)) > 0.8


@pytest.mark.parametrize("inner", INNER_MODELS)
def test_every_inner_model_learns(parts, inner):
    """The outer loss falls, under attack too."""
    task = draw_task(parts, Sizes(400, 100), Spoiling("shuffle", CORRUPTIONS["shuffle"], 0.4, (1.0, 1.0)), seed=0)
    parameters = replace(SMALL, meta_steps=8, num_inner_models=2, batch_size=32, attack=True, meta_refresh_steps=100)
    learner = MetaLearner(
        lambda: INNER_MODELS[inner](task), lambda: RATERS["image_cnn"](task), task.train, task.disagreement,
        task.held_out, parameters, 0,
    ).fit()  # fmt: skip
    assert np.mean(learner.outer_loss[-2:]) < learner.outer_loss[0]
    assert all(attacked > clean for attacked, clean in zip(learner.outer_loss, learner.outer_loss_clean, strict=True))


def test_images_come_from_a_folder_of_pictures_or_an_array_file(tmp_path, parts):
    """A folder for each class of pictures, colours last or first, and labels of shape [N, 1] are all read."""
    images = (parts[0].images[:20, 0].numpy() * 255).astype(np.uint8)
    for row, image in enumerate(images):
        folder = tmp_path / "pictures" / ("shirt" if row % 2 else "coat")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{row:02}.png")
    train, test = read_samples(read_images, tmp_path / "pictures")
    assert (len(train), len(test)) == (16, 4)
    torch.testing.assert_close(train.images[0], parts[0].images[0])
    colours = np.stack([images] * 3, 3)
    np.savez(tmp_path / "own.npz", images=colours, labels=np.repeat([[7], [9]], 10, 0))
    train, test = read_samples(read_images, tmp_path / "own.npz")
    assert train.images.shape == (16, 3, 28, 28)
    assert sorted(train.labels.unique().tolist()) == [0, 1]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"images": np.zeros((9, 5, 5, 7), np.uint8), "labels": np.arange(9) % 2}, "1 or 3 channels"),
        ({"images": np.zeros((9, 25)), "labels": np.arange(9) % 2}, "not features"),
        ({"images": np.full((9, 5, 5), 300), "labels": np.arange(9) % 2}, "float from 0 to 1"),
        ({"images": np.full((9, 5, 5), np.nan), "labels": np.arange(9) % 2}, "finite"),
        ({"images": np.full((9, 5, 5), 3.0), "labels": np.arange(9) % 2}, "float from 0 to 1"),
        ({"images": np.zeros((9, 5, 5), np.uint8), "labels": np.arange(8) % 2}, "9 images and 8 labels"),
        ({"pictures": np.zeros((9, 5, 5))}, "needs arrays 'images' and 'labels'"),
        ({"images": np.zeros((9, 5, 5), np.uint8), "labels": np.arange(9) % 2}, "too few images"),
        ({"images": np.array([None]), "labels": np.arange(1)}, "no .npz file"),
    ],
)
def test_images_that_cannot_be_used_are_one_sentence(tmp_path, arrays, said):
    """No traceback, and what is wrong."""
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises(SystemExit, match=said):
        datarater_downstream.main([*SMALLEST, "--images", str(tmp_path / "own.npz"), "--out", str(tmp_path / "r.json")])


def test_a_class_with_too_few_images_for_the_control_is_one_sentence(parts):
    """The out-of-fold control needs as many samples of each class as it has folds."""
    train, test = parts
    rare = Samples(train.images[:300], (torch.arange(300) < 4).long())
    spoiling = Spoiling("shuffle", CORRUPTIONS["shuffle"], 0.4, (1.0, 1.0))
    with pytest.raises(SourceError, match="folds need as many of each"):
        draw_task((rare, test), Sizes(300, 20, 0.5), spoiling, seed=0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--images", "nowhere"], "apt-get install dataset-fashion-mnist.*--images.*fashion_mnist.npz"),
        (["--plot"], "run the command without --plot first"),
        (["--corruption", "rain"], "no corruption 'rain': give pixels, shuffle, labels"),
        (["--data_rater_model_name", "no_such_module:x"], "no module 'no_such_module'"),
        (["--inner_model_name", "json:x"], "module 'json' has no 'x'"),
        (["--experiments", "/dev/null/x"], "is no folder"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(tmp_path, words, said):
    """Missing images, no results to plot, unknown names: a sentence that says what to do, and exit status 1."""
    with pytest.raises(SystemExit, match=f"^error: .*{said}"):
        datarater_downstream.main([*SMALLEST, "--out", str(tmp_path / "r.json"), *words])


@pytest.mark.parametrize("content", ["", "[]", '{"detections": [], "outcomes": []}', '{"detections": [{}]}'])
def test_a_results_file_that_is_none_is_one_sentence(tmp_path, content):
    """Half a file, another benchmark's file, or one without figures."""
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(SystemExit, match=r"^error: .*r\.json holds no results"):
        datarater_downstream.main(["--plot", "--out", str(tmp_path / "r.json")])


@pytest.mark.parametrize(
    "words",
    [["--epochs", "0"], ["--drop_frac", "1"], ["--inner_lr", "0"], ["--attack", "maybe"], ["--device", "abacus"]],
)
def test_impossible_options_are_usage_errors(words, capsys):
    """Exit status 2, and the option's name."""
    with pytest.raises(SystemExit) as raised:
        datarater_downstream.main(words)
    assert raised.value.code == 2
    assert words[0].strip("-") in capsys.readouterr().err


def test_the_guide_s_parameters_are_options_under_its_names(capsys):
    """Its command for MNIST can be typed with its names; `--guide` takes its values, and what is typed wins."""
    typed = (
        "--dataset_name=mnist --inner_model_name=ToyCNN --data_rater_model_name=image_cnn --train_split_ratio=0.8 "
        "--batch_size=128 --inner_lr=1e-3 --outer_lr=3e-4 --meta_steps=1000 --inner_steps=2 --meta_refresh_steps=150 "
        "--grad_clip_norm=5.0 --num_inner_models=8 --device=cpu --loss_type=cross_entropy "
        "--save_data_rater_checkpoint=True --log=True --eval_frequency=100 --attack=True --attack_eps=0.031 "
        "--attack_steps=10 --attack_eval_steps=20 --attack_step_size=0.007 --model_update=True "
        "--softmax=batch --temperature=2"
    )
    plan, _ = datarater_downstream.read_plan(datarater_downstream.make_parser(), shlex.split(typed))
    assert replace(plan.parameters, attack=plan.attacks[0]) == GUIDE
    assert plan.sizes.train_split_ratio == 0.8
    plan, _ = datarater_downstream.read_plan(datarater_downstream.make_parser(), ["--guide", "--inner_lr", "0.1"])
    assert replace(plan.parameters, attack=plan.attacks[0]) == replace(GUIDE, inner_lr=0.1)
    with pytest.raises(SystemExit):
        datarater_downstream.main(["--help"])
    shown = capsys.readouterr().out
    assert all(f"--{name}" in shown for name in re.findall(r"--(\w+)=", typed))


def test_the_smallest_run_gives_tables_plots_and_logs(tmp_path, capsys):
    """One seed, both outer losses: no nan and no warning; `--plot` prints the same; every checkpoint goes on."""
    out, experiments = tmp_path / "results" / "r.json", tmp_path / "experiments"
    words = [*SMALLEST, "--corruption", "pixels", "--seeds", "1", "--attack", "both", "--out", str(out)]
    words += ["--log", "--save_data_rater_checkpoint=True", "--experiments", str(experiments)]
    datarater_downstream.main(words)
    printed = capsys.readouterr().out
    assert "nan" not in printed
    results = json.loads(out.read_text())
    assert len(results["detections"]) == 4
    assert len(results["outcomes"]) == 4
    for name in ("r.png", "r_learning.png"):
        assert (out.parent / name).stat().st_size > 10_000
        (out.parent / name).unlink()
    rows = list(csv.reader((experiments / "pixels_image_cnn_attacked_0.csv").read_text().splitlines()))
    assert rows[0] == ["meta_step", "outer_loss", "outer_loss_clean"]
    assert len(rows) == 1 + 6
    assert float(rows[1][1]) > float(rows[1][2])
    assert (experiments / "pixels_image_cnn_attacked_0.png").stat().st_size > 5_000
    assert len(list(experiments.glob("*.safetensors"))) == 2

    datarater_downstream.main([*words, "--plot"])
    assert capsys.readouterr().out == printed
    assert (out.parent / "r.png").exists()
    datarater_downstream.main(words)  # every rater comes from its checkpoint
    again = json.loads(out.read_text())
    assert again["detections"] == results["detections"]
    assert again["outcomes"] == results["outcomes"]
    with pytest.raises(SystemExit, match="other parameters"):
        datarater_downstream.main([*words, "--inner_lr", "0.3"])


@pytest.mark.slow
def test_all_regimes_are_measured_unless_some_are_asked_for(tmp_path, capsys):
    """Two regimes of images and one of labels, each with its rater and its shares; plots have no empty panel."""
    datarater_downstream.main([*SMALLEST, "--seeds", "1", "--attack", "both", "--out", str(tmp_path / "r.json")])
    printed = capsys.readouterr().out
    assert "nan" not in printed
    results = datarater_downstream.read_results(tmp_path / "r.json")
    assert results.corruptions == ["pixels", "shuffle", "labels"]
    assert len(results.detections) == 3 * 4
    assert len(results.outcomes) == 4 + 7 + 7
    graded = {found.corruption for found in results.detections if found.by_level}
    assert graded == {"pixels", "shuffle"}  # a wrong label is no share of an image
    figures = []
    for draw in (plot, plot_learning):
        draw(results, tmp_path / "again.png")
        figures.append((tmp_path / "again.png").stat().st_size)
    assert min(figures) > 10_000


def test_two_seeds_show_spread_and_paired_differences(tmp_path, capsys):
    """Every figure of a rater has a spread, and every difference a standard error."""
    words = [*SMALLEST, "--seeds", "2", "--corruption", "labels", "--out", str(tmp_path / "r.json")]
    datarater_downstream.main(words)
    found, reached = capsys.readouterr().out.split("\n\n")[:2]
    assert all(line.count("±") == 1 for line in found.splitlines()[2:])
    filtered = [line for line in reached.splitlines() if "label_mlp" in line]
    assert len(filtered) == 2
    assert all(line.count("±") == 6 for line in filtered)


def test_the_example_of_the_docs_works_as_it_stands(tmp_path, capsys, monkeypatch):
    """Data set, corruption and both models of one's own, from a file beside the command, without an edit of ours."""
    page = (REPOSITORY / "docs" / "extending.md").read_text()
    section = page.split("## Data, corruption and models for DataRater")[1].split("\n## ")[0]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    command = re.search(r"```console\n\$ python -m benchmarks\.datarater_downstream (.*?)```", section, re.DOTALL)[1]
    (tmp_path / "my_own.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    datarater_downstream.main(shlex.split(command.replace("\\\n", " ")))
    row = next(line for line in capsys.readouterr().out.splitlines() if "my_own:rater" in line)
    assert float(row.split("|")[4]) > 0.8


def test_the_tables_of_the_page_are_those_that_were_measured():
    """Each row of the page's tables stands in the tables that the results files give."""
    page = (REPOSITORY / "docs" / "benchmarks.md").read_text()
    section = page.split("\n## DataRater for robustness")[1].split("\n## ")[0]
    files = datarater_downstream.RESULTS.parent.glob("datarater_*.json")
    measured = {row for path in files for row in tables(datarater_downstream.read_results(path)).splitlines()}
    rows = [row for row in section.splitlines() if re.match(r"\| (pixels|shuffle|labels) \|", row)]
    assert len(rows) > 20
    assert set(rows) <= measured
