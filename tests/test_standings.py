"""Which submissions count, who stands where, and the board made of it."""

import csv
import io
import math
import statistics
from dataclasses import replace

import pytest

from grader.contest.policy import NOT_GRADED, counted, finalists, within_daily_limit
from grader.contest.standings import Contender, Standings, public_ranks, rank_rows, standings_csv
from grader.contest_file import Policy
from grader.verdicts import Verdict
from tests.contest import make_candidate

FAULT = Verdict.RUNTIME_ERROR
OURS = Verdict.INFRASTRUCTURE_ERROR


def contender(name, candidate, *, reference=False, public_rank=None, last="2026-03-01T12:00:00+00:00"):
    return Contender(name, reference, 1, last, candidate, public_rank)


def ranking(*scores):
    """Rank participants a, b, ... with these scores."""
    names = "abcdefgh"[: len(scores)]
    return rank_rows([contender(name, make_candidate(1, score)) for name, score in zip(names, scores, strict=True)])


def test_the_best_or_the_last_submission_counts():
    """The policies differ where the last one is worse; of equal scores the earlier counts."""
    candidates = [
        make_candidate(3, 0.7, time="2026-03-03T00:00:00+00:00"),
        make_candidate(1, 0.8, time="2026-03-01T00:00:00+00:00"),
        make_candidate(2, 0.8, time="2026-03-02T00:00:00+00:00"),
    ]
    assert counted(candidates, Policy.BEST) is candidates[1]
    assert counted(candidates, Policy.LAST) is candidates[0]
    assert counted([], Policy.BEST) is None


def test_a_fault_counts_only_where_nothing_better_does():
    """With best, a valid result beats a later fault; with last the fault counts; faults alone show the last one."""
    valid = make_candidate(1, 0.6, time="2026-03-01T00:00:00+00:00")
    fault = make_candidate(2, verdict=FAULT, time="2026-03-02T00:00:00+00:00")
    assert counted([valid, fault], Policy.BEST) is valid
    assert counted([valid, fault], Policy.LAST) is fault
    assert counted([fault, replace(fault)], Policy.BEST).verdict == "RuntimeError"


def test_the_daily_limit_counts_days_in_utc():
    """The first of each UTC day count, in the order of their times; the next day begins anew."""
    times = ["2026-03-01T23:59:59", "2026-03-01T08:00:00", "2026-03-01T09:00:00", "2026-03-02T00:00:00"]
    candidates = [make_candidate(k, 0.5 + k / 10, time=f"{time}+00:00") for k, time in enumerate(times)]
    assert [each.submission.id for each in within_daily_limit(candidates, 2)] == [1, 2, 3]
    assert len(within_daily_limit(candidates, None)) == 4


def test_our_own_failures_use_up_no_limit():
    """A submission that failed by our fault is not among those of its day, whatever its place."""
    candidates = [
        make_candidate(1, verdict=OURS, time="2026-03-01T01:00:00+00:00"),
        make_candidate(2, verdict=FAULT, time="2026-03-01T02:00:00+00:00"),
        make_candidate(3, 0.8, time="2026-03-01T03:00:00+00:00"),
    ]
    assert [each.submission.id for each in within_daily_limit(candidates, 1)] == [2]
    assert [each.submission.id for each in within_daily_limit(candidates, 2)] == [2, 3]


def test_the_chosen_submissions_go_into_the_final():
    """Choices beat scores; without one the two best on the public board go, or the last where the last counts."""
    candidates = [make_candidate(k, score, time=f"2026-03-0{k}T00:00:00+00:00") for k, score in ((1, 0.7), (2, 0.9))]
    candidates.append(make_candidate(3, 0.8, time="2026-03-03T00:00:00+00:00"))
    assert [each.id for each in finalists(candidates, Policy.BEST, 2)] == [2, 3]
    assert [each.id for each in finalists(candidates, Policy.LAST, 2)] == [3]
    chosen = [*candidates, make_candidate(4, 0.5, time="2026-03-04T00:00:00+00:00", final=True)]
    assert [each.id for each in finalists(chosen, Policy.BEST, 2)] == [4]
    assert [each.id for each in finalists([make_candidate(5, verdict=FAULT)], Policy.BEST, 2)] == [5]
    assert finalists([], Policy.BEST, 2) == []


