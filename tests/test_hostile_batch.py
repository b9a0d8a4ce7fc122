"""A batch with hostile entries of every kind: whoever is honest notices nothing."""

import json

import pytest

from benchmarks.hostile_batch import compare, table, write_entries
from tests.hostile_entries import FOLDER_KINDS, ROW_KINDS


@pytest.mark.slow
def test_hostile_entries_change_no_bit_of_an_honest_result(light, data, tmp_path):
    """Batch, board, comparison and reports go through, with the same models, figures and places for ten honest ones."""
    results = compare(10, 2 * max(len(FOLDER_KINDS), len(ROW_KINDS)), data, tmp_path)
    assert len(results["bac"]) == 10
    assert results["alone"]["verdicts"] == {"OK": 10}
    assert results["among"]["aside"] > len(ROW_KINDS)
    assert len(results["among"]["verdicts"]) > 3
    assert str(results["among"]["seconds"]) in table(results)
    assert json.dumps(results)


def test_every_kind_is_among_the_hostile_entries(tmp_path):
    """Half of the entries lie in the folder and half in the table, and each kind puts something there."""
    write_entries(tmp_path, 4, 2 * max(len(FOLDER_KINDS), len(ROW_KINDS)))
    put = [path for path in (tmp_path / "submissions").iterdir() if not path.name.startswith("honest")]
    assert len(put) == len(FOLDER_KINDS)
    assert len((tmp_path / "received.csv").read_bytes().split(b"\r\n")) > len(ROW_KINDS) + 2
