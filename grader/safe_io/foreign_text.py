"""Turn somebody else's text into plain text: no escape sequences, no control, format or bidirectional characters."""

from __future__ import annotations

import re
import unicodedata

MAX_MESSAGE = 4096  # characters
MAX_NAME = 40
_ESCAPE_SEQUENCE = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # an operating system command: a window title, a link
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # a control sequence: colours, the cursor
    r"|\x1b[@-Z\\-_]"
)
# Control, format (bidirectional marks, zero widths, tags) and half characters; line and paragraph separators.
_UNWANTED = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
_WANTED = frozenset("\n\t\u200c\u200d")  # scripts and emoji need the two joiners


def plain_text(text: str) -> str:
    """Make a text of any origin harmless to show in a terminal or in an escaped page.

    Escape sequences go, also those that name a link; of a line that was overwritten with carriage returns, as progress
    bars do, the last version stays; control, format and surrogate characters go.
    """
    text = _ESCAPE_SEQUENCE.sub("", text).replace("\r\n", "\n")
    text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    unwanted = {ord(each) for each in set(text) - _WANTED if unicodedata.category(each) in _UNWANTED}
    return text.translate(dict.fromkeys(unwanted))


def plain_line(text: str) -> str:
    """Make a text of any origin one harmless line."""
    return " ".join(plain_text(text).split())


def plain_message(text: str) -> str:
    """Make a participant's text a message: plain, at most 4,096 characters. Its end is kept, where errors say why."""
    return plain_text(text).strip()[-MAX_MESSAGE:]


def plain_name(name: str) -> str:
    """Make a participant's name, or a file's, harmless to print, and short enough for a line."""
    text = plain_line(name)
    return text if len(text) <= MAX_NAME else text[: MAX_NAME - 1] + "…"
