"""What everybody looks at together: the board for a hall, page after page, the final ranking, what was announced."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from grader.contest import announcements, standings_from
from grader.site.asking import Look, looking
from grader.site.page import page
from grader.site.showing import audience, board_of

ROWS = 10  # of a page in the hall: so few that they are read from ten metres
TURN_SECONDS = 12


def show_hall(request: Request) -> Response:
    """Show some rows of the board in large letters; the page turns to the next rows by itself, without a script."""
    with looking(request, *audience(request)) as look:
        final = final_of(look)
        rows = [row for row in (final or board_of(look)[1]) if not row["reference"]]
        start = start_of(request.query_params.get("from", ""), len(rows))
        after = start + ROWS if start + ROWS < len(rows) else 0
        return page(
            look,
            "hall.html",
            rows=rows[start : start + ROWS],
            first=start + 1,
            number=len(rows),
            next_page=f"/hall?from={after}",
            turn=TURN_SECONDS,
            is_final=final is not None,
        )


def start_of(text: str, rows: int) -> int:
    """Return the first row of a page, from 0; 0 for what is no number or beyond the board."""
    number = int(text) if text.isdecimal() and len(text) < 10 else 0
    return number - number % ROWS if number < rows else 0


def final_of(look: Look) -> list[dict[str, Any]] | None:
    """Return the rows of the published final ranking; None where none is published."""
    for found in look.rows("SELECT * FROM site_final"):
        return [vars(row) | {"imitates": row.imitates} for row in standings_from(found["text"]).rows]
    return None


def show_news(request: Request) -> Response:
    """Show everything that was announced, the newest first; open pages take their news from here."""
    with looking(request) as look:
        return page(look, "news.html", everything=announcements(look.events)[::-1])


def show_final(request: Request) -> Response:
    """Show the published final ranking, to whom the board is shown."""
    with looking(request, *audience(request)) as look:
        rows = final_of(look)
        if rows is None:
            raise HTTPException(404, "The final ranking is not published yet.")
        return page(look, "final.html", rows=rows, any_shift=any(row["shift"] is not None for row in rows))
