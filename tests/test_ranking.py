"""How far two training seeds, or two test sets, rank the same submissions alike."""

import json
import sys
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from scipy.stats import kendalltau

from benchmarks import ranking
from benchmarks.ranking import APART, VARIANTS, Agreement, agreement, compare, rankings, recommended, settled
from benchmarks.variants import variant
from grader.contest.boards import STEADY_SEEDS, few_seeds
from tests.conftest import REPOSITORY


def plain_tau(first, second):
    """Kendall's tau of two rankings without ties, pair by pair."""
    signs = [np.sign((first[i] - first[j]) * (second[i] - second[j])) for i, j in permutations(range(len(first)), 2)]
    return np.mean(signs)


def test_each_way_of_choosing_the_seeds_counts_once():
    """Of five seeds, ten pairs of one, fifteen of two disjoint pairs; between boards five and ten."""
    scores = np.arange(15.0).reshape(3, 5)
    counts = [
        len(list(rankings(scores, scores, between, size))) for between in ("seeds", "boards") for size in (1, 2, 3)
    ]
    assert counts == [10, 15, 0, 5, 10, 10]


def test_tau_is_that_of_every_pair_of_submissions():
    """The mean tau between single seeds is what counting concordant pairs gives."""
    scores = np.random.default_rng(5).random((6, 4))
    found = agreement(scores, scores, "seeds", 1)
    taus = [plain_tau(scores[:, i], scores[:, j]) for i in range(4) for j in range(i)]
    assert found.tau == pytest.approx(np.mean(taus))
    assert found.deviation == pytest.approx(np.std(taus))
    assert found.pairs == 6
    equal = np.ones((6, 4))
    assert agreement(equal, equal, "seeds", 1).tau == 0


def test_places_are_compared_one_by_one():
    """Two submissions that change places are two moves of one place; the first place is another then."""
    test_a = np.array([[0.9, 0.8], [0.8, 0.9], [0.7, 0.7]])
    found = agreement(test_a, test_a, "seeds", 1)
    assert (found.moved, found.distance, found.same_first) == (2, 2 / 3, 0)
    assert agreement(test_a, test_a, "boards", 1).same_first == 1


def test_more_seeds_rank_more_alike():
    """Where scores are a skill with noise on it, tau grows with K; it is higher over pairs that are apart."""
    generator = np.random.default_rng(0)
    skill = np.repeat(np.linspace(0.5, 0.9, 6), 2)[:, None]
    rows = [{"test_a": row, "test_b": row} for row in skill + generator.normal(0, 0.05, (12, 10))]
    found = compare(rows)
    seeds = {each.size: each for each in found if each.between == "seeds"}
    assert [*seeds] == [1, 2, 3, 4, 5]
    assert seeds[1].tau < seeds[3].tau < seeds[5].tau
    assert all(each.apart > each.tau for each in seeds.values())
    steady = recommended(found)
    assert seeds[steady].apart >= 0.9
    assert all(seeds[size].apart < 0.9 for size in seeds if size < steady)


def test_pairs_that_are_apart_are_counted_alone():
    """Of three submissions two are close and change places: that counts for tau, and not for those that are apart."""
    for last, tau, apart in ((0.5, -1, -1), (0.85, 1 / 3, 1)):
        scores = np.array([[0.9, last], [0.802, 0.8], [0.799, 0.802]])
        found = agreement(scores, scores, "seeds", 1)
        assert (found.tau, found.apart) == (pytest.approx(tau), apart)
    close = agreement(scores[1:], scores[1:], "seeds", 1)
    assert (close.tau, close.apart) == (-1, 0)


def test_the_model_is_near_what_is_measured():
    """With normal scores, correlated as by shared seeds, its tau is that of two disjoint sets, and grows with K."""
    generator = np.random.default_rng(1)
    shared, own = generator.normal(0, 0.02, 40), generator.normal(0, 0.03, (12, 40))
    scores = np.linspace(0.5, 0.9, 12)[:, None] + shared + own
    found = {
        (each.between, each.size): each.tau for each in compare([{"test_a": s, "test_b": s} for s in scores[:, :10]])
    }
    drawn = [kendalltau(*(scores[:, half].mean(axis=1) for half in halves(generator, 5))).statistic for _ in range(200)]
    assert found["model", 5] == pytest.approx(np.mean(drawn), abs=0.03)
    assert found["model", 1] < found["model", 3] < found["model", 10] < found["model", 50]


