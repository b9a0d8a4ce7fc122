"""A page of the site: what the frame shows on each of them, and one filled template."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from starlette.responses import HTMLResponse

from grader.contest import announcements, freeze_of, publication_of
from grader.pages import render_live
from grader.site.asking import Look

SHOWN = 5  # announcements, the newest first
STYLE, SCRIPT = "site.css", "site.js"


def both_times(time: datetime | str) -> str:
    """Write a time in UTC and in the server's own zone, to the second."""
    moment = datetime.fromisoformat(time) if isinstance(time, str) else time
    utc, local = moment.astimezone(UTC), moment.astimezone()
    text = f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    if local.utcoffset():
        text += f" ({local:%H:%M:%S %Z}{f', {local:%d %b}' * (local.date() != utc.date())})"
    return text


def page(look: Look, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Fill a template with what every page shows and what this one shows besides.

    Args:
        look: the request's look.
        template: its file's name.
        status: of the answer.
        values: what the template needs besides the frame.
    """
    frame = {
        "status": status,
        "title": look.site.contest.title,
        "member": look.member,
        "now": look.now,
        "opening": look.opening,
        "closing": look.closing,
        "frozen": freeze_of(look.events),
        "final": publication_of(look.events) is not None,
        "announcements": announcements(look.events)[: -SHOWN - 1 : -1],
        "both": both_times,
    }
    return HTMLResponse(render_live(template, __package__, STYLE, SCRIPT, **frame, **values), status)
