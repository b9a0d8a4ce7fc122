"""S-aware gating's experiment: the ablated gate, the novice, a stream, figures and files against plain oracles."""

from dataclasses import asdict, fields, replace
from itertools import chain, pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.sag.figures import WINDOW, curves, totals
from benchmarks.sag.gate import N_MIN, Setting, threshold
from benchmarks.sag.kept import KeptError, file_name, find, keep
from benchmarks.sag.novice import BATCH_SIZE, PADDING, LeNet, Novice, random_crop
from benchmarks.sag.report import curve_of
from benchmarks.sag.stream import Trace, run_stream
from reference_solutions.sag_gate import MODES, sag
from tests.made_fashion import made_images

USUAL = Setting("sensitivity", 0.9)


def stream_so_far(seed):
    """Draw uncertainties that fall from step to step, outcomes of which half are known, and 30 steps of 20."""
    rng = np.random.default_rng(seed)
    k = np.repeat(np.arange(30), 20)
    u = rng.random(600) * (1 - k / 60)
    failed = rng.random(600) < u
    return u, np.where(rng.random(600) < 0.5, np.where(failed, -1, 1), 0), k


def counted_threshold(u, r, k, setting):
    """Compute the threshold of known outcomes alone, one sample and one candidate at a time."""
    relevant = 1 if setting.mode == "specificity" else -1
    for since in range(k[-1], -1, -1):
        window = [(ui, ri, ki) for ui, ri, ki in zip(u, r, k, strict=True) if ki >= since]
        outcomes = [ri for _, ri, _ in window]
        if outcomes.count(relevant) >= N_MIN and outcomes.count(-relevant) >= 1:
            break
    slope = np.polyfit([ki for *_, ki in window], [ui for ui, *_ in window], 1)[0] if since < k[-1] else 0
    drift = slope if setting.regression else 0
    known = [(ui - drift * (ki - k[-1]), ri == -1) for ui, ri, ki in window if ri != 0]
    points = []
    for gamma in sorted({ui for ui, _ in known}):
        reached = []
        for ui, failed in known:
            asked = 1 if ui >= gamma else setting.p_rand  # how probably
            if setting.mode == "success":
                reached.append(asked if failed else 1)
            elif failed == (setting.mode == "sensitivity"):
                reached.append(asked if failed else 1 - asked)
        points.append((gamma, sum(reached) / len(reached)))
    for (low, at_low), (high, at_high) in pairwise(points):
        inside = (
            at_high < setting.s_des <= at_low if setting.mode != "specificity" else at_low <= setting.s_des < at_high
        )
        if inside:
            return low + (high - low) * (setting.s_des - at_low) / (at_high - at_low)
    raise AssertionError("the wanted value lies on no stretch of the curve")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("regression", [True, False])
@pytest.mark.parametrize("p_rand", [0.05, 0.1, 0.2])
def test_without_imputation_the_threshold_is_the_one_counted_from_known_outcomes(mode, regression, p_rand):
    """Window, regression and curve agree with plain loops; nothing unknown counts, and nothing is drawn."""
    for seed, s_des in ((0, 0.7), (1, 0.75), (2, 0.78)):
        setting = Setting(mode, s_des + 0.1 * (mode == "success"), p_rand, regression, imputation=False)
        u, r, k = stream_so_far(seed)
        assert threshold(u, r, k, setting, rng=None) == pytest.approx(counted_threshold(u, r, k, setting))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("regression", [True, False])
def test_with_imputation_the_threshold_is_the_references(mode, regression):
    """Mode, wanted value, share of random queries and regression arrive at `sag`, and with them the same draws."""
    u, r, k = stream_so_far(3)
    s_des = 0.9 if mode == "success" else 0.75
    setting = Setting(mode, s_des, 0.2, regression)
    reference = sag(u, r, k, s_des, mode, 0.2, rng=np.random.default_rng(1), detrending=regression)
    assert threshold(u, r, k, setting, np.random.default_rng(1)) == reference
    others = (replace(setting, s_des=s_des - 0.03), replace(setting, p_rand=0.1))
    for other in (*others, replace(setting, regression=not regression), replace(setting, imputation=False)):
        assert threshold(u, r, k, other, np.random.default_rng(1)) != reference


def test_without_a_window_the_threshold_is_the_quantile_in_every_ablation():
    """While too few failures are known, what is left out makes no difference."""
    u, k = np.linspace(0, 1, 11), np.zeros(11, int)
    for change in ({}, {"regression": False}, {"imputation": False}):
        assert threshold(u, np.zeros(11, int), k, replace(USUAL, **change), None) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"mode": "accuracy"}, "sensitivity, specificity, success"),
        ({"s_des": 1.1}, "s_des"),
        ({"p_rand": -1}, "p_rand"),
    ],
)
def test_a_setting_that_no_gate_can_hold_is_refused(wrong, told):
    """The message names the parameter."""
    with pytest.raises(ValueError, match=told):
        replace(USUAL, **wrong)


