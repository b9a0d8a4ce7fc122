"""What organizers asked for on their page and only the process that grades can do, as it has the data."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from grader.contest import (
    Act,
    Grading,
    Reuse,
    SiteStore,
    Workers,
    answer_again,
    asked_again,
    asked_to_publish,
    grade_again,
    make_jobs,
    publish_final,
    refuse_to_publish,
    stated_settings,
)
from grader.contest_file import Contest
from grader.verdicts import InfrastructureError

WHO = "the grading process"


def publish_if_asked(contest: Contest, store: SiteStore) -> bool:
    """Publish the final ranking if somebody asked, or say in the log why not; say whether somebody did."""
    request = asked_to_publish(store.events())
    if request is None:
        return False
    now = datetime.now(UTC)
    try:
        publish_final(contest, store, Act(request.who, now, request.reason))
    except (ValueError, InfrastructureError) as error:
        store.act(refuse_to_publish(Act(WHO, now), str(error)))
    return True


def grade_if_asked(
    contest: Contest, store: SiteStore, reuse: Reuse, workers: Workers, report: Callable[[Grading], None]
) -> bool:
    """Grade the submission again that somebody asked for first, and log what came of it; say whether there was one.

    Args:
        contest: the contest.
        store, reuse, workers: what is graded with.
        report: writes the report of a grading.
    """
    requests = asked_again(store.events())
    if not requests:
        return False
    number = requests[0].submission
    submission = None if number is None else store.submission(number)
    assert submission is not None  # a request names one, and none is ever deleted
    settings = stated_settings(contest)
    [job] = make_jobs([submission], settings, [settings.seed])
    try:
        outcome = grade_again(job, store, reuse, workers, contest.runs)
    except InfrastructureError as error:
        outcome = f"not graded: {error.message}"
    if graded := store.finished(job.submission, job.key):
        report(graded)
    store.act(answer_again(Act(WHO, datetime.now(UTC)), submission, outcome))
    return True
