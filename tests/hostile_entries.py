"""Hostile entries of every kind that once stopped, slowed or fooled the work on all others, to stand among honest ones.

Each kind of `FOLDER_KINDS` puts something into a folder of submissions, each of `ROW_KINDS` returns rows of a CSV and
puts what they name beside it; both get a number, which makes the entry another one.
"""

from __future__ import annotations

import base64
import json
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from competition.notebook import MAX_CELL_BYTES, graft, locked_cells, notebook_text
from tests.conftest import ALL_SAMPLES
from tests.made_files import progressive
from tests.redteam import read_corpus

# Of the corpus, what works without torch, too: it is refused, crashes, ends, floods, forks, forges, or never answers.
ATTACKS = (
    *("process_exit_status", "process_system_exit", "process_kill_all", "process_deep_recursion", "process_fork_bomb"),
    *("process_signals_ignored", "process_daemon", "files_fill_tmp", "files_million"),
    *("channel_never_connects", "channel_forged_score", "channel_half_frame", "channel_output_flood"),
    *("notebook_huge", "notebook_gzip", "notebook_deep", "notebook_million_cells", "notebook_statement_flood"),
    *("notebook_magic_flood", "notebook_nul_character", "notebook_two_solution_cells"),
)
FLOOD = 60  # notebooks of one participant
# Its output is images of which each would take minutes to decode, for the report.
ENDLESS = """
import base64, json
raw = base64.b64decode("{jpeg}")
last = raw[raw.rindex(b"\\xff\\xda"):-2]
shown = base64.b64encode(raw[:-2] + last * 30_000 + raw[-2:]).decode()
with open("executed.ipynb") as stream:
    notebook = json.load(stream)
for cell in notebook["cells"]:
    cell["outputs"] = [{{"output_type": "display_data", "data": {{"image/jpeg": shown}}}}] * 3
with open("executed.ipynb", "w") as stream:
    json.dump({{"cells": [cell for cell in notebook["cells"] if "SOLUTION CELL" in "".join(cell["source"])]}}, stream)
"""


def notebook(cell: str, *others: str) -> str:
    """Return a notebook's text with this solution, and other code cells behind it."""
    made = json.loads(notebook_text(graft(cell)))
    made["cells"] += [{"cell_type": "code", "metadata": {}, "outputs": [], "source": other} for other in others]
    return json.dumps(made)


def file_of(name: str, text: Callable[[str], str | bytes]) -> Callable[[Path, str], None]:
    """Make a kind that is a notebook file of this name and text."""

    def put(folder: Path, number: str) -> None:
        made = text(number)
        path = folder / f"{name}{number}.ipynb"
        path.write_bytes(made if isinstance(made, bytes) else made.encode())

    return put


def own(number: str) -> str:
    """Return the text of a notebook that is nobody else's."""
    return notebook(f"# {number}\n{ALL_SAMPLES}")


def attack(name: str) -> Callable[[Path, str], None]:
    """Make a kind of an attack of the corpus."""
    found = next(each for each in read_corpus() if each.name == name)
    return file_of(f"{name}-", lambda number: found.submission())