@pytest.fixture(scope="module")
def images():
    """Return 1,500 made images in ten classes, standardised, and their labels."""
    drawn, labels = made_images(1_500, 3)
    inputs = torch.from_numpy(drawn.astype(np.float32)).unsqueeze(1)
    return (inputs - inputs.mean()) / inputs.std(), torch.from_numpy(labels.astype(np.int64))


def test_monte_carlo_is_the_mean_of_passes_with_dropout(images):
    """What all passes share changes nothing: over many passes the mean is that of whole ones, and passes differ."""
    torch.manual_seed(0)
    model, some = LeNet(), images[0][:6]
    with torch.no_grad():
        whole = torch.stack([model(some).softmax(1) for _ in range(640)])
        shared = torch.stack([model.monte_carlo(some) for _ in range(40)]).mean(0)
        assert whole.std(0).min() > 1e-3
        torch.testing.assert_close(shared, whole.mean(0), atol=0.01, rtol=0)
        model.eval()
        torch.testing.assert_close(model.monte_carlo(some), model(some).softmax(1))


def test_a_random_crop_is_a_window_of_the_padded_image(images):
    """Each image moves by its own offsets, and background comes in: as with padding and slicing one by one."""
    some = images[0][:40]
    cropped = random_crop(some, np.random.default_rng(5))
    offsets = np.random.default_rng(5).integers(0, 2 * PADDING + 1, (2, 40))
    assert len(set(map(tuple, offsets.T))) > 20
    for image, crop, (down, right) in zip(some, cropped, offsets.T, strict=True):
        padded = F.pad(image, (PADDING,) * 4, value=some.min().item())
        assert torch.equal(crop, padded[:, down : down + 28, right : right + 28])


class Listening(nn.Module):
    """A model that remembers which images it saw, by their first pixel."""

    def __init__(self):
        super().__init__()
        self.seen, self.dense = [], nn.Linear(1, 10)

    def forward(self, images):
        """Remember, and return logits."""
        self.seen.append(images[:, 0, 0, 0].int().tolist())
        return self.dense(images[:, 0, 0, :1])


def test_an_update_takes_five_batches_epoch_after_epoch():
    """Of 300 known samples each epoch shows all of them once, its last batch the rest; none is one nobody asked for."""
    numbered = torch.arange(1000.0).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)
    novice = Novice(numbered, torch.zeros(1000, dtype=torch.int64), np.random.SeedSequence(0), crop=False)
    novice.model = Listening()
    known = np.arange(100, 400)
    novice.update(known)
    seen = novice.model.seen
    assert [len(batch) for batch in seen] == [128, 128, 44, 128, 128]
    assert sorted(chain(*seen[:3])) == known.tolist()
    assert len(set(chain(*seen[3:]))) == 256
    assert seen[0] != seen[3]


def test_the_novice_learns(images):
    """Some 25 updates suffice to know most of the made images, and to be surer of them."""
    novice = Novice(*images, np.random.SeedSequence(1), crop=True)
    learned, others = np.split(np.arange(1_500), [1_000])
    unsure, wrong = (each.mean() for each in novice.predict(others))
    for _ in range(25):
        novice.update(learned)
    uncertainty, failed = novice.predict(others)
    assert failed.mean() < wrong - 0.4
    assert uncertainty.mean() < unsure - 0.2


def test_a_novice_that_diverged_is_as_uncertain_as_can_be(images):
    """No probabilities are no reason to trust it, and no reason to stop."""
    novice = Novice(*images, np.random.SeedSequence(1), crop=True)
    for parameter in novice.model.parameters():
        parameter.data.fill_(torch.nan)
    assert novice.predict(np.arange(10))[0].tolist() == [1.0] * 10


@pytest.fixture(scope="module")
def trace(images):
    """Run one stream of eleven steps and a rest."""
    return run_stream(*images, 1_450, USUAL, seed=4)


def test_a_stream_queries_what_reaches_the_threshold_and_some_others(trace):
    """Active queries are those of each step's gamma; about a tenth of the others are queried; no image comes twice."""
    assert len(trace.rows) == len(set(trace.rows.tolist())) == 11 * BATCH_SIZE
    gamma = np.repeat(trace.gamma, BATCH_SIZE)
    assert (trace.active == (trace.uncertainty >= gamma.astype(np.float32))).mean() > 0.999
    assert trace.queried[trace.active].all()
    others = trace.queried[~trace.active]
    assert 0 < others.mean() < 0.25


