"""S-aware gating: the core against hand-computed cases and on a stream, and the cell."""

import numpy as np
import pytest
import torch

from grader.analysis import read_truth
from reference_solutions.sag_gate import MODES, detrend, impute, invert, newest_window, query, sag
from tests.conftest import answer, answers

U = [0.1, 0.2, 0.3, 0.4, 0.5]


@pytest.mark.parametrize(
    ("mode", "r", "s_des", "p_rand", "gamma"),
    [
        # Four failures below one valid plan: TPR falls 1, 3/4, 1/2, 1/4, 0 as gamma passes u.
        ("sensitivity", [-1, -1, -1, -1, 1], 0.75, 0, 0.2),
        ("sensitivity", [-1, -1, -1, -1, 1], 0.5, 0, 0.3),
        ("sensitivity", [-1, -1, -1, -1, 1], 0.625, 0, 0.25),
        # TPR + (1 - TPR) / 2 falls 1, 7/8, 3/4, 5/8, 1/2: random queries alone reach a half.
        ("sensitivity", [-1, -1, -1, -1, 1], 0.75, 0.5, 0.3),
        ("sensitivity", [-1, -1, -1, -1, 1], 0.4, 0.5, np.inf),
        # Four valid plans below one failure: TNR rises 0, 1/4, 1/2, 3/4, 1.
        ("specificity", [1, 1, 1, 1, -1], 0.5, 0, 0.3),
        ("specificity", [1, 1, 1, 1, -1], 0.625, 0, 0.35),
        # (1 - 1/2) TNR: a quarter needs TNR = 1/2, and more than a half cannot be had.
        ("specificity", [1, 1, 1, 1, -1], 0.25, 0.5, 0.3),
        ("specificity", [1, 1, 1, 1, -1], 0.6, 0.5, np.inf),
        # One valid plan below four failures: S = 1 - FN / 5 falls 1, 1, 4/5, 3/5, 2/5 and ends at 1/5.
        ("success", [1, -1, -1, -1, -1], 0.7, 0, 0.35),
        ("success", [1, -1, -1, -1, -1], 0.1, 0, np.inf),
        # S + (1 - S) / 2 falls 1, 1, 9/10, 8/10, 7/10 and ends at 6/10.
        ("success", [1, -1, -1, -1, -1], 0.85, 0.5, 0.35),
        ("success", [1, -1, -1, -1, -1], 0.5, 0.5, np.inf),
    ],
)
def test_gamma_of_known_outcomes_is_the_one_computed_by_hand(mode, r, s_des, p_rand, gamma):
    """With every outcome known, gamma inverts the empirical curve; it is infinite where no active query is of use."""
    assert sag(U, r, [0] * 5, s_des=s_des, mode=mode, p_rand=p_rand, n_min=4) == pytest.approx(gamma)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("p_rand", [0.0, 0.2])
def test_inversion_agrees_with_counting(mode, p_rand):
    """What the queries at gamma reach, counted one by one, is the wanted value to within one sample, ties included."""
    rng = np.random.default_rng(0)
    u = rng.integers(0, 400, 300) / 400
    failed = rng.random(300) < u
    for s_des in (0.7, 0.75):
        queried = u >= invert(u, failed, s_des, mode, p_rand)
        caught = np.where(queried, 1, p_rand)
        reached = {
            "sensitivity": caught[failed].mean(),
            "specificity": (1 - caught)[~failed].mean(),
            "success": np.where(failed, caught, 1).mean(),
        }
        assert reached[mode] == pytest.approx(s_des, abs=0.025)


@pytest.mark.parametrize(
    ("relevant", "n_min", "since"),
    [(-1, 1, 3), (-1, 2, 1), (-1, 4, 0), (-1, 5, None), (1, 1, 3), (1, 2, 2), (1, 4, None)],
)
def test_the_window_is_the_newest_with_enough_labels(relevant, n_min, since):
    """The window holds whole time steps, as few as give n_min relevant labels and one opposite; else there is none."""
    r = np.array([-1, 1, -1, -1, 1, 0, -1, 1])
    k = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    window = newest_window(r, k, relevant, n_min)
    assert (window is None) if since is None else (window.tolist() == (k >= since).tolist())


def test_the_window_reaches_back_to_an_opposite_label():
    """Many failures alone do not make a window: no curve has only one kind."""
    assert newest_window(np.array([1, -1, -1]), np.array([0, 1, 2]), -1, 2).all()
    assert newest_window(np.array([-1, -1, -1]), np.array([0, 1, 2]), -1, 2) is None


