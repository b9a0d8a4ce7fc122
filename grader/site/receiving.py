"""A notebook comes in: who may hand in is settled before a byte of it is read, bytes and time are counted while it is.

An answer that says "received" is given when the file and its row outlive a loss of power, and not before. What cannot
be graded at all is refused at once, in the words of `grader check`, and uses up nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import Message

from grader.contest import QuotaUsedUp, SiteStore, Upload, identify, utc_text
from grader.options import say
from grader.safe_io import plain_line
from grader.site.asking import PARTICIPANT, looking
from grader.site.own import own_submissions, used_today
from grader.site.page import both_times
from grader.site.site import Site
from grader.submission import read_submission
from grader.verdicts import InfrastructureError, ParticipantFault

FORM_BYTES = 16 << 10  # what a form needs around its file
FIELD = "notebook"
NOT_KEPT = "Your notebook could not be kept, and nothing is used up: try again, and tell the organizers."


def admit(request: Request, site: Site, began: datetime) -> int:
    """Settle who hands in and whether they may now; return the participant's number.

    Raises:
        HTTPException: they may not; the message says why.
    """
    with looking(request, PARTICIPANT) as look:
        me = look.me
        if look.opening is not None and utc_text(began) < utc_text(look.opening):
            raise HTTPException(403, f"The contest opens at {both_times(look.opening)}. Nothing was received.")
        if look.closing is not None and utc_text(began) > utc_text(look.closing):
            raise HTTPException(403, f"The contest closed at {both_times(look.closing)}. Nothing was received.")
        limit = site.contest.rules.daily_limit
        if limit is not None and used_today(own_submissions(look), look.now) >= limit:
            raise HTTPException(429, quota_words(limit, began))
    return me


def quota_words(limit: int, now: datetime) -> str:
    """Say that a day's submissions are used up, and when the next ones are there."""
    return f"Your {limit} submissions of this day are used up. More can be handed in from {both_times(next_day(now))}."


def next_day(now: datetime) -> datetime:
    """Return when the next UTC day begins."""
    return (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


@asynccontextmanager
async def only_upload(site: Site, participant: int) -> AsyncIterator[None]:
    """Let a participant have one upload at a time.

    Raises:
        HTTPException: another one of theirs is under way.
    """
    if participant in site.uploading:
        raise HTTPException(429, "Another notebook of yours is arriving at this moment: wait until it is there.")
    site.uploading.add(participant)
    try:
        yield
    finally:
        site.uploading.discard(participant)


def too_large(most: int) -> HTTPException:
    """Make the answer to a notebook that is too large."""
    return HTTPException(
        413,
        f"Notebooks of up to {most >> 10} KiB are taken. Clear the outputs (Edit, Clear Outputs of All Cells), "
        "save it, and hand it in again.",
    )


async def read_notebook(request: Request, most: int, seconds: float) -> tuple[str, bytes]:
    """Read a form with one file, byte-counted and against the clock; return the file's name and its bytes.

    Raises:
        HTTPException: it is too large, too slow, or no such form.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise HTTPException(415, "Hand in one .ipynb file, by the form of the site or with 'grader submit'.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most + FORM_BYTES:
        raise too_large(most)
    count = 0

    async def receive() -> Message:
        nonlocal count
        message = await request.receive()
        count += len(message.get("body", b""))
        if count > most + FORM_BYTES:
            raise too_large(most)
        return message

    try:
        async with asyncio.timeout(seconds):
            async with Request(request.scope, receive).form(max_files=1, max_fields=2) as form:
                file = form.get(FIELD)
                if not isinstance(file, UploadFile):
                    raise HTTPException(400, "No file was chosen: choose your .ipynb file, then hand it in.")
                raw = await file.read()
                name = plain_line((file.filename or "").replace("\\", "/").rpartition("/")[2]) or "notebook.ipynb"
    except TimeoutError:
        raise HTTPException(408, f"The notebook took longer than {seconds:g} s to arrive: hand it in again.") from None
    except ClientDisconnect:
        raise HTTPException(400, "The connection ended before the notebook was there.") from None
    if len(raw) > most:
        raise too_large(most)
    return name, raw


def keep(site: Site, participant: int, name: str, raw: bytes, began: datetime) -> str:
    """Keep a notebook that can be graded; return its receipt.

    Raises:
        HTTPException: it cannot be graded, cannot be kept, or the quota is used up meanwhile.
    """
    try:
        read_submission(raw)
    except ParticipantFault as fault:
        raise HTTPException(422, f"{fault.message}. Nothing was received, and nothing is used up.") from None
    file_sha256, code = identify(raw)
    upload = Upload(participant, name, file_sha256, code, len(raw), began, site.clock())
    limit = site.contest.rules.daily_limit
    try:
        with SiteStore(site.contest.store) as store:
            return store.take_in(upload, limit, lambda: store.kept.put(file_sha256, raw))
    except QuotaUsedUp:
        raise HTTPException(429, quota_words(limit or 0, began)) from None
    except InfrastructureError as error:
        say(f"error: a notebook could not be kept: {plain_line(error.message)}", err=True)
        raise HTTPException(507, NOT_KEPT) from None


async def hand_in(request: Request) -> Response:
    """Receive a notebook."""
    site: Site = request.app.state.site
    began = site.clock()
    participant = await run_in_threadpool(admit, request, site, began)
    async with only_upload(site, participant):
        name, raw = await read_notebook(request, site.contest.site.largest_kib << 10, site.body_seconds)
        receipt = await run_in_threadpool(keep, site, participant, name, raw, began)
    await site.watch.look()
    place = f"/submissions/{receipt}"
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"receipt": receipt, "place": place}, 201)
    return RedirectResponse(place, 303)
