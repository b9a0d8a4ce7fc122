"""The shell of every page: templates that escape by themselves, one style, and the content security policy."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from grader.safe_io import plain_name, plain_text

STYLE_FILE = "style.css"
SCRIPT_FILE = "leaderboard.js"


def own_file(name: str) -> str:
    """Return the text of one of this package's files."""
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8")


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
def environment() -> Environment:
    """Make the environment of all templates: everything is escaped, and a name that is not there is an error."""
    made = Environment(
        loader=PackageLoader(__package__),
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
    """Fill a template that extends ``base.html``; return the page.

    Args:
        script: whether the page carries the script that sorts and searches.
        values: what the template needs.
    """
    style, code = own_file(STYLE_FILE), own_file(SCRIPT_FILE) if script else ""
    scripts = content_hash(code) if script else "'none'"
    policy = (
        f"default-src 'none'; style-src {content_hash(style)}; script-src {scripts}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    shell = {"style": Markup(style), "code": Markup(code), "policy": policy}
    return environment().get_template(template).render(**shell, **values)
