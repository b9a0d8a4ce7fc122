"""What holds for every request, whichever page it asks for: whom it may come from, and what a browser may do with it.

A request that changes something must come from a page of this very site: the browser says so in Sec-Fetch-Site, or else
in Origin. One that carries a token comes from no browser, and no cookie counts in it.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from grader.site.site import Site

METHODS = ("GET", "HEAD", "POST")
HEADERS = {
    "content-security-policy": "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


def refusal(method: str, headers: Headers, site: Site) -> PlainTextResponse | None:
    """Return the answer to a request that is not for us; None where it may go on."""
    host = headers.get("host", "").lower()
    if host not in site.hosts:
        return PlainTextResponse(f"This site is {site.address}: ask for it by this address.\n", 421)
    if method not in METHODS:
        return PlainTextResponse("This site knows GET and POST only.\n", 405)
    if method == "POST" and not headers.get("authorization") and not from_here(headers, site):
        return PlainTextResponse("This came from another site, so nothing was done: open the page here again.\n", 403)
    return None


def from_here(headers: Headers, site: Site) -> bool:
    """Say whether a browser sent this from one of our own pages."""
    if (fetched := headers.get("sec-fetch-site")) is not None:
        return fetched == "same-origin"
    scheme = site.address.partition("://")[0]
    return headers.get("origin") in {f"{scheme}://{host}" for host in site.hosts}


class Guard:
    """The outermost part of the application.

    Args:
        app: what it guards.
        site: whose addresses count.
    """

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app, self._site = app, site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through; see ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if message["status"] >= 400:
                    headers["connection"] = "close"  # the rest of a body that nobody wants is not read
            await send(message)

        answer = refusal(scope["method"], Headers(scope=scope), self._site)
        await (answer or self._app)(scope, receive, send_guarded)
