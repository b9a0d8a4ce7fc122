"""A submission's progress as server-sent events, until it is graded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from grader.site.asking import PARTICIPANT, looking
from grader.site.showing import one_of_mine
from grader.site.site import Site

MOST_STREAMS = 8  # of one participant
QUIET_SECONDS = 20.0  # after so long without news a line is sent, so that no proxy ends the connection


def require_mine(request: Request) -> tuple[int, str]:
    """Return the participant who asks, and the receipt that a request names.

    Raises:
        HTTPException: it is nobody's, or somebody else's.
    """
    with looking(request, PARTICIPANT) as look:
        return look.me, one_of_mine(request, look).receipt or ""


async def follow(request: Request) -> Response:
    """Send how far a submission is, whenever it changes; the last event says that it is done."""
    participant, receipt = await run_in_threadpool(require_mine, request)
    site: Site = request.app.state.site
    if site.listening[participant] >= MOST_STREAMS:
        raise HTTPException(429, "You watch too many pages at once: close some of them.")
    headers = {"x-accel-buffering": "no"}
    return StreamingResponse(counted(site, participant, receipt), media_type="text/event-stream", headers=headers)


async def counted(site: Site, participant: int, receipt: str) -> AsyncIterator[str]:
    """Yield the events of one submission, and count the stream as long as it is open."""
    site.listening[participant] += 1
    try:
        async for event in told(site, receipt):
            yield event
    finally:
        site.listening[participant] -= 1


async def told(site: Site, receipt: str) -> AsyncIterator[str]:
    """Yield the events of one submission."""
    last = ""
    while True:
        progress = site.watch.progress(receipt)
        words = progress.words if progress else "done"
        yield f"data: {json.dumps({'words': words, 'done': progress is None})}\n\n" if words != last else ": \n\n"
        if progress is None:
            return
        last = words
        try:
            await asyncio.wait_for(site.watch.change(), QUIET_SECONDS)
        except TimeoutError:
            continue
