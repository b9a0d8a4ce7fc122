"""The pages that are looked at: the start, the board, one's own submissions, one submission and what came of it."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response

from grader.contest import SiteStore, TooManyChoices, kept_beside
from grader.contest_file import Audience
from grader.pages import ADVICE
from grader.site.asking import ORGANIZER, PARTICIPANT, SCREEN, Look, looking
from grader.site.own import Own, own_submissions, used_today
from grader.site.page import both_times, page
from grader.site.receiving import next_day
from grader.site.reports import report_file
from grader.site.story import story_html
from grader.submission import read_submission
from grader.verdicts import ParticipantFault, Verdict


def show_start(request: Request) -> Response:
    """Show the task and the dates; members can download the data."""
    with looking(request) as look:
        return page(look, "start.html", story=story_html(look.site.opening), handout=look.site.handout is not None)


def audience(request: Request) -> tuple[str, ...]:
    """Return the roles that may see boards; none where everybody may."""
    everybody = request.app.state.site.contest.site.board is Audience.PUBLIC
    return () if everybody else (PARTICIPANT, ORGANIZER, SCREEN)


def show_board(request: Request) -> Response:
    """Show the board, to everybody or to members, as the contest says."""
    with looking(request, *audience(request)) as look:
        made_at, rows = board_of(look)
        return page(look, "board.html", rows=rows, made_at=made_at)


def board_of(look: Look) -> tuple[str | None, list[dict[str, Any]]]:
    """Return when the public board was made, and its rows; None and no rows before the first."""
    found = look.rows("SELECT * FROM site_board")
    return (found[0]["made_at"], json.loads(found[0]["board"])) if found else (None, [])


def show_mine(request: Request) -> Response:
    """Show a participant what they handed in, what counts, and what is left; here the next one is handed in."""
    with looking(request, PARTICIPANT) as look:
        return page(look, "mine.html", **mine(look), token=None)


def mine(look: Look) -> dict[str, Any]:
    """Collect what the page of one's own submissions shows."""
    rules, submissions = look.site.contest.rules, own_submissions(look)
    counted = next((row["counted"] for row in board_of(look)[1] if row["counted"] in {s.id for s in submissions}), None)
    return {
        "submissions": submissions,
        "progress": {s.receipt: look.site.watch.progress(s.receipt) for s in submissions if s.receipt},
        "counted": counted,
        "counting": rules.policy.value,
        "choices": look.site.contest.final.choices,
        "limit": rules.daily_limit,
        "left": None if rules.daily_limit is None else max(rules.daily_limit - used_today(submissions, look.now), 0),
        "next_day": next_day(look.now),
        "most_kib": look.site.contest.site.largest_kib,
        "address": look.site.address,
    }


def one_of_mine(request: Request, look: Look) -> Own:
    """Return the submission that a request names.

    Raises:
        HTTPException: there is none of this name, or it is somebody else's.
    """
    wanted = request.path_params["receipt"]
    found = next((each for each in own_submissions(look) if each.receipt == wanted), None)
    if found is None:
        raise HTTPException(404, "There is no such submission of yours.")
    return found


def show_submission(request: Request) -> Response:
    """Show one submission: its receipt, how far its grading is, what came of it."""
    with looking(request, PARTICIPANT) as look:
        submission = one_of_mine(request, look)
        progress = look.site.watch.progress(submission.receipt or "")
        verdict = Verdict(submission.verdict) if submission.verdict else None
        words = "graded" if verdict else progress.words if progress else "waiting"
        if "application/json" in request.headers.get("accept", ""):
            names = ("verdict", "points", "message", "file_sha256", "submitted_at", "received_at")
            state = {name: getattr(submission, name) for name in names}
            return JSONResponse(state | {"words": words, "notices": notices_of(look, submission)})
        return page(
            look,
            "submission.html",
            it=submission,
            words=words,
            advice=ADVICE[verdict] if verdict else "",
            notices=notices_of(look, submission),
            report=bool(submission.run) and report_file(look.site.contest.runs, submission.run).is_file(),
        )


def notices_of(look: Look, submission: Own) -> tuple[str, ...]:
    """Say of a submission what can be said without running it, in the words of `grader check`."""
    return read_notices(look.site.contest.store, submission.file_sha256)


@lru_cache(maxsize=1024)
def read_notices(store: Path, file_sha256: str) -> tuple[str, ...]:
    """Read them from the file that was kept."""
    raw = kept_beside(store).get(file_sha256)
    try:
        return read_submission(raw).notices if isinstance(raw, bytes) else ()
    except ParticipantFault:
        return ()


def show_report(request: Request) -> Response:
    """Show the report of one's own submission, in a sandbox: it holds a participant's own words."""
    with looking(request, PARTICIPANT) as look:
        submission = one_of_mine(request, look)
        file = report_file(look.site.contest.runs, submission.run)
        if not submission.run or not file.is_file():
            raise HTTPException(404, "There is no report of it yet.")
        return HTMLResponse(file.read_bytes(), headers={"content-security-policy": "sandbox; frame-ancestors 'none'"})


def send_notebook(request: Request) -> Response:
    """Send a participant their own notebook back, as it was received."""
    with looking(request, PARTICIPANT) as look:
        submission = one_of_mine(request, look)
        raw = kept_beside(look.site.contest.store).get(submission.file_sha256)
    if not isinstance(raw, bytes):
        raise HTTPException(404, "This notebook is not kept.")
    name = f"submission-{submission.file_sha256[:12]}.ipynb"
    headers = {"content-disposition": f'attachment; filename="{name}"', "content-security-policy": "sandbox"}
    return Response(raw, media_type="text/plain", headers=headers)


def send_handout(request: Request) -> Response:
    """Send the public data to who is inside; to participants from the opening on."""
    with looking(request, PARTICIPANT, ORGANIZER) as look:
        file, early = look.site.handout, look.opening is not None and look.now < look.opening
        if early and look.member is not None and look.member.role == PARTICIPANT:
            raise HTTPException(403, f"The contest opens at {both_times(look.opening or '')}: then the data is here.")
    if file is None:
        raise HTTPException(404, "There is nothing to hand out.")
    return FileResponse(file, filename="handout.zip", media_type="application/zip")


def choose(request: Request) -> Response:
    """Choose a submission for the final."""
    return mark(request, chosen=True)


def unchoose(request: Request) -> Response:
    """Take a choice for the final back."""
    return mark(request, chosen=False)


def mark(request: Request, *, chosen: bool) -> Response:
    """Mark a submission for the final or not, as long as the contest is open."""
    with looking(request, PARTICIPANT) as look:
        submission, me, choices = one_of_mine(request, look), look.me, look.site.contest.final.choices
        if look.closing is not None and look.now > look.closing:
            raise HTTPException(403, "The contest is closed: what was chosen stays chosen.")
    try:
        with SiteStore(look.site.contest.store) as store:
            store.choose(me, submission.receipt or "", chosen, choices)
    except TooManyChoices:
        raise HTTPException(409, f"You may choose {choices} for the final: take another choice back first.") from None
    return RedirectResponse("/mine", 303)


def make_token(request: Request) -> Response:
    """Make a personal token for `grader submit`, and show it this once; the one before it ends."""
    with looking(request, PARTICIPANT) as look:
        assert look.member is not None
        with SiteStore(look.site.contest.store) as store:
            token = store.open_session(look.member.id, "token", look.now)
        return page(look, "mine.html", **mine(look), token=token)
