"""A small contest that runs: ann has handed in two notebooks and bob one, and all are graded by a script."""

import pytest

from grader.contest.store import Store
from tests.conftest import ALL_SAMPLES
from tests.contest import contest, scripted

__all__ = ["board", "contest", "graded", "number_of", "scripted", "submit"]


@pytest.fixture
def graded(contest, scripted):
    """Make a contest in which ann has two submissions and bob one, all graded; work in its folder."""
    workers = scripted()
    workers.bacs = {"low": 0.6, "high": 0.8, "bob": 0.7}
    for day, name in enumerate(("ann/low", "ann/high"), 1):
        submit(contest, name, f"2026-03-0{day}T12:00:00+00:00")
    submit(contest, "bob")
    contest.run("batch", contest.submissions)
    return contest, workers


def submit(contest, name, time="2026-03-01T12:00:00+00:00"):
    """Hand in a solution that scripted workers know by the last part of its name."""
    return contest.submit(name, f"# {name.split('/')[-1]}\n{ALL_SAMPLES}", time)


def number_of(contest, file):
    """Return the number of the submission with this file."""
    with Store(contest.store) as store:
        [number] = [each.id for each in store.submissions() if each.path.name == f"{file}.ipynb"]
    return number


def board(contest, *options):
    """Return who stands on the public board, with the mean BAC."""
    return [(row["participant"], row["bac_mean"]) for row in contest.board("--split", "test_a", *options)]
