"""The task's story for the start page: what stands at the top of the starter notebook."""

from __future__ import annotations

import re
from functools import cache

from markdown_it import MarkdownIt
from markupsafe import Markup

from competition.story import told_story

FORMULA = "*points = 100 · (mean BAC of both models − 0.5) / 0.3*, rounded, at least 0 and at most 100"


@cache
def story_html(opening: str | None) -> Markup:
    """Return the story up to the notebook's first code, as HTML; markup in it is shown as text.

    Args:
        opening: the organizer's own; see `competition.story`.
    """
    story = re.sub(r"\$\$.+?\$\$", FORMULA, told_story(opening), flags=re.DOTALL)
    return Markup(MarkdownIt("commonmark", {"html": False}).render(story))
