"""Made-up parts of a contest, and a whole one on disk whose workers answer from a script instead of training."""

import csv
import json
import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

import grader.contest.attended
from competition.notebook import graft, notebook_text
from competition.task.points import performance
from grader.cli import app
from grader.contest.policy import Candidate
from grader.contest.store import Entry, Key, Kind, Received, Store
from grader.contest.workers import Outcome
from grader.contest_file.reading import CONTEST_FILE
from grader.contest_file.writing import toml_value
from grader.grading import Record, draft_record
from grader.submission import lift, read_cells
from grader.verdicts import ParticipantFault, Verdict

VERSIONS = {"torch": "2.9"}
STORE_ALONE = (  # the commands that need no data
    *("history", "remove", "set-aside", "pause", "resume", "extend", "announce", "freeze", "publish", "log"),
)


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
        "time_limit": 280.0,
        "clock_seconds": 4.0,
        "answer_seconds": 1.0,
        "guard": 1800.0,
        "seconds": 10.0,
        "sandbox": "bwrap",
        "solution_sha256": "a" * 64,
        "template_sha256": "template",
        "data_sha256": "data",
        "split_sha256": "split",
        "notices": (),
        "started": "2026-03-01T12:00:00+00:00",
        "epochs": 6,
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
        "time_limit": 280.0,
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


class Contest:
    """A folder of submissions, a store, and the command line over both."""

    def __init__(self, folder, data):
        self.folder, self.data = folder, data
        self.submissions, self.runs, self.store = folder / "submissions", folder / "runs", folder / "contest.sqlite"
        self.submissions.mkdir()

    def submit(self, name, cell, time="2026-03-01T12:00:00+00:00"):
        """Hand in a notebook with this solution cell; its file has this time."""
        path = self.submissions / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_text(notebook_text(graft(cell)))
        seconds = datetime.fromisoformat(time).timestamp()
        os.utime(path, (seconds, seconds))
        return path

    def arguments(self, command, *options):
        """Return the arguments of a command on this contest."""
        places = [("--store", self.store)]
        places += [] if command in STORE_ALONE else [("--runs", self.runs), ("--data", self.data)]
        own = [str(part) for place in places for part in place]
        return [
            command,
            *map(str, options),
            *own,
            *(["--device", "cpu", "--threads", "1"] if command == "batch" else []),
        ]

    def run(self, command, *options, status=0):
        """Run a command on this contest in this process, with all options; return what it printed."""
        return self.call(*self.arguments(command, *options), status=status)

    @staticmethod
    def call(*arguments, status=0):
        """Run a command in this process, with these arguments alone; return what it printed."""
        result = Contest.attempt(*arguments)
        assert result.exit_code == status, result.output
        return result.output

    @staticmethod
    def attempt(*arguments):
        """Run a command in this process, however it ends; return what came of it."""
        return CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "300"}, catch_exceptions=False)

    def describe(self, **tables):
        """Write the contest's file, with the data of the tests, for one CPU thread; return its path."""
        tables["grading"] = {"device": "cpu", "threads": 1} | tables.get("grading", {})
        lines = [f"data = {json.dumps(str(self.data))}"]
        for table, keys in tables.items():
            lines += [f"[{table}]", *(f"{name} = {toml_value(value)}" for name, value in keys.items())]
        file = self.folder / CONTEST_FILE
        file.write_text("\n".join(lines))
        return file

    def gradings(self):
        """Return all gradings as (participant, grading), oldest first."""
        with Store(self.store) as store:
            names = {submission.id: submission.participant for submission in store.submissions()}
            return [(names[grading.submission_id], grading) for grading in store.gradings()]

    def board(self, *options):
        """Make a leaderboard and return its CSV's rows."""
        table = self.folder / "board.csv"
        self.run("leaderboard", "--csv", table, *options)
        with open(table, newline="") as stream:
            return list(csv.DictReader(stream))


@pytest.fixture
def contest(tmp_path, data):
    return Contest(tmp_path, data)


class Scripted:
    """Workers that answer from a script instead of training: per solution, its verdicts one after another.

    A solution is known by its first line. `calls` keeps what was asked for, with how many at once.
    """

    def __init__(self, count=1, **verdicts):
        self.count, self.verdicts, self.calls = count, verdicts, []
        self.bacs, self.changes = {}, {}

    def outcomes(self, tasks, at_once):
        """Answer each task with the next verdict of its script."""
        for task in tasks:
            if isinstance(task.raw, ParticipantFault):
                name = "fault"
            else:
                name = lift(read_cells(task.raw)).source.splitlines()[1].removeprefix("# ")
            self.calls.append((name, at_once))
            left = self.verdicts.get(name, [Verdict.OK])
            verdict = left.pop(0) if len(left) > 1 else left[0]
            bac = self.bacs.get(name, 0.7) if verdict is Verdict.OK else None
            yield task.number, Outcome(self.record(task.settings, verdict, bac), {"output.txt": name.encode()})

    def record(self, settings, verdict, bac):
        """Make the record of an answer."""
        draft = replace(draft_record(settings), verdict=verdict, points=0, message=f"it was {verdict.value}")
        return replace(draft, bac=bac and (bac, bac), bac_mean=bac, **self.changes)


@pytest.fixture
def scripted(monkeypatch):
    """Put scripted workers in the place of this process."""

    def install(**verdicts):
        workers = Scripted(**verdicts)
        monkeypatch.setattr(grader.contest.attended, "InProcess", lambda: workers)
        return workers

    return install
