"""Active learning with a network that learns on, the ways to ask, and the comparison with other implementations."""

import json
import re
from functools import partial

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from benchmarks import active_learning, active_learning_cnn
from benchmarks.active import network as network_module
from benchmarks.active.images import EMBEDDED, NAMES, draw_task, read_images
from benchmarks.active.network import LearningOn
from benchmarks.active.peers import LEARNERS, MODAL, OURS, SCORES
from benchmarks.active.ways import NO_ANSWERS, PASSIVE, RANDOM, WAYS, always_right, make_learner, run_way
from tests.conftest import REPOSITORY
from tests.made_fashion import write_fashion

IMAGES = 5_100  # a start of 1,000, a pool of 4,000; the test part has a fifth as many


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Write made images as Fashion-MNIST's files, once."""
    return write_fashion(tmp_path_factory.mktemp("fashion") / "images", IMAGES)


@pytest.fixture(scope="module")
def task(images):
    """Draw a small task."""
    return draw_task(read_images(images), 0, start=60, pool=60, held_out=100)


@pytest.fixture
def few_steps(monkeypatch):
    """Let networks take few steps, since made images need no more."""
    for module in (network_module, active_learning_cnn.run_way.__globals__):
        patch = monkeypatch.setitem if isinstance(module, dict) else monkeypatch.setattr
        patch(module, "FIRST_STEPS", 30)
        patch(module, "STEPS", 5)


def test_the_draw_is_as_the_notebook_has_it(images):
    """1,000 labelled images, a pool of 4,000 and 400 held out, all different, ten classes, other ones for each seed."""
    fashion = read_images(images)
    drawn = draw_task(fashion, 0)
    assert [len(part) for part in (drawn.start, drawn.pool, drawn.held_out)] == [1_000, 4_000, 400]
    assert len(np.unique(np.concatenate([drawn.start, drawn.pool]).reshape(5_000, -1), axis=0)) == 5_000
    assert (drawn.names, drawn.start.dtype, drawn.start.max()) == (NAMES, np.float32, 1.0)
    assert np.array_equal(drawn.pool, draw_task(fashion, 0).pool)
    assert not np.array_equal(drawn.pool_labels, draw_task(fashion, 1).pool_labels)


def test_the_embedded_classes_stand_in_where_the_package_is_missing():
    """The embedded pool has five of the ten classes, under their own names."""
    fashion = read_images(REPOSITORY / EMBEDDED)
    assert fashion.names == ("T-shirt", "pullover", "dress", "coat", "shirt")
    assert set(fashion.train_labels) == set(fashion.test_labels) == set(range(5))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("none", f"missing: apt-get install dataset-fashion-mnist.*--images {EMBEDDED}"),
        ("none.npz", "none.npz cannot be read"),
        ("other.npz", "other.npz cannot be read"),
        ("text.npz", "text.npz cannot be read"),
        ("few", "5,000 and 400 images are needed, there are 50 "),
    ],
)
def test_images_that_cannot_be_used_are_one_sentence(path, said, tmp_path):
    """A missing package, a file of something else, and too few images are told before anything is learned."""
    np.savez(tmp_path / "other.npz", images=np.zeros(3))
    (tmp_path / "text.npz").write_text("no arrays")
    write_fashion(tmp_path / "few", 50)
    words = ["--images", str(tmp_path / path), "--out", str(tmp_path / "results.json")]
    with pytest.raises(SystemExit, match=said) as refused:
        active_learning_cnn.main(words)
    assert "\n" not in str(refused.value)


def test_a_start_without_a_class_is_refused(images):
    """A network that never saw a class could not be asked about it."""
    with pytest.raises(SystemExit, match="lack a class"):
        draw_task(read_images(images), 0, start=5)


def test_the_network_learns_on(task):
    """A further fit goes on from the weights of the last, and learns new images without forgetting the old ones."""
    first, later = np.isin(task.start_labels, (0, 1)), np.isin(task.start_labels, (0, 1, 2))
    network = LearningOn(3, 0).fit(task.start[first], task.start_labels[first])
    assert network.accuracy(task.start[first], task.start_labels[first]) == 1
    assert network.accuracy(task.start[later], task.start_labels[later]) < 1
    weights = [parameter.detach().clone() for parameter in network.network.parameters()]
    network.fit(task.start[later], task.start_labels[later])
    now = [parameter.detach() for parameter in network.network.parameters()]
    moved = [float((new - old).abs().max()) for new, old in zip(now, weights, strict=True)]
    assert 0 < max(moved) < 0.1  # steps of about the learning rate, not a new network
    for _ in range(4):
        network.fit(task.start[later], task.start_labels[later])
    assert network.accuracy(task.start[later], task.start_labels[later]) == 1
    assert np.allclose(network.predict_proba(task.start).sum(1), 1, atol=1e-6)


def test_a_seed_gives_the_same_bits_and_moves_no_other_chance(task, few_steps):
    """Two networks of one seed are equal, those of two seeds are not, and torch's own generator stands still."""
    before = torch.random.get_rng_state()
    outputs = [LearningOn(10, seed).fit(task.start, task.start_labels).predict_proba(task.pool) for seed in (0, 0, 1)]
    assert np.array_equal(outputs[0], outputs[1])
    assert not np.array_equal(outputs[0], outputs[2])
    assert torch.equal(before, torch.random.get_rng_state())


def test_uncertainty_asks_what_the_network_is_least_sure_of(task, few_steps):
    """The first query is the pool image whose likeliest class is the least probable."""
    learner = make_learner(task, "uncertainty", 0, always_right(task))
    likeliest = learner.estimator.predict_proba(task.pool).max(1)
    assert learner.query(1).tolist() == [likeliest.argmin()]
    assert learner.answers[likeliest.argmin()] == task.pool_labels[likeliest.argmin()]


