"""The organizers' page: our failures first, then the queue, what holds at the moment, and a button for every action.

Each button adds the same entry to the log as the command of its name. What needs the data is asked for, and carried out
by the process that grades; see `grader.site.asked`.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from grader.contest import (
    Act,
    Decide,
    SiteStore,
    announce,
    ask_again,
    ask_to_publish,
    asked_again,
    asked_to_publish,
    extend,
    freeze,
    freeze_of,
    pause,
    pause_of,
    publication_of,
    refusal_of,
    resume,
    set_aside,
    unfreeze,
    withdraw,
)
from grader.site.asking import ORGANIZER, Look, looking
from grader.site.entering import form_of
from grader.site.page import page
from grader.site.reports import results_file
from grader.site.site import Site

SHOWN = 50  # rows of each table
Form = Mapping[str, str]


def minutes_of(form: Form) -> int:
    """Return the minutes of a form.

    Raises:
        ValueError: these are none.
    """
    text = form.get("minutes", "").strip()
    if not text.isdecimal() or len(text) > 6:
        raise ValueError("say by how many minutes, as a whole number")
    return int(text)


ACTIONS: Mapping[str, Callable[[Act, Site, Form], Decide]] = {
    "pause": lambda act, site, form: pause(act),
    "resume": lambda act, site, form: resume(act),
    "extend": lambda act, site, form: extend(act, site.contest.rules.closing, minutes_of(form)),
    "announce": lambda act, site, form: announce(act, form.get("message", "")),
    "freeze": lambda act, site, form: freeze(act),
    "unfreeze": lambda act, site, form: unfreeze(act),
    "publish": lambda act, site, form: ask_to_publish(act),
    "withdraw": lambda act, site, form: withdraw(act),
}
ABOUT_ONE = ("set-aside", "take-back", "retry")


def show_desk(request: Request) -> Response:
    """Show organizers how the contest stands, with a button for everything that they may do."""
    with looking(request, ORGANIZER) as look:
        return page(look, "desk.html", **at_the_desk(look, request.query_params.get("find", "").strip()))


def at_the_desk(look: Look, wanted: str) -> dict[str, Any]:
    """Collect what the organizers' page shows.

    Args:
        look: the request's look.
        wanted: a number, or a part of a name, of whose submissions are listed; "" for the newest.
    """
    queue = "site_queue q JOIN site_submissions s ON s.id = q.submission_id"
    return {
        "failures": look.rows(
            "SELECT s.*, f.message FROM site_failures f JOIN site_submissions s ON s.id = f.submission_id "
            f"ORDER BY grading_id DESC LIMIT {SHOWN}"
        ),
        "queue": look.rows(
            f"SELECT q.place, q.phase, q.started_at, s.id, s.name, s.file_name, s.submitted_at FROM {queue} "
            f"ORDER BY q.place LIMIT {SHOWN}"
        ),
        "queued": look.rows("SELECT count(*) AS number FROM site_queue")[0]["number"],
        "grading": is_held(look.site.contest.store.with_suffix(".worker")),
        "workers": look.site.contest.grading.workers or 1,
        "pause": pause_of(look.events),
        "freeze": freeze_of(look.events),
        "published": publication_of(look.events),
        "asked_to_publish": asked_to_publish(look.events),
        "refusal": refusal_of(look.events),
        "asked": {event.submission for event in asked_again(look.events)},
        "wanted": wanted,
        "found": found(look, wanted),
        "log": look.events[: -SHOWN - 1 : -1],
        "results": results_file(look.site.contest.store).is_file(),
    }


def found(look: Look, wanted: str) -> list[dict[str, Any]]:
    """Return the newest submissions of a number or of who has this in their name, each with what came of it."""
    number = int(wanted) if wanted.isdecimal() and len(wanted) < 16 else -1
    return look.rows(
        "SELECT s.*, (SELECT verdict FROM site_results r WHERE r.submission_id = s.id AND r.seed = ?1 "
        "ORDER BY r.id DESC LIMIT 1) AS verdict, (SELECT points FROM site_results r WHERE r.submission_id = s.id "
        "AND r.seed = ?1 ORDER BY r.id DESC LIMIT 1) AS points FROM site_submissions s "
        f"WHERE ?2 = '' OR s.id = ?3 OR instr(lower(s.name), lower(?2)) ORDER BY s.id DESC LIMIT {SHOWN}",
        look.site.contest.grading.seed,
        wanted,
        number,
    )


def is_held(lock: Path) -> bool:
    """Say whether the process that grades is there: it holds this lock as long as it lives."""
    try:
        with open(lock, "rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def act_of(look: Look, form: Form) -> Act:
    """Make the act of the organizer who asks."""
    assert look.member is not None
    return Act(f"organizer {look.member.id}", look.now, " ".join(form.get("reason", "").split()))


def require_organizer(request: Request) -> None:
    """Settle that an organizer asks, before anything else of the request is read.

    Raises:
        HTTPException: somebody else does.
    """
    with looking(request, ORGANIZER):
        pass


async def act(request: Request) -> Response:
    """Do what a button says."""
    await run_in_threadpool(require_organizer, request)
    form = await form_of(request)
    return await run_in_threadpool(do, request, form)


def do(request: Request, form: Form) -> Response:
    """Add the entry to the log that a button stands for, and show the page again.

    Raises:
        HTTPException: there is no such button, or what it says cannot be done; the message says why.
    """
    action, number = request.path_params["action"], request.path_params.get("number")
    with looking(request, ORGANIZER) as look:
        site, act = look.site, act_of(look, form)
    try:
        with SiteStore(site.contest.store) as store:
            if number is not None:
                store.act(about_one(action, act, store, number))
            elif action in ACTIONS:
                store.act(ACTIONS[action](act, site, form))
            else:
                raise HTTPException(404, "There is no such action.")
    except ValueError as error:
        text = str(error)
        raise HTTPException(409, f"{text[0].upper()}{text[1:]}. Nothing was changed.") from None
    return RedirectResponse("/desk", 303)


def about_one(action: str, act: Act, store: SiteStore, number: int) -> Decide:
    """Return what is to be done with one submission.

    Raises:
        HTTPException: there is no such action, or no such submission.
        ValueError: see the decisions.
    """
    submission = store.submission(number)
    if submission is None or action not in ABOUT_ONE:
        raise HTTPException(404, "There is no such submission.")
    if action == "retry":
        return ask_again(act, submission)
    return set_aside(act, submission, undo=action == "take-back")


def send_results(request: Request) -> Response:
    """Send organizers the results as a CSV, as of the last board."""
    with looking(request, ORGANIZER) as look:
        file = results_file(look.site.contest.store)
    if not file.is_file():
        raise HTTPException(404, "There are no results yet: they are written with the first board.")
    return FileResponse(file, filename="results.csv", media_type="text/csv")
