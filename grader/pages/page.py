"""The shell of every page: templates that escape by themselves, one style, and the content security policy."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from grader.safe_io import plain_name, plain_text

STYLE_FILE = "style.css"
SCRIPT_FILE = "leaderboard.js"


@cache
def own_file(name: str, package: str = __package__) -> str:
    """Return the text of one of a package's templates: this one's, or that of a room above."""
    return (files(package) / "templates" / name).read_text(encoding="utf-8")


def content_hash(text: str) -> str:
    """Return the checksum of an inline style or script as a content security policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def data_uri(png: bytes) -> str:
    """Return a PNG file as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def figures(value: float | None, places: int = 4) -> str:
    """Write a number with fixed places; a dash where there is none."""
    return "–" if value is None or value != value else f"{value:.{places}f}"


def moment(text: str, pattern: str = "%Y-%m-%d %H:%M") -> str:
    """Write an ISO 8601 time to the minute, in UTC; a text that is no time stays as it is."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (parsed if parsed.tzinfo is None else parsed.astimezone(UTC)).strftime(pattern)


@cache
def environment(package: str = __package__) -> Environment:
    """Make the environment of a package's templates, and of ours: everything is escaped, no name may be missing."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(__package__)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "figures": figures,
        "moment": moment,
        "plain": plain_text,
        "name": plain_name,
        "data_uri": data_uri,
    }
    return made


def render(template: str, *, script: bool = False, **values: Any) -> str:
    """Fill a template that extends ``base.html``; return the page, which loads nothing and sends nothing.

    Args:
        script: whether the page carries the script that sorts and searches.
        values: what the template needs.
    """
    code = own_file(SCRIPT_FILE) if script else ""
    return filled(environment(), template, own_file(STYLE_FILE), code, "form-action 'none'", "no-referrer", values)


def render_live(template: str, package: str, style: str, script: str, **values: Any) -> str:
    """Fill a template of the site; return the page, which talks to the site that it came from and to nobody else.

    Args:
        template: extends ``base.html``.
        package: whose templates, style and script these are.
        style, script: the names of files; the style follows ours.
        values: what the template needs.
    """
    code, css = own_file(script, package), own_file(STYLE_FILE) + own_file(style, package)
    # With no referrer at all a browser would name no origin when it sends a form, and the site asks for one.
    sends = "form-action 'self'; connect-src 'self'"
    return filled(environment(package), template, css, code, sends, "same-origin", values)


def render_plain(template: str, package: str, style: str, **values: Any) -> str:
    """Fill a template of another package; return the page, which loads nothing and sends nothing."""
    css = own_file(STYLE_FILE) + own_file(style, package)
    return filled(environment(package), template, css, "", "form-action 'none'", "no-referrer", values)


def filled(
    templates: Environment, template: str, style: str, code: str, sends: str, referrer: str, values: dict[str, Any]
) -> str:
    """Fill a template, with style, script and a policy that admits both by their checksums."""
    scripts = content_hash(code) if code else "'none'"
    policy = (
        f"default-src 'none'; style-src {content_hash(style)}; script-src {scripts}; "
        f"img-src data:; base-uri 'none'; {sends}"
    )
    shell = {"style": Markup(style), "code": Markup(code), "policy": policy, "referrer": referrer}
    return templates.get_template(template).render(**shell, **values)