def test_several_seeds_need_all_of_them():
    """Over seeds the mean counts; one seed that failed spoils it, one that is missing leaves it ungraded."""
    both = make_candidate(1, 0.7, 0.8)
    assert both.bac_mean == statistics.fmean([0.7, 0.8])
    assert both.deviation == pytest.approx(statistics.stdev([0.7, 0.8]))
    spoiled = replace(both, records=(both.records[0], make_candidate(1, verdict=FAULT).records[0]))
    assert (spoiled.verdict, spoiled.bac_mean) == ("RuntimeError", None)
    partial = replace(both, wanted=3)
    assert (partial.verdict, partial.bac_mean) == (NOT_GRADED, None)


def test_ranks_come_from_the_unrounded_mean():
    """Scores that show the same four digits and the same points rank apart; exactly equal ones share a rank."""
    rows = ranking(0.91234, 0.91233, 0.95, 0.91233, 0.9)
    assert [(row.participant, row.rank, row.tied) for row in rows] == [
        *(("c", 1, False), ("a", 2, False)),
        *(("b", 3, True), ("d", 3, True)),
        ("e", 5, False),
    ]
    assert {row.points for row in rows} == {100}


def test_references_stand_where_they_belong_and_take_no_rank():
    """A reference of a participant's name and score is a row of its own; those without a result come last."""
    rows = rank_rows(
        [
            contender("ann", make_candidate(1, 0.7)),
            contender("ann", make_candidate(2, 0.8), reference=True),
            contender("bob", make_candidate(3, verdict=FAULT)),
            contender("zoe", None),
            contender("cid", make_candidate(4, 0.6)),
        ]
    )
    assert [(row.participant, row.reference, row.rank, row.verdict) for row in rows] == [
        ("ann", True, None, "OK"),
        ("ann", False, 1, "OK"),
        ("cid", False, 2, "OK"),
        ("bob", False, None, "RuntimeError"),
        ("zoe", False, None, NOT_GRADED),
    ]
    assert not any(row.tied for row in rows)


def test_neighbours_within_the_noise_are_marked():
    """A difference below its standard error is marked on the worse row, a larger one is not, one seed never."""
    close = [contender("a", make_candidate(1, 0.80, 0.84)), contender("b", make_candidate(2, 0.79, 0.83))]
    error = math.sqrt(2 * statistics.stdev([0.80, 0.84]) ** 2 / 2)
    assert 0.01 < error < 0.03
    assert [row.within_noise for row in rank_rows(close)] == [False, True]
    far = [close[0], contender("b", make_candidate(2, 0.77, 0.81))]
    assert [row.within_noise for row in rank_rows(far)] == [False, False]
    assert not any(row.within_noise for row in ranking(0.8, 0.7999))


def test_the_final_shows_the_shift_of_ranks():
    """Positive is a rise; who had no public rank has no shift."""
    public = public_ranks(ranking(0.9, 0.8, 0.7))
    assert public == {"a": 1, "b": 2, "c": 3}
    final = [("a", 0.6), ("b", 0.8), ("c", 0.7), ("d", 0.5)]
    rows = rank_rows([contender(name, make_candidate(1, score), public_rank=public.get(name)) for name, score in final])
    assert [(row.participant, row.rank, row.shift) for row in rows] == [
        *(("b", 1, 1), ("c", 2, 1), ("a", 3, -2), ("d", 4, None)),
    ]


def test_the_csv_is_unrounded_and_harmless():
    """Figures survive the way through the file to the last bit; a name that is a formula becomes a text."""
    score = 0.1 + 0.7
    names = ("=HYPERLINK(1)", 'a "quoted", name', " @x")
    rows = rank_rows([contender(name, make_candidate(1, score)) for name in names])
    text = standings_csv(Standings("title", "test_a", rows, None, "2026-03-01T12:00:00+00:00"))
    read = list(csv.DictReader(io.StringIO(text)))
    assert {row["participant"] for row in read} == {"'=HYPERLINK(1)", 'a "quoted", name', "'@x"}
    assert {float(row["bac_mean"]) for row in read} == {score}
    assert {(row["rank"], row["tied"], row["shift"]) for row in read} == {("1", "1", "")}
    assert {"bac_1", "bac_2", "deviation", "within_noise"} < set(read[0])
