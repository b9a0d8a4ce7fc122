"""The story: `story.md` is the notebook from top to bottom, and an organizer may open it with a text of their own.

The opening is what stands above `SCORED`: the title, what happened to the data, what the classes are. One of an
organizer's own lies as ``story.md`` in ``public/``, where everything that tells the story finds it.
"""

from __future__ import annotations

import re
from pathlib import Path

from competition.errors import SourceError

STORY_FILE = "story.md"
SCORED = "## How you are scored"
MAX_OPENING_BYTES = 64 * 1024
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_CELL = re.compile(r"^```python (?:locked|folded|solution)", re.MULTILINE)
_TITLE = re.compile(r"^# ", re.MULTILINE)


def whole_story(opening: str | None = None) -> str:
    """Return the story as Markdown with the notebook's cells in it; `opening` stands in the place of the kit's own."""
    text = Path(__file__).with_name(STORY_FILE).read_text(encoding="utf-8")
    return text if opening is None else f"{opening.strip()}\n\n{text[text.index(SCORED) :]}"


def told_story(opening: str | None = None) -> str:
    """Return the story below its title, up to the notebook's first code."""
    return whole_story(opening).partition("\n# ")[0].partition("\n")[2].strip()


def read_opening(path: Path) -> str:
    """Read an organizer's opening.

    Raises:
        SourceError: it cannot be read, or is none.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SourceError(f"{path} is no text in UTF-8: save it as such") from None
    if problem := opening_problem(text):
        raise SourceError(f"{path} {problem}")
    return text


def opening_problem(text: str) -> str | None:
    """Say what keeps a text from being an opening; None where nothing does."""
    if len(text.encode()) > MAX_OPENING_BYTES:
        return f"holds more than {MAX_OPENING_BYTES // 1024} KiB: shorten it"
    if _CONTROL.search(text):
        return "holds control characters: it is no Markdown"
    if not text.lstrip().startswith("# ") or len(_TITLE.findall(text)) > 1:
        return "has not exactly one title: begin with '# ...', and give other headings two signs or more"
    if SCORED in text:
        return f"goes on to {SCORED!r}: end it above, what follows is the kit's"
    if _CELL.search(text):
        return "holds a cell of the notebook, a fence of ```python locked, folded or solution: leave it out"
    return None


def opening_of(public: Path) -> str | None:
    """Return the organizer's own opening in the public part of the data; None where it has the kit's.

    Raises:
        SourceError: see `read_opening`.
    """
    path = public / STORY_FILE
    return read_opening(path) if path.exists() else None