@pytest.mark.parametrize(("mode", "gamma"), [("sensitivity", 0.1), ("success", 0.1), ("specificity", 0.9)])
def test_with_too_few_outcomes_gamma_is_a_quantile(mode, gamma):
    """Without a window the share of queries is s_des, or 1 - s_des where queries are to be rare."""
    u = np.linspace(0, 1, 11)
    assert sag(u, np.zeros(11, int), np.zeros(11, int), s_des=0.9, mode=mode) == pytest.approx(gamma)


def test_an_unknown_mode_is_refused():
    """The message lists the modes."""
    with pytest.raises(ValueError, match="sensitivity, specificity, success"):
        sag(U, [0] * 5, [0] * 5, mode="accuracy")


def test_detrending_moves_old_uncertainties_to_now():
    """The regression on time is taken out, and the newest step stays where it is."""
    detrended = detrend(np.array([0.1, 0.3, 0.2, 0.4]), np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(detrended, [0.2, 0.4, 0.2, 0.4])


def test_gamma_follows_a_trend():
    """Uncertainty fell by 0.4 between two steps: with detrending gamma fits the newer step, without it lies between."""
    u, r, k = np.add(U + U, [0.4] * 5 + [0] * 5), [-1, -1, -1, -1, 1] * 2, [0] * 5 + [1] * 5
    assert sag(u, r, k, s_des=0.75, n_min=8) == pytest.approx(0.2)
    assert sag(u, r, k, s_des=0.75, n_min=8, detrending=False) == pytest.approx(0.3)


def test_unknown_outcomes_are_drawn_from_the_logistic_model():
    """Imputed failures are as frequent as true ones at the same uncertainty; known outcomes stay; the seed decides."""
    rng = np.random.default_rng(0)
    u = rng.random(4000)
    failed = rng.random(4000) < 1 / (1 + np.exp(4 - 8 * u))
    r = np.where(rng.random(4000) < 0.5, np.where(failed, -1, 1), 0)
    drawn = impute(u, r, 20, np.random.default_rng(1))
    assert drawn.shape == (20, 4000)
    assert (drawn[:, r != 0] == (r == -1)[r != 0]).all()
    for low, high in ((0, 0.3), (0.4, 0.6), (0.7, 1)):
        within = (u >= low) & (u < high)
        assert drawn[:, within & (r == 0)].mean() == pytest.approx(failed[within].mean(), abs=0.04)
    assert (drawn == impute(u, r, 20, np.random.default_rng(1))).all()
    assert (drawn != impute(u, r, 20, np.random.default_rng(2))).any()


def test_imputation_counts_the_failures_that_nobody_saw():
    """Only uncertain samples were queried: gamma is nearly that of all outcomes; the known ones alone put it higher."""
    rng = np.random.default_rng(0)
    u, k = rng.random(4000), np.zeros(4000, int)
    r = np.where(rng.random(4000) < 1 / (1 + np.exp(4 - 8 * u)), -1, 1)
    seen = u > 0.5
    of_all, of_seen = sag(u, r, k), sag(u[seen], r[seen], k[seen])
    imputed = sag(u, np.where(seen, r, 0), k, rng=np.random.default_rng(0))
    assert imputed == pytest.approx(of_all, abs=0.03)
    assert of_seen > of_all + 0.1


def test_queries_are_the_uncertain_ones_and_random_others():
    """Everything from gamma on is queried, and about p_rand of the rest."""
    u = np.repeat([0.1, 0.5, 0.9], 2000)
    queried = query(u, 0.5, 0.2, np.random.default_rng(0))
    assert queried[u >= 0.5].all()
    assert queried[u < 0.5].mean() == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize(
    ("mode", "s_des"),
    [
        *(("sensitivity", 0.9), ("specificity", 0.3), ("success", 0.9)),
        *(pytest.param("sensitivity", s, marks=pytest.mark.slow) for s in (0.3, 0.6)),
        *(pytest.param("specificity", s, marks=pytest.mark.slow) for s in (0.6, 0.8)),
        *(pytest.param("success", s, marks=pytest.mark.slow) for s in (0.7, 0.8)),
    ],
)
def test_the_wanted_value_is_met_on_a_stream(mode, s_des):
    """On 6,000 samples of a novice that grows surer and better, what is reached lies within 0.05 of what is wanted."""
    rng, p_rand = np.random.default_rng(5), 0.1
    u, k = np.empty(6000), np.repeat(np.arange(60), 100)
    r, failed, queried = np.zeros(6000, int), np.empty(6000, bool), np.empty(6000, bool)
    for step in range(60):
        now, so_far = slice(100 * step, 100 * (step + 1)), slice(100 * (step + 1))
        u[now] = rng.random(100) * (1 - step / 200)
        failed[now] = rng.random(100) < u[now]
        gamma = sag(u[so_far], r[so_far], k[so_far], s_des=s_des, mode=mode, p_rand=p_rand, rng=rng)
        queried[now] = query(u[now], gamma, p_rand, rng)
        r[now] = np.where(queried[now], np.where(failed[now], -1, 1), 0)
    reached = {
        "sensitivity": queried[failed].mean(),
        "specificity": 1 - queried[~failed].mean(),
        "success": (queried | ~failed).mean(),
    }
    assert reached[mode] == pytest.approx(s_des, abs=0.05)
    assert queried.mean() < 0.9


@pytest.fixture
def cell(load_cell):
    """A fresh copy of the cell with the notebook's loaders."""
    return load_cell("sag_gate")


def test_the_cell_returns_balanced_selections(cell):
    """For two epochs of any losses, both models get valid indices with both classes equally often."""
    generator = torch.Generator().manual_seed(0)
    for _, targets, (first, second) in answers(
        cell, lambda here, targets: list(torch.rand(2, len(targets), generator=generator) * 1.5), epochs=2
    ):
        assert torch.equal(first, second)
        zeros, ones = torch.bincount(targets[first], minlength=2).tolist()
        assert zeros == ones > 0
    assert cell.stream["k"].tolist() == [k for k in range(4) for _ in range(128)]


def test_the_cell_believes_the_novice_below_gamma_and_the_teacher_above(cell, monkeypatch):
    """Unqueried labels are kept if they are predicted, queried ones if the teacher finds them right."""
    _, targets = next(iter(cell.train_loader))
    monkeypatch.setattr(cell, "P_RAND", 0)
    monkeypatch.setattr(cell, "sag", lambda *args, **kwargs: 0.25)
    cell.teacher = np.tile([0.3, 0.7], 128)
    p = torch.tensor([0.9, 0.9, 0.1, 0.1, 0.6, 0.6, 0.4, 0.4]).repeat(16)
    first, _ = answer(cell, targets, [-p.log()] * 2)
    wanted = np.tile([True, True, False, False, False, True, False, True], 16)
    assert sorted(set(first.tolist())) == np.flatnonzero(wanted).tolist()


def test_the_cell_knows_only_what_its_teacher_is_sure_of(cell):
    """An outcome is +1 or -1 where the teacher is sure of the clean label, by the novice's prediction, else 0."""
    _, targets = next(iter(cell.train_loader))
    cell.teacher = np.tile([0.99, 0.01, 0.7, 0.3], 64)
    p = torch.tensor([0.8] * 4 + [0.2] * 4).repeat(16)
    answer(cell, targets, [-p.log()] * 2)
    assert cell.stream["r"].tolist() == [1, -1, 0, 0, -1, 1, 0, 0] * 16
    np.testing.assert_allclose(cell.stream["u"], 0.2, atol=1e-6)


def test_the_teacher_is_asked_about_the_samples_of_the_batch(load_cell, monkeypatch):
    """Where all is queried the teacher alone decides, in both epochs and in their short last batches."""
    cell = load_cell("sag_gate", batch_size=100)
    monkeypatch.setattr(cell, "sag", lambda *args, **kwargs: 0.0)
    cell.teacher = np.random.default_rng(0).random(len(cell.train_loader.dataset))
    for here, _, (first, _) in answers(cell, lambda here, targets: [torch.ones(len(targets))] * 2, epochs=2):
        assert first.unique().tolist() == np.flatnonzero(cell.teacher[here.samples] > 0.5).tolist()


def test_the_teacher_tells_right_labels_from_wrong_ones(cell, data):
    """Among labels 0, of which most are wrong, those that the teacher believes are right more often than all are."""
    labels = cell.train_loader.dataset.targets.numpy()
    right = read_truth(data / "private", cell.train_loader.dataset).numpy() == labels
    teacher = cell.ask_teacher()
    assert ((teacher >= 0) & (teacher <= 1)).all()
    of_zeros = labels == 0
    assert right[of_zeros & (teacher > 0.5)].mean() > right[of_zeros].mean() + 0.15
    assert (teacher[~of_zeros] > 0.5).mean() > 0.8


def test_the_share_of_ones_is_corrected_for_the_predictors_errors(cell):
    """With a = 0.9 and b = 0.1, half of the predictions being 1 means half of the clean labels; the rest is clipped."""
    val_labels = np.repeat([0, 1], 10)
    h_on_val = np.array([1] + [0] * 9 + [0] + [1] * 9)
    h_on_train, labels = np.array([0, 1] * 5 + [1] * 10), np.repeat([0, 1], 10)
    np.testing.assert_allclose(cell.share_of_ones(h_on_train, labels, h_on_val, val_labels), [0.5, 0.98])
