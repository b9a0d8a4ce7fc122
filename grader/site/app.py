"""The application: which address leads where, what runs beside it, and how an error looks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from grader.site.asking import looking
from grader.site.entering import enter, leave, show_link
from grader.site.guard import Guard
from grader.site.hall import show_final, show_hall, show_news
from grader.site.live import follow
from grader.site.organizing import act, send_results, show_desk
from grader.site.page import page
from grader.site.receiving import hand_in
from grader.site.showing import (
    choose,
    make_token,
    send_handout,
    send_notebook,
    show_board,
    show_mine,
    show_report,
    show_start,
    show_submission,
    unchoose,
)
from grader.site.site import Site
from grader.verdicts import InfrastructureError

ROUTES = [
    Route("/", show_start),
    Route("/board", show_board),
    Route("/final", show_final),
    Route("/news", show_news),
    Route("/hall", show_hall),
    Route("/desk", show_desk),
    Route("/desk/results.csv", send_results),
    Route("/desk/{action}", act, methods=["POST"]),
    Route("/desk/submissions/{number:int}/{action}", act, methods=["POST"]),
    Route("/handout.zip", send_handout),
    Route("/enter/{secret}", show_link),
    Route("/enter", enter, methods=["POST"]),
    Route("/leave", leave, methods=["POST"]),
    Route("/mine", show_mine),
    Route("/token", make_token, methods=["POST"]),
    Route("/submissions", hand_in, methods=["POST"]),
    Route("/submissions/{receipt}", show_submission),
    Route("/submissions/{receipt}/events", follow),
    Route("/submissions/{receipt}/report", show_report),
    Route("/submissions/{receipt}/notebook", send_notebook),
    Route("/submissions/{receipt}/choose", choose, methods=["POST"]),
    Route("/submissions/{receipt}/unchoose", unchoose, methods=["POST"]),
]
NOT_FOUND = "There is no such page."


async def show_error(request: Request, error: Exception) -> Response:
    """Show what went wrong: one sentence that says what to do."""
    status, text = 500, "Something went wrong here, and it is not your fault. Try again, and tell the organizers."
    if isinstance(error, HTTPException):
        status, text = error.status_code, NOT_FOUND if error.detail == "Not Found" else error.detail
    elif isinstance(error, InfrastructureError):
        status, text = 503, "The contest's store cannot be used at the moment. Try again in a minute."
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"error": text}, status)
    return await run_in_threadpool(error_page, request, status, text)


def error_page(request: Request, status: int, text: str) -> Response:
    """Make the page of an error; a plain text where not even that can be made."""
    try:
        with looking(request) as look:
            return page(look, "error.html", status=status, text=text)
    except (HTTPException, InfrastructureError):
        return PlainTextResponse(text + "\n", status)


def make_app(site: Site) -> ASGIApp:
    """Make the application of a site."""

    @asynccontextmanager
    async def watching(app: Starlette) -> AsyncIterator[None]:
        await site.watch.look()
        watch = asyncio.create_task(site.watch.run())
        yield
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch

    handlers = {HTTPException: show_error, InfrastructureError: show_error, Exception: show_error}
    app = Starlette(routes=ROUTES, lifespan=watching, exception_handlers=handlers)
    app.state.site = site
    return Guard(app, site)
