"""The final ranking is published as it is at that moment, and only when it is whole."""

from datetime import UTC, datetime, timedelta

import pytest

from grader.contest import desk
from grader.contest.desk import Act
from grader.contest.events import Action, freeze_of, publication_of
from grader.contest.standings import standings_from, standings_json
from grader.contest.store import Store
from tests.running import contest, number_of, scripted, submit

__all__ = ["contest", "scripted"]  # fixtures

WHY = ("--reason", "a reason of ours")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACT = Act("olga", NOW, "a reason of ours")


def test_the_final_is_published_whole_and_as_it_was(contest, scripted, monkeypatch):
    """What is published is the ranking of that moment, to the last figure; a freeze ends with it, --undo withdraws."""
    contest.describe()
    monkeypatch.chdir(contest.folder)
    scripted().bacs = {"ann": 0.6, "bob": 0.8}
    submit(contest, "ann")
    submit(contest, "bob")
    contest.call("batch")
    contest.call("final", "--csv", "final.csv")
    contest.call("freeze")
    contest.call("publish")
    with Store(contest.store) as store:
        event = publication_of(store.events())
        assert freeze_of(store.events()) is None
    published = standings_from(event.text)
    assert [(row.participant, row.rank, row.bac_mean) for row in published.rows] == [("bob", 1, 0.8), ("ann", 2, 0.6)]
    assert standings_json(published) == event.text
    contest.call("publish", "--undo")
    with Store(contest.store) as store:
        assert publication_of(store.events()) is None


def test_a_final_that_lacks_gradings_is_not_published(contest, scripted, monkeypatch):
    """With seeds that nobody trained yet, and with nobody at all, `publish` says what is missing."""
    contest.describe(final={"seed": 1000, "seeds": 2})
    monkeypatch.chdir(contest.folder)
    scripted()
    submit(contest, "ann")
    contest.call("batch")
    assert "lacks 1 gradings: 'grader final' makes them" in contest.call("publish", status=2)
    contest.call("final")
    contest.call("set-aside", number_of(contest, "ann"), *WHY)
    assert "nobody stands in the final ranking" in contest.call("publish", status=2)
    with Store(contest.store) as store:
        assert [event.action for event in store.events()] == [Action.SET_ASIDE]


def test_a_final_is_not_published_while_the_contest_is_open(contest, scripted, monkeypatch):
    """Before the closing, extended or not, it is refused."""
    contest.describe(rules={"closing": datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)})
    monkeypatch.chdir(contest.folder)
    scripted()
    submit(contest, "ann")
    contest.call("batch")
    contest.call("final")
    assert "the final is published after that" in contest.call("publish", status=2)
    passed = NOW - timedelta(minutes=10)
    assert desk.publish(ACT, passed, "{}")([]).action is Action.PUBLISH
    with pytest.raises(ValueError, match="open until"):
        desk.publish(ACT, passed, "{}")([desk.extend(ACT, passed, 30)([])])
