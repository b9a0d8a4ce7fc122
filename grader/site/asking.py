"""Who asks, and what they may see: from a cookie or a token to a member, and the public view for one request."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from grader.contest import LogEntry, closing_after, digest, public_view, read_events, utc_text
from grader.site.site import Site

PARTICIPANT, ORGANIZER, SCREEN = "participant", "organizer", "screen"
UNKNOWN = "Open your own link first: the organizers gave you one, printed or by mail."


@dataclass(frozen=True)
class Member:
    """Somebody who is inside.

    Attributes:
        id: the number of their link.
        role: "participant", "organizer" or "screen".
        participant: a participant's number in the store; None for the others.
        name: a participant's name, foreign text; for the others, their role.
    """

    id: int
    role: str
    participant: int | None
    name: str


@dataclass(frozen=True)
class Look:
    """One request's look at the site.

    Attributes:
        site: the site.
        view: the store's public view.
        member: who asks; None for anybody.
        now: the server's time.
    """

    site: Site
    view: sqlite3.Connection
    member: Member | None
    now: datetime

    @property
    def opening(self) -> datetime | None:
        """When the contest opens; None where it is open from the start."""
        return self.site.contest.rules.opening

    @property
    def closing(self) -> datetime | None:
        """When the contest closes, as it is now; None where it never does."""
        return closing_after(self.site.contest.rules.closing, self.events)

    @cached_property
    def events(self) -> list[LogEntry]:
        """What organizers did; see `read_events`."""
        return read_events(self.view, "site_events")

    @property
    def me(self) -> int:
        """The participant's number of who asks.

        Raises:
            HTTPException: no participant asks.
        """
        if self.member is None or self.member.participant is None:
            raise HTTPException(403, "This page is for participants.")
        return self.member.participant

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Return what a query of the views finds."""
        return [dict(row) for row in self.view.execute(query, values)]


def cookie_name(site: Site) -> str:
    """Return the name of the session's cookie; a browser takes the prefix for this very host alone, and with TLS."""
    return "__Host-session" if site.secure else "session"


def secret_of(request: Request, site: Site) -> tuple[str, str]:
    """Return what a request shows, and its kind: a token in Authorization, else a cookie."""
    if (header := request.headers.get("authorization")) is not None:
        return header.removeprefix("Bearer ").strip(), "token"
    return request.cookies.get(cookie_name(site), ""), "cookie"


def member_of(request: Request, site: Site, view: sqlite3.Connection, now: datetime) -> Member | None:
    """Find out who asks; None where it is nobody that we know.

    Raises:
        HTTPException: a token is wrong, or too many were tried from this address.
    """
    secret, kind = secret_of(request, site)
    if not secret:
        return None
    client = request.client.host if request.client else ""
    if site.tries.spent(client) and kind == "token":
        raise HTTPException(429, "Too many wrong tokens came from this address: wait ten minutes.")
    wanted = digest(secret)
    for row in view.execute("SELECT * FROM site_sessions WHERE sha256 = ? AND kind = ?", (wanted, kind)):
        if secrets.compare_digest(row["sha256"], wanted) and row["ends_at"] > utc_text(now):
            return Member(row["member_id"], row["role"], row["participant_id"], row["name"] or row["role"])
    if kind == "token":
        site.tries.failed(client)
        raise HTTPException(401, "This token is not known: make a new one on your page of submissions.")
    return None


@contextmanager
def looking(request: Request, *roles: str) -> Iterator[Look]:
    """Look at the site for a request.

    Args:
        request: the request.
        roles: who may; nobody named means everybody.

    Raises:
        HTTPException: whoever asks is not inside, or may not.
    """
    site: Site = request.app.state.site
    now = site.clock()
    with public_view(site.contest.store) as view:
        member = member_of(request, site, view, now)
        if roles and member is None:
            raise HTTPException(401, UNKNOWN)
        if roles and member is not None and member.role not in roles:
            raise HTTPException(403, f"This page is for {' and '.join(f'{role}s' for role in roles)}.")
        yield Look(site, view, member, now)