def test_the_first_update_comes_after_six_steps_then_after_every_five(trace):
    """As in the authors' code."""
    assert trace.updates.tolist() == [0] * 6 + [1] * 5


def test_a_stream_is_its_seeds_alone(images, trace):
    """The same seed gives the same bits; another setting sees the same images, another seed others."""
    again = run_stream(*images, 1_450, USUAL, seed=4)
    assert all(np.array_equal(value, getattr(again, name)) for name, value in asdict(trace).items())
    uncropped = run_stream(*images, 1_450, replace(USUAL, crop=False), seed=4)
    assert np.array_equal(uncropped.rows, trace.rows)
    before, after = np.split(uncropped.uncertainty == trace.uncertainty, [6 * BATCH_SIZE])
    assert before.all()
    assert not after.all()
    assert not np.array_equal(run_stream(*images, 1_450, USUAL, seed=5).rows, trace.rows)


def made_trace(steps=20):
    """Draw a stream in which nothing fails at first, and then much."""
    rng = np.random.default_rng(0)
    count = steps * BATCH_SIZE
    failed = rng.random(count) < np.repeat([0, 0.4], [2 * BATCH_SIZE, count - 2 * BATCH_SIZE])
    active = rng.random(count) < 0.5
    queried = active | (rng.random(count) < 0.1)
    return Trace(np.arange(count, dtype=np.int32), rng.random(count, np.float32), rng.random(steps),
                 np.zeros(steps, np.int32), failed, active, queried)  # fmt: skip


def mean(values):
    """Return a mean by counting; NaN of nothing."""
    return sum(values) / len(values) if values else np.nan


def test_figures_are_those_that_are_counted_one_by_one():
    """Whole stream and windows: failures and valid plans keep windows of their own; without any there is no number."""
    trace = made_trace()
    failures, valid, both, failed_lately, queried_lately = [], [], [], [], []
    found = curves(trace)
    for step in range(20):
        for row in range(step * BATCH_SIZE, (step + 1) * BATCH_SIZE):
            failed, queried = bool(trace.failed[row]), bool(trace.queried[row])
            (failures if failed else valid).append(queried)
            both.append(queried or not failed)
            failed_lately.append(failed)
            queried_lately.append(queried)
        counted = {
            "sensitivity": mean(failures[-WINDOW:]),
            "specificity": 1 - mean(valid[-WINDOW:]),
            "success": mean(both[-WINDOW:]),
            "query_rate": mean(queried_lately[-WINDOW:]),
            "novice": 1 - mean(failed_lately[-WINDOW:]),
        }
        assert {name: curve[step] for name, curve in found.items()} == pytest.approx(counted, nan_ok=True)
    assert np.isnan(found["sensitivity"][:2]).all()
    whole = totals(trace)
    assert whole == pytest.approx(
        {
            "sensitivity": mean(failures),
            "specificity": 1 - mean(valid),
            "informedness": mean(failures) - mean(valid),
            "success": mean(both),
            "queries": sum(queried_lately),
            "active_queries": trace.active.sum(),
            "novice": 1 - mean(failed_lately),
        }
    )


def test_a_curves_mean_is_that_of_the_repetitions_that_have_a_value():
    """Where one repetition has none yet, the other's stands alone, without deviation; where none has, nothing does."""
    curve = curve_of([np.array([np.nan, np.nan, 0.5]), np.array([np.nan, 0.25, 0.75])], slice(None))
    assert curve["mean"] == [None, 0.25, 0.625]
    assert curve["deviation"] == [None, None, pytest.approx(0.1768)]


def test_a_kept_stream_comes_back_as_it_was_and_another_one_is_refused(tmp_path):
    """Every array is the same; what is damaged, or of another setting or other images, is named with what to do."""
    trace, said = made_trace(), {"setting": asdict(USUAL), "images": "abc"}
    path = tmp_path / file_name(USUAL, 0)
    assert find(said, path) is None
    keep(trace, said, path)
    found = find(said, path)
    assert all(np.array_equal(getattr(found, each.name), getattr(trace, each.name)) for each in fields(Trace))
    with pytest.raises(KeptError, match="other images: remove it"):
        find({**said, "images": "abd"}, path)
    with pytest.raises(KeptError, match="other setting"):
        find({**said, "setting": asdict(replace(USUAL, crop=False))}, path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(KeptError, match="holds no stream"):
        find(said, path)