def put_socket(folder: Path, number: str) -> None:
    """Put a socket there, through a short path: that of a socket may have 107 bytes."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"/proc/self/fd/{descriptor}/socket-{number}.ipynb")
    finally:
        os.close(descriptor)


def put_late(folder: Path, number: str) -> None:
    """Put a notebook there that was changed before 1970, or where the file system can, after the year 9999."""
    path = folder / f"late-{number}.ipynb"
    path.write_text(notebook(ALL_SAMPLES))
    for seconds in (-5, 1 << 40):
        with suppress(OSError, OverflowError):
            os.utime(path, (seconds, seconds))
    if path.stat().st_mtime < 253_402_300_800:
        os.utime(path, (-5, -5))


def put_not_utf8(folder: Path, number: str) -> None:
    """Put a notebook there whose name is no UTF-8."""
    with open(os.fsencode(folder) + b"/\xff\x1b[2J" + number.encode() + b".ipynb", "w") as stream:
        stream.write(notebook(ALL_SAMPLES))


def put_flood(folder: Path, number: str) -> None:
    """Put many notebooks of one participant there, each another one."""
    (folder / f"flood-{number}").mkdir()
    for k in range(FLOOD):
        (folder / f"flood-{number}" / f"{k}.ipynb").write_text(notebook(f"# {number} {k}\n{ALL_SAMPLES}"))


REDEFINED = "try:\n" + " import sys\n" * 5_000 + "except {}: 0\n"
ENDLESS_IMAGES = ENDLESS.format(jpeg=base64.b64encode(progressive(0, side=2040)).decode())
FOLDER_KINDS: dict[str, Callable[[Path, str], None]] = {
    "a linked folder": lambda folder, number: (folder / f"mallory-{number}").symlink_to("."),
    "a linked file": lambda folder, number: (folder / f"eve-{number}.ipynb").symlink_to("honest-1.ipynb"),
    "a name that is no UTF-8": put_not_utf8,
    "a socket": put_socket,
    "a pipe": lambda folder, number: os.mkfifo(folder / f"pipe-{number}.ipynb"),
    "an impossible time": put_late,
    "a look-alike": file_of("\u04bbonest-1-", own),
    "escape sequences": file_of("\x1b]0;title\x07\x1b[2J\u202e=1+1", own),
    "blanks": file_of("blanks-", lambda number: notebook(f"# {number}\n{ALL_SAMPLES}x", " " * 262_000)),
    "small lists": file_of("lists-", lambda number: b'{"cells": [' + b"[]," * 5_000_000 + b"%d]}" % int(number)),
    "a huge mask": file_of("mask-", lambda number: notebook(f"# {number}\nMASK = 0x{'f' * 4_000}\n{ALL_SAMPLES}")),
    "redefinitions": file_of("again-", lambda number: notebook(REDEFINED.format(number) + ALL_SAMPLES)),
    "endless images": file_of("images-", lambda number: notebook(f"# {number}{ENDLESS_IMAGES}{ALL_SAMPLES}")),
    "a flood": put_flood,
    **{name: attack(name) for name in ATTACKS},
}


def row(*cells: str) -> list[bytes]:
    """Return one row as bytes, as it is."""
    return [",".join(cells).encode("utf-8", "surrogateescape")]


def listed(name: str, text: Callable[[str], bytes]) -> Callable[[Path, str], list[bytes]]:
    """Make a kind that is a row, and the file that it names."""

    def put(place: Path, number: str) -> list[bytes]:
        (place / "listed" / f"{number}{name}").write_bytes(text(number))
        return row(f"eve-{number}", f"listed/{number}{name}", "2026-03-01", "")

    return put


def linked_folder(place: Path, number: str) -> list[bytes]:
    """List an honest notebook through a link."""
    (place / f"link-{number}").symlink_to("listed")
    return row(f"mallory-{number}", f"link-{number}/honest-0.ipynb", "2026-03-01", "")


def three_finals(place: Path, number: str) -> list[bytes]:
    """Choose three submissions for the final."""
    path = f"listed/final-{number}.ipynb"
    (place / path).write_text(notebook(f"# final {number}\n{ALL_SAMPLES}"))
    return [row(f"chooser-{number}", path, f"2026-03-0{day}", "1")[0] for day in (1, 2, 3)]


def gone(place: Path, number: str) -> list[bytes]:
    """List a file that is not there."""
    return row(f"gone-{number}", "\x1b]0;x\x07nowhere.ipynb", "2026-03-01", "")


def at(time: str) -> Callable[[Path, str], list[bytes]]:
    """Make a kind that is a row with this time."""
    return lambda place, number: row(f"timeless-{number}", "listed/honest-0.ipynb", time, "")


def named(name: str) -> Callable[[Path, str], list[bytes]]:
    """Make a kind that is a row with this participant's name, with a number in it."""
    return lambda place, number: row(name.format(number), "listed/honest-0.ipynb", "2026-03-01", "")


ROW_KINDS: dict[str, Callable[[Path, str], list[bytes]]] = {
    "a long solution file": listed(".py", lambda number: b"#" * (MAX_CELL_BYTES + 1 + int(number))),
    "bytes": listed("b.py", lambda number: b"\xff\xfe" + number.encode()),
    "a locked cell": listed("l.py", lambda number: next(iter(locked_cells().values())).encode() + number.encode()),
    "a linked folder": linked_folder,
    "a NUL": lambda place, number: row(f"nul-{number}", "a\0b.ipynb", "2026-03-01", ""),
    "the first moment": at("0001-01-01T00:00:00+14:00"),
    "the last moment": at("9999-12-31T23:59:59-12:00"),
    "no time": at("\x1b[2Jyesterday"),
    "three finals": three_finals,
    "a file that vanished": gone,
    "a shifted row": lambda place, number: row("Roe", "Jane", "listed/honest-0.ipynb", "2026-03-01", "0", number),
    "not UTF-8": named("b\udce4r-{}"),
    "a quote that is never closed": named('"quote-{}'),
    "many marks": named("a" + "\u0301\u0316" * 20_000 + "{}"),
    "an invisible name": named("\u200b\u2060"),
    "a formula": named("=cmd|' /C calc'!{}"),
    "a reference": named("best {} (rеfеrеncе)"),
}
