"""In and out: a secret link is exchanged for a session, on a button only, as mail scanners follow links."""

from __future__ import annotations

import asyncio
import secrets
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from grader.contest import SiteStore, digest
from grader.site.asking import ORGANIZER, PARTICIPANT, SCREEN, cookie_name, looking
from grader.site.page import page
from grader.site.site import Site

FORM_BYTES, FORM_SECONDS = 8 << 10, 10.0
COOKIE_SECONDS = 14 * 24 * 3600
HOME = {PARTICIPANT: "/mine", ORGANIZER: "/desk", SCREEN: "/hall"}  # where each role begins


async def form_of(request: Request) -> dict[str, str]:
    """Read a small form: its fields' first values.

    Raises:
        HTTPException: it is too large or too slow.
    """
    body = b""
    try:
        async with asyncio.timeout(FORM_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > FORM_BYTES:
                    raise HTTPException(413, "This form is too large.")
    except TimeoutError:
        raise HTTPException(408, "This form took too long to arrive: send it again.") from None
    except ClientDisconnect:
        raise HTTPException(400, "The connection ended before the form was there.") from None
    return {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}


def show_link(request: Request) -> Response:
    """Show the page of a secret link: one button. Whether the link is good is told who presses it."""
    with looking(request) as look:
        return page(look, "enter.html", secret=request.path_params["secret"])


async def enter(request: Request) -> Response:
    """Exchange a secret for a session."""
    form = await form_of(request)
    return await run_in_threadpool(let_in, request, form.get("secret", ""))


def let_in(request: Request, secret: str) -> Response:
    """Open a session for who has a good secret."""
    site: Site = request.app.state.site
    client = request.client.host if request.client else ""
    if site.tries.spent(client):
        raise HTTPException(429, "Too many wrong links came from this address: wait ten minutes.")
    wanted = digest(secret)
    with looking(request) as look:
        rows = look.rows("SELECT * FROM site_links WHERE sha256 = ?", wanted)
    found = next((row for row in rows if secrets.compare_digest(row["sha256"], wanted)), None)
    if found is None:
        site.tries.failed(client)
        raise HTTPException(403, "This link is not good any more: ask the organizers for a new one.")
    with SiteStore(site.contest.store) as store:
        cookie = store.open_session(found["member_id"], "cookie", site.clock())
    answer = RedirectResponse(HOME[found["role"]], 303)
    answer.set_cookie(
        cookie_name(site), cookie, max_age=COOKIE_SECONDS, path="/", secure=site.secure, httponly=True, samesite="lax"
    )
    return answer


def leave(request: Request) -> Response:
    """End the session of who asks."""
    site: Site = request.app.state.site
    if cookie := request.cookies.get(cookie_name(site)):
        with SiteStore(site.contest.store) as store:
            store.close_session(cookie)
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(cookie_name(site), path="/", secure=site.secure, httponly=True, samesite="lax")
    return answer