def halves(generator, size):
    """Choose two disjoint sets of so many of 40 seeds."""
    return generator.permutation(40)[: 2 * size].reshape(2, size)


def test_what_is_recommended_was_measured_between_seeds():
    """Neither the model nor the two boards make a K steady, and all places are settled by the model alone."""
    scores = np.arange(6.0).reshape(3, 2) / 10
    low, high = (replace(agreement(scores, scores, "seeds", 1), tau=value, apart=value) for value in (0.8, 0.95))
    others = [replace(high, between=between, size=2) for between in ("boards", "model")]
    assert recommended([low, *others]) is None
    assert recommended([low, *others, replace(high, size=4), replace(high, size=5)]) == 4
    assert settled([low, replace(high, size=5), replace(low, between="model")]) is None
    assert settled([high, *others]) == 2


def test_too_few_seeds_are_an_error():
    """Three seeds make no two disjoint pairs, and one submission has no place."""
    with pytest.raises(ValueError, match="3 seeds make no pair of 2 seeds"):
        agreement(np.ones((4, 3)), np.ones((4, 3)), "seeds", 2)
    with pytest.raises(ValueError, match="no pair"):
        agreement(np.ones((1, 3)), np.ones((1, 3)), "model", 2)


def test_every_variant_differs_from_its_reference():
    """Each edit fits its reference's text, and changes a constant of a cell that compiles."""
    for name, (reference, old, new) in VARIANTS.items():
        source = variant(reference, ((old, new),))
        assert source != variant(reference, ()), name
        compile(source, name, "exec")


def test_what_a_board_recommends_was_measured():
    """The seeds that a final asks for are those from which the stored rankings are steady, and the docs name them."""
    stored = json.loads((REPOSITORY / ranking.RESULTS_FILE).read_text())
    assert recommended([Agreement(**each) for each in stored["agreements"]]) == STEADY_SEEDS
    assert f"seeds = {STEADY_SEEDS}\n" in (REPOSITORY / "docs" / "organizers.md").read_text()


@pytest.mark.parametrize(
    ("split", "seeds", "said"),
    [("test_a", 1, False), ("test_b", STEADY_SEEDS - 1, True), ("test_b", STEADY_SEEDS, False)],
)
def test_a_final_by_few_seeds_says_so(split, seeds, said):
    """A public board has one seed and says nothing; a final says how many would rank steadily."""
    sentences = few_seeds(split, tuple(range(seeds)))
    assert len(sentences) == said
    assert all(f"over {seeds} training seeds; from {STEADY_SEEDS} on" in one for one in sentences)
    assert all(f"what is {APART} of BAC apart" in one for one in sentences)


@pytest.mark.slow
def test_the_smallest_setting_runs_whole(tmp_path, monkeypatch, capsys):
    """Two submissions, two seeds, debug data: measured by real gradings, compared, kept, printed and drawn."""
    monkeypatch.setattr(ranking, "WORKSHOP", tmp_path / "workshop")
    out = tmp_path / "ranking.json"
    small = ["--profile", "debug", "--seeds", "2", "--names", "all_samples", "random_drop_50", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["ranking", *small])
    ranking.main()
    stored = json.loads(out.read_text())
    assert [row["name"] for row in stored["rows"]] == ["all_samples", "random_drop_50"]
    assert all(0 < score < 1 for row in stored["rows"] for score in row["test_a"] + row["test_b"])
    assert [(each["between"], each["size"]) for each in stored["agreements"]] == [
        ("seeds", 1),
        ("boards", 1),
        ("boards", 2),
        *(("model", size) for size in ranking.MODELLED_SIZES),
    ]
    monkeypatch.setattr(sys, "argv", ["ranking", "--plot", "--out", str(out)])
    ranking.main()
    assert out.with_suffix(".png").stat().st_size > 1000
    assert "| random_drop_50 |" in capsys.readouterr().out


def test_a_plot_needs_results(tmp_path, monkeypatch):
    """Without results the message says that they are measured first."""
    monkeypatch.setattr(sys, "argv", ["ranking", "--plot", "--out", str(tmp_path / "none.json")])
    with pytest.raises(SystemExit, match="measure first"):
        ranking.main()
