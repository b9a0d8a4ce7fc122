"""What the contest file states of each board: how its gradings are made, and by which rules it is."""

from __future__ import annotations

from grader.contest.boards import PUBLIC, Rules
from grader.contest.options import rules_of
from grader.contest.store import Store
from grader.contest_file import Contest
from grader.grading import Settings
from grader.options import chosen_device


def stated_settings(contest: Contest, split: str = PUBLIC) -> Settings:
    """Return how the gradings of a board are made: the public one's, or those of any other split as for the final."""
    grading, final = contest.grading, contest.final
    public = split == PUBLIC
    return Settings(
        data=contest.data,
        split=split,
        train="train" if public else final.train,
        seed=grading.seed if public else final.seed,
        device=chosen_device(grading.device),
        threads=grading.threads,
        backend=grading.sandbox,
        image=grading.image,
        seconds=grading.time_limit,
        guard=grading.guard,
    )


def stated_rules(contest: Contest, store: Store, split: str = PUBLIC) -> Rules:
    """Return the rules of a board, all of them as the contest file and the store say."""
    settings = stated_settings(contest, split)
    return rules_of(
        contest,
        store,
        data=contest.data,
        policy=contest.rules.policy,
        daily_limit=contest.rules.daily_limit,
        seed=settings.seed,
        seeds=1 if split == PUBLIC else contest.final.seeds,
        public_seed=contest.grading.seed,
        train=settings.train,
    )
