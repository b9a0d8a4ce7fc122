"""From the file to a `Contest`, or to one line that names the table, the key, and what is expected."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, get_type_hints

from grader.contest_file.contest import DEFAULT, Contest, FinalTable, GradingTable, Key, RulesTable, SiteTable
from grader.safe_io import plain_name

CONTEST_FILE = "contest.toml"
TABLES: Mapping[str, type] = {
    "": Contest,
    "grading": GradingTable,
    "rules": RulesTable,
    "final": FinalTable,
    "site": SiteTable,
}


class ContestError(Exception):
    """The file cannot be used; the message says where and what to write instead."""


def keys_of(table: str) -> dict[str, Key]:
    """Return what is known of a table's keys, by name; of those above all tables for ""."""
    hints = get_type_hints(TABLES[table], include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items() if hasattr(hint, "__metadata__")}


def place_of(table: str, name: str) -> str:
    """Write where a key stands."""
    return f"[{table}] {name}" if table else name


def contest_here(folder: Path = Path()) -> Contest:
    """Return the contest of a folder; the defaults where it has no file.

    Raises:
        ContestError: see `read_contest`.
    """
    file = folder / CONTEST_FILE
    return read_contest(file) if file.exists() else DEFAULT


def read_contest(path: Path) -> Contest:
    """Read a contest file, or that of a folder.

    Raises:
        ContestError: there is none, it is no TOML, or something in it is not known, of another kind or impossible.
    """
    file = path / CONTEST_FILE if path.is_dir() else path
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ContestError(f"there is no {file}: 'grader init FOLDER' writes one") from None
    except OSError as error:
        raise ContestError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ContestError(f"{file} is no text in UTF-8: save it as such") from None
    except tomllib.TOMLDecodeError as error:
        raise ContestError(f"{file} is no TOML: {error}") from None
    try:
        contest = contest_of(table, file.parent)
    except ContestError as error:
        raise ContestError(f"{file}, {error}") from None
    return replace(contest, file=file)


def contest_of(table: Mapping[str, object], folder: Path) -> Contest:
    """Make a contest of what TOML gives; relative paths start at `folder`.

    Raises:
        ContestError: see `read_contest`.
    """
    paths = {name: folder / default for name, default in vars(DEFAULT).items() if isinstance(default, Path)}
    values: dict[str, Any] = paths | values_of("", table, folder)
    for name in TABLES.keys() & table.keys():
        inner = table[name]
        if not isinstance(inner, dict):
            raise ContestError(f"[{name}] is {shown(inner)}: expected a table, a line [{name}] with its keys below")
        values[name] = TABLES[name](**values_of(name, inner, folder))
    contest = Contest(**values)
    if fault := contest.fault():
        raise ContestError(fault)
    return contest


def values_of(table: str, given: Mapping[str, object], folder: Path) -> dict[str, object]:
    """Read the keys of one table.

    Raises:
        ContestError: one is not known, or its value is of another kind.
    """
    known = keys_of(table)
    values = {}
    for name, value in given.items():
        if not table and name in TABLES:
            continue
        if name not in known:
            what = f"the table [{plain_name(name)}]" if isinstance(value, dict) else place_of(table, plain_name(name))
            raise ContestError(f"{what} is not known: {nearest(table, name, isinstance(value, dict))}")
        kind = known[name].kind
        try:
            values[name] = kind.read(value, folder)
        except ValueError:
            raise ContestError(f"{place_of(table, name)} is {shown(value)}: expected {kind.expected}") from None
    return values


def shown(value: object) -> str:
    """Write a value of the file for a message, short and harmless."""
    return plain_name(repr(value) if isinstance(value, str | int | float | list | dict) else str(value))


def nearest(table: str, name: str, is_table: bool) -> str:
    """Say which known key, or table, is nearest to one that is not known; those of the same table come first."""
    if is_table:
        return f"the nearest is [{max((each for each in TABLES if each), key=lambda each: likeness(name, each))}]"
    known = [(each, found) for each in sorted(TABLES, key=lambda each: each != table) for found in keys_of(each)]
    where, best = max(known, key=lambda pair: likeness(name, pair[1]))
    return f"the nearest is {place_of(where, best)}" + ("" if where else ", above all tables")


def likeness(first: str, second: str) -> float:
    """Return how alike two names are, from 0 to 1."""
    return SequenceMatcher(None, first.lower(), second).ratio()
