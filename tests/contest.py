"""Made-up parts of a contest: entries, keys and records that nobody trained."""

from datetime import datetime
from pathlib import Path

from competition.task.points import performance
from grader.contest.policy import Candidate
from grader.contest.store import Entry, Key, Kind, Received
from grader.grading import Record
from grader.verdicts import Verdict

VERSIONS = {"torch": "2.9"}


def make_record(bac=(0.7, 0.8), verdict=Verdict.OK, **changes):
    """Make a record; without a BAC where the verdict is not OK."""
    scored = verdict is Verdict.OK
    bac_mean = sum(bac) / 2 if scored else None
    ours = verdict is Verdict.INFRASTRUCTURE_ERROR
    fields = {
        "verdict": verdict,
        "message": "every batch was answered" if scored else "it went wrong",
        "points": performance(bac_mean) if scored else None if ours else 0,
        "bac": bac if scored else None,
        "bac_mean": bac_mean,
        "split": "test_a",
        "train": "train",
        "seed": 123,
        "device": "cpu",
        "threads": 1,
        "versions": VERSIONS,
        "time_limit": 1800.0,
        "seconds": 10.0,
        "answer_seconds": 1.0,
        "sandbox": "bwrap",
        "solution_sha256": "a" * 64,
        "template_sha256": "template",
        "data_sha256": "data",
        "split_sha256": "split",
        "notices": (),
        "started": "2026-03-01T12:00:00+00:00",
    }
    return Record(**(fields | changes))


def make_key(code="cell:1", **changes):
    """Make the key that fits `make_record`."""
    fields = {
        "code": code,
        "template_sha256": "template",
        "data_sha256": "data",
        "split_sha256": "split",
        "split": "test_a",
        "train": "train",
        "seed": 123,
        "device": "cpu",
        "threads": 1,
        "time_limit": 1800.0,
        "sandbox": "bwrap",
        "versions": '{"torch": "2.9"}',
    }
    return Key(**(fields | changes))


def make_entry(participant, time="2026-03-01T12:00:00+00:00", code="cell:1", *, kind=Kind.PARTICIPANT, final=None):
    """Make an entry; files differ as codes do."""
    path = Path(f"{participant}.ipynb")
    return Entry(participant, kind, path, datetime.fromisoformat(time), f"file of {code}", code, final)


def make_candidate(number, *bacs, time="2026-03-01T12:00:00+00:00", verdict=Verdict.OK, final=False):
    """Make a candidate whose both models reached each of `bacs`, one per seed; or one without a valid result."""
    submission = Received(number, "ann", Kind.PARTICIPANT, Path("ann.ipynb"), time, f"file {number}", "cell:1", final)
    if verdict is Verdict.INFRASTRUCTURE_ERROR:
        return Candidate(submission, (), 1, failed=True)
    records = tuple(make_record((bac, bac), seed=123 + k) for k, bac in enumerate(bacs))
    return Candidate(submission, records or (make_record(verdict=verdict),), len(records) or 1)
