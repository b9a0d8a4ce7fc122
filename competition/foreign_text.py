"""Turn somebody else's text into plain text: no escape sequences, no control, format or bidirectional characters."""

from __future__ import annotations

import re
import unicodedata

MAX_MESSAGE = 4096  # characters
MAX_NAME = 40
MAX_LINE = 400
_ESCAPE_SEQUENCE = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # an operating system command: a window title, a link
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # a control sequence: colours, the cursor
    r"|\x1b[@-Z\\-_]"
)
# Control, format (bidirectional marks, zero widths, tags) and half characters; line and paragraph separators.
_UNWANTED = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
_WANTED = frozenset("\n\t\u200c\u200d")  # scripts and emoji need the two joiners
_NO_UNICODE = re.compile("[\udc80-\udcff]")  # how Python holds the bytes of a file name that is not UTF-8
# Where a spreadsheet may see the start of a cell, whichever separator it splits at, and then the sign of a formula;
# some take the full-width, small, raised and lowered forms of the four signs for the signs.
_FORMULA = re.compile('(^|[;,|\t])(["\\s]*)(?=[=+\\-@＝＋－＠﹦﹢﹣﹫⁼⁺⁻₌₊₋−])')


def plain_text(text: str) -> str:
    """Make a text of any origin harmless to show in a terminal or in an escaped page.

    Escape sequences go, also those that name a link; of a line that was overwritten with carriage returns, as progress
    bars do, the last version stays; control, format and surrogate characters go.
    """
    text = _ESCAPE_SEQUENCE.sub("", text).replace("\r\n", "\n")
    text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    unwanted = {ord(each) for each in set(text) - _WANTED if unicodedata.category(each) in _UNWANTED}
    return text.translate(dict.fromkeys(unwanted))


def plain_message(text: str) -> str:
    """Make a participant's text a message: plain, at most 4,096 characters. Its end is kept, where errors say why."""
    return plain_text(text).strip()[-MAX_MESSAGE:]


def plain_name(name: str) -> str:
    """Make a participant's name, or a file's, harmless to print, and short enough for a line."""
    return shortened(plain_line(name), MAX_NAME)


def plain_line(text: str) -> str:
    """Make any text one harmless line of at most 400 characters; bytes of a file name that are no text become \\xNN."""
    visible = _NO_UNICODE.sub(lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", text)
    return shortened(" ".join(plain_text(visible).split()), MAX_LINE)


def shortened(text: str, most: int) -> str:
    """Cut a text that is longer than `most` characters, with an ellipsis for the rest."""
    return text if len(text) <= most else text[: most - 1] + "…"


def csv_cell(text: str) -> str:
    """Make somebody else's text the cell of a CSV: one plain line that no spreadsheet runs as a formula.

    An apostrophe stands before each sign that could begin one, also where another separator than the CSV's would begin
    a cell. The two joiners go as well: in a table of names they are only good for hiding.
    """
    line = plain_line(text).replace("\u200c", "").replace("\u200d", "")
    return _FORMULA.sub(r"\1\2'", line)
