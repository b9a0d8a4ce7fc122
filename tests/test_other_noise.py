"""The noise of other annotators: the same mean rates, other images."""

import sys

import numpy as np
import pytest

from benchmarks import other_noise
from benchmarks.other_noise import NOISES, REFERENCES, annotated, by_annotator, by_category
from competition.pool import FASHION_FILE, fashion_pool
from competition.profiles import NOISE
from grader.validation.bands import REFERENCES_FOLDER
from tests.conftest import REPOSITORY


@pytest.mark.parametrize("noise", [name for name, rates in NOISES.items() if rates])
def test_each_noise_has_the_kit_s_mean_rates(noise):
    """Annotators err as often as the kit's noise does in each class, and the same ones at every call."""
    pool = fashion_pool()
    labelled = annotated(pool, noise)
    for label, rate in ((0, NOISE.flip_0_to_1), (1, NOISE.flip_1_to_0)):
        members = pool.labels == label
        assert (labelled.noisy != pool.labels)[members].mean() == pytest.approx(rate, abs=0.015)
    assert np.array_equal(annotated(pool, noise).noisy, labelled.noisy)


def test_the_kit_s_own_noise_is_left_to_the_build():
    """Where images are flipped by difficulty the pool brings no labels of annotators."""
    assert annotated(fashion_pool(), "difficulty").noisy is None


def test_what_the_rate_of_an_image_depends_on():
    """By category it has five values, the highest for shirts; by annotator two in each class, over all categories."""
    labels, generator = fashion_pool().labels, np.random.default_rng(0)
    with np.load(FASHION_FILE) as arrays:
        category = arrays["category"]
    rates = by_category(labels, generator)
    found = {each: np.unique(rates[category == each]) for each in np.unique(category)}
    assert all(len(values) == 1 for values in found.values())
    assert max(found, key=lambda each: found[each][0]) == 6
    rates = by_annotator(labels, generator)
    for label in (0, 1):
        assert len(np.unique(rates[labels == label])) == 2
        shares = [
            (rates[category == each] == rates[labels == label].max()).mean()
            for each in np.unique(category[labels == label])
        ]
        assert max(shares) - min(shares) < 0.04


def test_rates_that_cannot_be_are_refused(monkeypatch):
    """A rate above 1 is an error that says so, not a label that is always wrong."""
    monkeypatch.setitem(NOISES, "annotators", lambda labels, generator: np.full(len(labels), 1.1))
    with pytest.raises(ValueError, match="leave the range"):
        annotated(fashion_pool(), "annotators")


@pytest.mark.slow
def test_references_are_measured_on_each_noise(monkeypatch, capsys, tmp_path):
    """One reference and the oracle on two noises, debug size; the difference from balancing stands beside."""
    (tmp_path / REFERENCES_FOLDER).symlink_to(REPOSITORY / REFERENCES_FOLDER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(other_noise, "REFERENCES", (REFERENCES[0], REFERENCES[-1]))
    monkeypatch.setattr(other_noise, "NOISES", {name: NOISES[name] for name in ("difficulty", "annotators")})
    options = ["--profile", "debug", "--seeds", "1", "--workers", "2", "--out", "results.json"]
    monkeypatch.setattr(sys, "argv", ["other_noise", *options])
    other_noise.main()
    rows = [line.split(" | ")[:2] for line in capsys.readouterr().out.splitlines()[2:]]
    assert rows == [
        [f"| {noise}", name] for noise in ("difficulty", "annotators") for name in ("class_balance", "oracle")
    ]
    assert (tmp_path / "results.json").is_file()