def test_every_way_begins_at_the_same_network(task, few_steps):
    """Before the first query all ways are equal; then passive learns from new images, and no answers from none."""
    runs = {way: run_way(task, way, 0, rounds=4, queries_per_round=10) for way in WAYS}
    assert len({run.accuracy[0] for run in runs.values()}) == 1
    assert runs[PASSIVE].queries == [0, 40]
    assert all(run.queries == [0, 10, 20, 30, 40] for way, run in runs.items() if way != PASSIVE)
    alone = LearningOn(10, 0)
    for _ in range(5):
        alone.fit(task.start, task.start_labels)
    assert runs[NO_ANSWERS].accuracy[-1] == alone.accuracy(task.held_out, task.held_out_labels)
    anew = LearningOn(10, 0)
    images, labels = (
        np.concatenate(parts) for parts in ((task.start, task.pool), (task.start_labels, task.pool_labels))
    )
    anew.learn(images[:100], labels[:100], 30 + 4 * 5)
    assert runs[PASSIVE].accuracy[-1] == anew.accuracy(task.held_out, task.held_out_labels)


def test_the_smallest_run_gives_a_table_and_a_plot(images, tmp_path, capsys, few_steps):
    """One seed has a row for each way, without nan; the plot and the table come again from the file alone."""
    words = ["--images", str(images), "--out", str(tmp_path / "deep" / "results.json")]
    active_learning_cnn.main([*words, "--seeds", "1", "--rounds", "4", "--queries", "2"])
    printed = capsys.readouterr().out
    assert re.findall(r"^\| ([a-z ]+) \| 1 \|", printed, re.MULTILINE) == list(WAYS)
    assert "| way | seeds | 0 queries | 8 queries | minus random |" in printed
    assert "nan" not in printed
    (tmp_path / "deep" / "results.png").unlink()
    active_learning_cnn.main([*words, "--plot"])
    assert capsys.readouterr().out == printed
    assert (tmp_path / "deep" / "results.png").stat().st_size > 20_000


def test_two_seeds_have_a_spread(images, tmp_path, capsys, monkeypatch, few_steps):
    """Each figure is mean ± deviation, and each difference from random is paired by seed; random has none."""
    monkeypatch.setattr(active_learning_cnn, "draw_task", partial(draw_task, start=100, pool=60, held_out=100))
    words = ["--images", str(images), "--out", str(tmp_path / "results.json")]
    active_learning_cnn.main([*words, "--seeds", "2", "--rounds", "4", "--queries", "1"])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.count("±") > 0]
    assert [row.count("±") for row in rows] == [2 if f"| {RANDOM} |" in row else 3 for row in rows]
    assert len(rows) == len(WAYS)
    assert len(json.loads((tmp_path / "results.json").read_text())["runs"]) == 2 * len(WAYS)


@pytest.mark.parametrize("words", [["--seeds", "0"], ["--rounds", "0"], ["--queries", "-1"]])
def test_impossible_options_are_usage_errors(words, capsys):
    """A seed, a round and a query are the least."""
    with pytest.raises(SystemExit, match="2"):
        active_learning_cnn.main(words)
    assert "it takes at least" in capsys.readouterr().err


@pytest.mark.parametrize("command", [active_learning, active_learning_cnn])
def test_a_plot_without_results_is_one_sentence(command, tmp_path):
    """Where nothing was measured there is nothing to draw."""
    with pytest.raises(SystemExit, match="measure first, without --plot"):
        command.main(["--plot", "--out", str(tmp_path / "results.json")])
    (tmp_path / "results.json").write_text('{"runs": []}')
    with pytest.raises(SystemExit, match="holds no results of this benchmark"):
        command.main(["--plot", "--out", str(tmp_path / "results.json")])


def test_the_comparison_looks_for_its_peers_first(tmp_path, monkeypatch):
    """Without modAL or scikit-activeml one sentence names both and what to do, before anything is drawn or written."""
    monkeypatch.setattr(active_learning.require_peers.__globals__["importlib"].util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="modAL-python and scikit-activeml cannot be imported: run 'make peers'"):
        active_learning.main(["--out", str(tmp_path / "deep" / "results.json")])
    assert list(tmp_path.iterdir()) == []


def test_the_smallest_comparison(tmp_path, capsys, monkeypatch):
    """Ours, and ours again where modAL would stand, as the peers have an environment of their own: all rounds agree."""
    monkeypatch.setattr(active_learning, "require_peers", lambda: None)
    monkeypatch.setattr(active_learning, "version", lambda package: "")
    monkeypatch.setattr(active_learning, "LEARNERS", {OURS: LEARNERS[OURS], MODAL: LEARNERS[OURS]})
    words = ["--out", str(tmp_path / "results.json")]
    active_learning.main([*words, "--seeds", "1", "--rounds", "2"])
    printed = capsys.readouterr().out
    assert printed.count("| 2 of 2 |") == 2 * (len(SCORES) - 1)
    assert "| teacher | score | by | 0 queries | 100 queries | minus random |" in printed
    assert "nan" not in printed
    legends = []

    def keep_legends(figure, *_, **__):
        legends.extend([text.get_text() for text in panel.get_legend().get_texts()] for panel in figure.axes)

    monkeypatch.setattr(Figure, "savefig", keep_legends)
    active_learning.main([*words, "--plot"])
    assert capsys.readouterr().out == printed
    assert legends == [[*SCORES, "modAL, each score"]] * 2
