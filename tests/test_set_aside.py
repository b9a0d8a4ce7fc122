"""One submission is set aside: it counts nowhere then, its participant keeps the rest, and it can be taken back."""

import json

from tests.running import board, contest, graded, number_of, scripted, submit

__all__ = ["contest", "graded", "scripted"]  # fixtures

WHY = ("--reason", "a reason of ours")


def test_a_submission_set_aside_counts_on_no_board(graded):
    """Its participant falls back to their next best on both boards; taken back, all is as it was."""
    contest, _ = graded
    before = {split: contest.board("--split", split) for split in ("test_a", "test_b")}
    assert board(contest) == [("ann", "0.8"), ("bob", "0.7")]
    printed = contest.run("set-aside", number_of(contest, "high"), *WHY)
    assert "ann's high.ipynb, counts nowhere" in printed
    assert board(contest) == [("bob", "0.7"), ("ann", "0.6")]
    [ann] = [row for row in contest.board("--split", "test_b") if row["participant"] == "ann"]
    assert (ann["submissions"], ann["last"]) == ("1", "2026-03-01T12:00:00+00:00")
    contest.run("set-aside", number_of(contest, "high"), "--undo", *WHY)
    assert {split: contest.board("--split", split) for split in ("test_a", "test_b")} == before


def test_who_has_nothing_left_that_counts_stands_nowhere(graded):
    """With the only submission set aside its participant is on no board and in no row of the jury's CSV."""
    contest, _ = graded
    contest.run("set-aside", number_of(contest, "bob"), *WHY)
    assert board(contest) == [("ann", "0.8")]
    files = contest.folder / "results.csv", contest.folder / "results.json"
    contest.run("export-results", "--csv", files[0], "--json", files[1])
    assert [line.split(",")[0] for line in files[0].read_text().splitlines()] == ["participant", "ann"]
    whole = json.loads(files[1].read_text())
    assert [(each["participant"], each["file"], each["reason"]) for each in whole["set_aside"]] == [
        ("bob", "bob.ipynb", "a reason of ours")
    ]


def test_the_results_tell_which_attempt_was_set_aside(graded):
    """The jury sees it among the attempts, with the reason, and it is not the one that counts."""
    contest, _ = graded
    contest.run("set-aside", number_of(contest, "high"), *WHY)
    files = contest.folder / "results.csv", contest.folder / "results.json"
    contest.run("export-results", "--csv", files[0], "--json", files[1])
    [person] = [each for each in json.loads(files[1].read_text())["participants"] if each["participant"] == "ann"]
    assert [(each["file"], each["set_aside"]) for each in person["submissions"]] == [
        ("low.ipynb", None),
        ("high.ipynb", "a reason of ours"),
    ]
    assert person["public"]["counted"]["file"] == "low.ipynb"
    assert "2,OK; set aside" in files[0].read_text()


def test_a_choice_that_was_set_aside_is_no_finalist(graded):
    """Where the one choice for the final is set aside, the best of the rest competes, as if nobody had chosen."""
    contest, workers = graded
    table = contest.folder / "received.csv"
    path = contest.submissions / "ann" / "high.ipynb"
    table.write_text(f"participant,path,submitted_at,final\nann,{path},2026-03-02T12:00:00+00:00,1\n")
    contest.run("batch", table)
    final = ("--split", "test_b", "--seed", "1000")
    contest.run("batch", "--missing", *final)
    assert [(row["participant"], row["bac_mean"]) for row in contest.board(*final)] == [("ann", "0.8"), ("bob", "0.7")]
    contest.run("set-aside", number_of(contest, "high"), *WHY)
    workers.calls.clear()
    contest.run("batch", "--missing", *final)
    assert [name for name, _ in workers.calls] == ["low"]
    assert [(row["participant"], row["bac_mean"]) for row in contest.board(*final)] == [("bob", "0.7"), ("ann", "0.6")]


def test_later_batches_leave_out_what_is_set_aside(graded):
    """With other seeds it is not graded again, and the batch says so; the board lacks nothing."""
    contest, workers = graded
    contest.run("set-aside", number_of(contest, "high"), *WHY)
    workers.calls.clear()
    printed = contest.run("batch", contest.submissions, "--seed", "5")
    assert sorted(name for name, _ in workers.calls) == ["bob", "low"]
    assert "left out, as they were set aside: ann high.ipynb" in printed
    contest.run("batch", "--missing", "--split", "test_a", "--seed", "6")
    assert sorted(name for name, _ in workers.calls[2:]) == ["bob", "low"]


def test_what_is_set_aside_has_used_up_its_place_in_the_daily_limit(graded):
    """No third attempt of a day slips in because the first one was set aside: not in a batch, not on the board."""
    contest, workers = graded
    submit(contest, "ann/later", "2026-03-01T13:00:00+00:00")
    workers.bacs["later"] = 0.9
    contest.run("batch", contest.submissions)
    contest.run("set-aside", number_of(contest, "low"), *WHY)
    assert board(contest, "--daily-limit", "1") == [("ann", "0.8"), ("bob", "0.7")]
    assert "beyond the daily limit of 1: ann later.ipynb" in contest.run(
        "batch", contest.submissions, "--daily-limit", "1"
    )


def test_the_history_shows_numbers_and_why_something_was_set_aside(graded):
    """Who looks somebody up finds the number that set-aside takes, and the reason, plain."""
    contest, _ = graded
    contest.run("set-aside", number_of(contest, "high"), "--reason", "\x1b[31mtwice\x1b[0m  handed in")
    printed = contest.run("history", "ann")
    assert f"set aside, number {number_of(contest, 'high')}: twice handed in" in printed
    assert "set aside" not in contest.run("history", "bob")


def test_a_frozen_board_obeys_what_is_set_aside_or_removed_later(graded):
    """Nobody shines on a frozen board with what was taken from them since."""
    contest, _ = graded
    contest.run("freeze")
    contest.run("set-aside", number_of(contest, "high"), *WHY)
    assert board(contest) == [("bob", "0.7"), ("ann", "0.6")]
    contest.run("remove", "bob", *WHY)
    assert board(contest) == [("ann", "0.6")]
