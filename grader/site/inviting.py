"""The command ``grader invite``: secret links, as a table to mail and as a sheet to print and cut."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from markupsafe import Markup

from grader.contest import Aside, SiteStore, alike, read_names
from grader.contest_file import DEFAULT, ContestOption
from grader.options import USAGE, fail, require_writable, say
from grader.safe_io import csv_cell, plain_line, plain_name, write_whole
from grader.site.serving import UrlOption, address_of, require_contest, require_extra
from grader.verdicts import InfrastructureError

COLUMNS = ["name", "link"]


def invite_command(
    contest: ContestOption,
    participants: Annotated[
        Path | None,
        typer.Argument(metavar="CSV", exists=True, dir_okay=False, help="One participant a row, in the column name."),
    ] = None,
    again: Annotated[
        list[str] | None, typer.Option("--again", metavar="NAME", help="A new link; the one before is good no more.")
    ] = None,
    revoke: Annotated[
        list[str] | None, typer.Option("--revoke", metavar="NAME", help="Their link and session end; no new one.")
    ] = None,
    organizer: Annotated[bool, typer.Option("--organizer", help="Print a new link for an organizer.")] = False,
    screen: Annotated[bool, typer.Option("--screen", help="Print a new link for a screen: the board alone.")] = False,
    end_all: Annotated[
        bool, typer.Option("--end-all", help="With --organizer or --screen: end all links of this kind, make none.")
    ] = False,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE.csv", help="All links; a sheet to print lies beside it, .html.")
    ] = Path("links.csv"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of the site, where it has no other address.")] = 8000,
    url: UrlOption = DEFAULT.site.url,
) -> None:
    """Give each participant a secret link to the site. Who has one keeps it: run it again for new people.

    Links are shown this once: the store keeps no more than their checksums.
    """
    require_contest(contest)
    require_extra()
    address = address_of("127.0.0.1", port, url)
    if participants is None and not (again or revoke or organizer or screen):
        raise typer.BadParameter("name a CSV of participants, or give --again, --revoke, --organizer or --screen")
    require_writable(files=(out, out.with_suffix(".html")))
    names: list[str] = []
    aside: list[Aside] = []
    if participants is not None:
        try:
            names, aside = read_names(participants)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
    now, links = datetime.now(UTC), read_links(out)
    try:
        with SiteStore(contest.store) as store:
            known = {name: store.invited(name) for name in (*(again or ()), *(revoke or ()))}
            if unknown := [name for name, found in known.items() if found is None]:
                raise typer.BadParameter(f"nobody was given a link who is named {', '.join(map(plain_name, unknown))}")
            ended = [found for found in known.values() if found is not None]
            for name in ended:
                store.revoke(name, now)
            made = store.invite([*names, *(found for name in again or () if (found := known[name]))], now)
            for role, wanted in (("organizer", organizer), ("screen", screen)):
                if wanted and end_all:
                    say(f"ended {store.revoke_role(role, now)} links of kind {role}")
                elif wanted:
                    say(f"{role}: {address}/enter/{store.invite_role(role, now)}")
    except InfrastructureError as error:
        raise fail(error.message) from None
    for each in aside:
        say(f"left aside: {plain_line(each.place)}: {each.reason}", err=True)
    for notice in alike(names, set(names)):
        say(f"notice: {plain_line(notice)}", err=True)
    if revoke:
        say(f"ended the links of {', '.join(map(plain_name, revoke))}")
    if made or ended:
        links |= {csv_cell(name): f"{address}/enter/{secret}" for name, secret in made.items()}
        write_links(out, contest.title, links, {csv_cell(name) for name in set(ended) - made.keys()})
        say(f"{len(made)} new links; all are in {out}, and to print in {out.with_suffix('.html')}: keep both secret")
        if url is None:
            say(
                "notice: these links lead to this machine alone; set url in contest.toml before you hand links out",
                err=True,
            )
    elif participants is not None:
        say("everybody has a link already; --again NAME makes a new one")
    if aside:
        raise typer.Exit(USAGE)


def read_links(out: Path) -> dict[str, str]:
    """Read the links that earlier calls have written, by name; none where there is no such file.

    Raises:
        typer.BadParameter: it is another file.
    """
    try:
        with open(out, encoding="utf-8", newline="") as stream:
            header, *rows = csv.reader(stream)
        if header != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
            raise ValueError
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        raise typer.BadParameter(f"{out} is no table of links: name another file with --out") from None
    return dict(rows)


def write_links(out: Path, title: str, links: dict[str, str], ended: set[str]) -> None:
    """Write all links as a CSV and as a sheet, readable for who runs this alone, but those that have ended."""
    from grader.pages import render_plain  # it needs templates, which no other command of this program has to wait for
    from grader.site.page import STYLE

    rows = [(name, link) for name, link in links.items() if name not in ended]
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *rows])
    slips = [(name, link, qr_code(link)) for name, link in rows]
    sheet = render_plain("sheet.html", __package__, STYLE, title=title, links=slips)
    try:
        write_whole(out, stream.getvalue(), secret=True)
        write_whole(out.with_suffix(".html"), sheet, secret=True)
    except OSError as error:
        raise fail(f"the links cannot be written: {error.strerror}; --again makes new ones") from None


def qr_code(link: str) -> Markup:
    """Draw a link as a QR code, in SVG."""
    import segno

    return Markup(segno.make(link, error="m").svg_inline(scale=3, border=2, omitsize=True))
