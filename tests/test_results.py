"""`grader export-results`: what a jury gets agrees with the boards, names what counted, and tells all attempts."""

import csv
import json

import pytest

from grader.contest.results import COLUMNS, FORMAT, VERSION
from grader.verdicts import Verdict
from tests.conftest import ALL_SAMPLES, REPOSITORY
from tests.contest import contest, scripted

__all__ = ["contest", "scripted"]  # fixtures

FORMULA = "=HYPERLINK(1)"


@pytest.fixture
def jury(contest, scripted):
    """Make a contest with good, bad and lost submissions; return it, and a function that exports it."""
    workers = scripted(bad=[Verdict.RUNTIME_ERROR], lost=[Verdict.INFRASTRUCTURE_ERROR])
    workers.bacs = {"first": 0.1 + 0.6, "second": 0.75, "formula": 0.75}
    contest.submit("ann/first", f"# first\n{ALL_SAMPLES}")
    contest.submit("ann/second", f"# second\n{ALL_SAMPLES}", "2026-03-02T12:00:00+00:00")
    contest.submit("ann/bad", f"# bad\n{ALL_SAMPLES}", "2026-03-03T12:00:00+00:00")
    contest.submit("bob", f"# bad\n{ALL_SAMPLES} ")
    contest.submit("cid", f"# lost\n{ALL_SAMPLES}")
    contest.submit(FORMULA, f"# formula\n{ALL_SAMPLES}")
    contest.run("batch", contest.submissions, status=3)

    def export(*options):
        table, whole = contest.folder / "results.csv", contest.folder / "results.json"
        printed = contest.run("export-results", "--csv", table, "--json", whole, *options)
        with open(table, newline="") as stream:
            return list(csv.DictReader(stream)), json.loads(whole.read_text()), printed

    return contest, export


def test_the_results_are_those_of_the_public_board(jury):
    """Ranks, points and unrounded figures agree with the leaderboard's, in both files; without a final it is empty."""
    contest, export = jury
    board = contest.board("--split", "test_a")
    rows, whole, printed = export()
    assert "the public board alone" in printed
    assert [row["participant"] for row in rows] == [row["participant"] for row in board]
    for column in ("rank", "tied", "points", "bac_mean", "bac_1", "bac_2", "deviation", "verdict"):
        assert [row[f"public_{column}"] for row in rows] == [row[column] for row in board], column
    people = {person["participant"]: person for person in whole["participants"]}
    assert people["ann"]["public"]["bac_mean"] == 0.75
    assert {person["final"] for person in whole["participants"]} == {None}
    assert whole["boards"]["final"] is None
    assert {row["final_rank"] + row["final_verdict"] + row["final_runs"] for row in rows} == {""}


def test_the_submission_that_counted_is_named(jury):
    """File, time, checksum and run are those of the better submission, as the store has them."""
    contest, export = jury
    rows, whole, _ = export()
    [kept] = [
        grading for name, grading in contest.gradings() if name == "ann" and grading.record.file == "second.ipynb"
    ]
    [row] = [row for row in rows if row["participant"] == "ann"]
    [person] = [person for person in whole["participants"] if person["participant"] == "ann"]
    counted = person["public"]["counted"]
    assert counted["runs"] == [kept.run]
    assert (contest.runs / row["public_runs"]).is_dir()
    assert (counted["file"], counted["submitted_at"]) == ("second.ipynb", "2026-03-02T12:00:00+00:00")
    assert len(counted["file_sha256"]) == 64
    assert [row[f"public_{name}"] for name in ("file", "submitted_at", "file_sha256")] == [
        counted[name] for name in ("file", "submitted_at", "file_sha256")
    ]


def test_all_attempts_are_told(jury):
    """Each submission has its verdict on the board and each of its gradings, also those that failed by us."""
    _, export = jury
    rows, whole, printed = export()
    people = {person["participant"]: person for person in whole["participants"]}
    assert [each["verdict"] for each in people["ann"]["submissions"]] == ["OK", "OK", "RuntimeError"]
    assert [row["verdicts"] for row in rows if row["participant"] == "ann"] == ["OK; OK; RuntimeError"]
    assert [row["attempts"] for row in rows if row["participant"] == "ann"] == ["3"]
    [lost] = people["cid"]["submissions"]
    assert lost["verdict"] == "InfrastructureError"
    assert [each["verdict"] for each in lost["gradings"]] == ["InfrastructureError"]
    assert "not graded for test_a, in number 1" in printed


def test_the_final_stands_beside_the_public_board(jury):
    """A final on other seeds comes with its options; ranks and figures are those of its leaderboard, ordered by it."""
    contest, export = jury
    options = ("--seed", "1000", "--seeds", "2")
    contest.run("batch", "--missing", "--split", "test_b", *options)
    board = contest.board("--split", "test_b", *options)
    rows, whole, printed = export(*options)
    assert "the public board alone" not in printed
    assert [row["participant"] for row in rows] == [row["participant"] for row in board]
    assert [row["final_rank"] for row in rows] == [row["rank"] for row in board]
    assert [row["final_bac_mean"] for row in rows] == [row["bac_mean"] for row in board]
    assert whole["boards"]["final"] == {"split": "test_b", "train": "train", "seeds": [1000, 1001], "bound": None}
    assert whole["boards"]["public"]["seeds"] == [123]
    [person] = [person for person in whole["participants"] if person["participant"] == "ann"]
    assert len(person["final"]["counted"]["runs"]) == 2
    assert person["public"]["rank"] == 1


def test_foreign_words_are_harmless_in_the_csv(jury):
    """A name that is a formula, and a file that is named like one, get an apostrophe; the JSON has them whole."""
    _, export = jury
    rows, whole, _ = export()
    assert [row["public_file"] for row in rows if row["participant"] == f"'{FORMULA}"] == [f"'{FORMULA}.ipynb"]
    assert FORMULA in {person["participant"] for person in whole["participants"]}


def test_removals_stand_in_the_results(jury):
    """Who was removed has no row; the log says why."""
    contest, export = jury
    contest.run("remove", "bob", "--reason", "a test of ours")
    rows, whole, _ = export()
    assert "bob" not in {row["participant"] for row in rows}
    assert [(each["participant"], each["removed"], each["reason"]) for each in whole["removals"]] == [
        ("bob", True, "a test of ours")
    ]


def test_the_format_is_documented(jury):
    """Every field of the JSON and every column of the CSV stands in the organizers' page, with the version."""
    _, export = jury
    rows, whole, _ = export()
    assert (whole["format"], whole["version"]) == (FORMAT, VERSION)
    assert tuple(rows[0]) == COLUMNS
    text = (REPOSITORY / "docs" / "organizers.md").read_text()
    assert f'"version": {VERSION}' in text

    def fields(value):
        if isinstance(value, dict):
            return set(value) | {name for inner in value.values() for name in fields(inner)}
        return {name for inner in value for name in fields(inner)} if isinstance(value, list) else set()

    assert sorted(name for name in fields(whole) if f'"{name}"' not in text) == []
    assert sorted(name for name in COLUMNS if name.split("_", 1)[-1] not in text) == []


def test_an_export_to_nowhere_is_a_usage_error(jury):
    """Without a file to write there is nothing to do."""
    contest, _ = jury
    assert "--csv FILE, --json FILE, or both" in contest.run("export-results", status=2)
