"""The commented contest file: every known key with its default, or as a comment with an example."""

from __future__ import annotations

import json
from pathlib import Path

from grader.contest_file.reading import TABLES, keys_of

HEAD = """\
# A contest. Every command of 'grader' finds this file in the working folder, or where --contest says; an option on the
# command line counts instead for one call. Relative paths start at this file's folder. Keep the file to yourself: the
# final's seed is in it.
"""


def toml_value(value: object) -> str:
    """Write a default as TOML does."""
    return json.dumps(str(value)) if isinstance(value, str | Path) else str(value)


def contest_text() -> str:
    """Write the file, with every key that is known: set to its default, or commented out where it has none."""
    lines = [HEAD]
    for table in TABLES:
        if table:
            lines.append(f"[{table}]\n")
        for name, key in keys_of(table).items():
            default = getattr(TABLES[table], name)
            setting = f"# {name} = {key.example}" if default is None else f"{name} = {toml_value(default)}"
            lines.append(f"# {key.caption}\n{setting}\n")
    return "\n".join(lines)
