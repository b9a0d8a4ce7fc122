"""The task's story for the start page: what stands at the top of the starter notebook."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from markdown_it import MarkdownIt
from markupsafe import Markup

FORMULA = "*points = 100 · (mean BAC of both models − 0.5) / 0.3*, rounded, at least 0 and at most 100"


@cache
def story_html() -> Markup:
    """Return the story up to the notebook's first code, as HTML; it is the kit's own text, and markup in it is none."""
    text = (files("competition") / "story.md").read_text(encoding="utf-8")
    story = text.partition("\n# ")[0].partition("\n")[2]
    story = re.sub(r"\$\$.+?\$\$", FORMULA, story, flags=re.DOTALL)
    return Markup(MarkdownIt("commonmark", {"html": False}).render(story))
