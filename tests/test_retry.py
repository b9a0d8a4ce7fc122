"""The queue as an organizer sees it, and one submission that is graded again because they asked."""

import pytest

from grader.contest import desk
from grader.contest.desk import Act
from grader.contest.events import Action
from grader.contest.store import Store
from grader.verdicts import Verdict
from tests.running import contest, scripted, submit

__all__ = ["contest", "scripted"]  # fixtures

OK, OURS = Verdict.OK, Verdict.INFRASTRUCTURE_ERROR


@pytest.fixture
def inside(contest, scripted, monkeypatch):
    """Work in the folder of a contest with a file; `retry` too is answered by the workers of this script."""
    contest.describe()
    monkeypatch.chdir(contest.folder)

    def install(**verdicts):
        workers = scripted(**verdicts)
        monkeypatch.setattr("grader.contest.queueing.InProcess", lambda: workers)
        return workers

    return contest, install


def log_of(contest):
    """Return what the log says, without times and names."""
    with Store(contest.store) as store:
        return [(event.action, event.submission, event.text, event.reason) for event in store.events()]


def test_the_queue_shows_our_failures_first_and_then_turns(inside):
    """What failed by our own fault stands on top with what was said; the rest in the order of participants' turns."""
    contest, install = inside
    install(broken=[OURS])
    submit(contest, "zoe/broken", "2026-03-04T12:00:00+00:00")
    contest.call("batch", status=3)
    for day, name in ((1, "ann/first"), (2, "ann/second"), (3, "bob/third")):
        submit(contest, name, f"2026-03-0{day}T12:00:00+00:00")
    with Store(contest.store) as store:
        store.act(desk.pause(Act("olga", desk.now())))
    contest.call("batch", status=3)
    printed = contest.call("queue")
    order = [printed.index(name) for name in ("broken.ipynb", "first.ipynb", "third.ipynb", "second.ipynb")]
    assert order == sorted(order)
    assert "it was InfrastructureError" in printed
    assert "3 waiting, 1 failed by our own fault" in printed
    assert "grading is paused since" in printed
    contest.call("resume")
    install()
    contest.call("batch")
    assert "0 waiting, 0 failed by our own fault" in contest.call("queue")


def test_the_queue_leaves_out_what_is_set_aside(inside):
    """What counts nowhere waits for nothing."""
    contest, install = inside
    install(ann=[OURS])
    submit(contest, "ann")
    contest.call("batch", status=3)
    assert "1 failed" in contest.call("queue")
    contest.call("set-aside", "1", "--reason", "twice")
    assert "0 waiting, 0 failed" in contest.call("queue")
    assert "counts nowhere: take it back first" in contest.call("retry", "1", status=2)


def test_a_failure_of_ours_is_made_good(inside):
    """Graded again, it counts on the board, and the log has request and outcome."""
    contest, install = inside
    install(ann=[OURS, OURS, OK])
    submit(contest, "ann")
    contest.call("batch", status=3)
    printed = contest.call("retry", "1", "--reason", "the disk was full")
    assert "graded: OK with a BAC of 0.7000" in printed
    assert "0.7000" in contest.call("leaderboard", "--split", "test_a")
    assert log_of(contest) == [
        (Action.REGRADE, 1, "", "the disk was full"),
        (Action.REGRADED, 1, "graded: OK with a BAC of 0.7000", ""),
    ]


def test_a_result_that_is_there_stays_and_both_are_compared(inside):
    """The same bits agree; others are told with exit status 3, kept as a run, and change no board."""
    contest, install = inside
    workers = install()
    submit(contest, "ann")
    contest.call("batch")
    assert "agrees with the first grading, to the last bit" in contest.call("retry", "1")
    workers.bacs["ann"] = 0.6
    printed = contest.call("retry", "1", status=3)
    assert "does not agree: first OK with a BAC of 0.7000, which counts; now OK with a BAC of 0.6000" in printed
    assert "0.7000" in contest.call("leaderboard", "--split", "test_a")
    assert len(contest.gradings()) == 1
    assert len(list(contest.runs.iterdir())) == 3
    assert [action for action, *_ in log_of(contest)] == [Action.REGRADE, Action.REGRADED] * 2


@pytest.mark.parametrize(("number", "said"), [("7", "no submission 7"), ("x", "NUMBER")])
def test_what_is_not_there_cannot_be_graded_again(inside, number, said):
    """An unknown number is one sentence, and no event."""
    contest, install = inside
    install()
    submit(contest, "ann")
    contest.call("batch")
    assert said in contest.call("retry", number, status=2)
    assert log_of(contest) == []


def test_nothing_is_graded_again_in_a_pause(inside):
    """A pause holds for `retry` too."""
    contest, install = inside
    install()
    submit(contest, "ann")
    contest.call("batch")
    contest.call("pause")
    assert "'grader resume' lets it go on" in contest.call("retry", "1", status=2)
    assert [action for action, *_ in log_of(contest)] == [Action.PAUSE]


def test_a_retry_that_is_stopped_can_be_asked_for_again(inside, monkeypatch):
    """Ctrl-C leaves no request behind that nobody carries out."""
    contest, install = inside
    workers = install()
    submit(contest, "ann")
    contest.call("batch")
    answers = workers.outcomes

    def stopped(tasks, at_once):
        raise KeyboardInterrupt
        yield

    workers.outcomes = stopped
    assert "stopped" in contest.call("retry", "1", status=130)
    workers.outcomes = answers
    assert "agrees" in contest.call("retry", "1")


@pytest.mark.slow
def test_a_real_grading_agrees_with_itself(contest, monkeypatch):
    """Trained again in the sandbox, a submission gives the same bits."""
    contest.describe()
    monkeypatch.chdir(contest.folder)
    submit(contest, "ann")
    contest.call("batch")
    assert "agrees with the first grading, to the last bit" in contest.call("retry", "1")
