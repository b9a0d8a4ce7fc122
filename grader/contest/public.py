"""The public board as the contest file says: how its gradings are made, and by which rules it is."""

from __future__ import annotations

from grader.contest.boards import PUBLIC, Rules
from grader.contest.options import rules_of
from grader.contest.store import Store
from grader.contest_file import Contest
from grader.grading import Settings
from grader.options import chosen_device


def public_settings(contest: Contest) -> Settings:
    """Return how the public board's gradings are made."""
    grading = contest.grading
    return Settings(
        data=contest.data,
        split=PUBLIC,
        train="train",
        seed=grading.seed,
        device=chosen_device(grading.device),
        threads=grading.threads,
        backend=grading.sandbox,
        image=grading.image,
        seconds=grading.time_limit,
        guard=grading.guard,
    )


def public_rules(contest: Contest, store: Store) -> Rules:
    """Return the rules of the public board, all of them as the contest file and the store say."""
    return rules_of(
        contest,
        store,
        data=contest.data,
        policy=contest.rules.policy,
        daily_limit=contest.rules.daily_limit,
        seed=contest.grading.seed,
        seeds=1,
        public_seed=contest.grading.seed,
        train="train",
    )
