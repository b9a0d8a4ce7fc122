"""What Codabench takes as a ``competition.yaml`` of version 2: its keys, lengths and order as pure functions.

The platform names the first fault alone, after the upload, and deletes the bundle; here all are found before. Some
rules are stricter than the platform's, where it would take a file and do something else than was meant: a key that it
does not know is a fault here, and so is a time that it would shift.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from grader.platforms.codabench.moments import read_platform_time

RULES = {"Add", "Add_And_Delete", "Add_And_Delete_Multiple", "Force_Last", "Force_Latest_Multiple", "Force_Best"}
LONGEST = {"title": 256, "docker_image": 128, "name": 256, "reward": 256, "column": 36, "board": 64, "key": 36}
LARGEST = 2**31 - 1
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Fault = str | None
Check = Callable[[Any], Fault]


def text(longest: int | None = None, *, empty: bool = False) -> Check:
    """Make a check for a text of at most so many characters."""

    def check(value: Any) -> Fault:
        if not isinstance(value, str) or not (value.strip() or empty):
            return "expected a text"
        if longest is not None and len(value) > longest:
            return f"{len(value)} characters, {longest} are allowed"
        return None

    return check


def whole(least: int) -> Check:
    """Make a check for a whole number from `least` on."""

    def check(value: Any) -> Fault:
        whole_number = isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST
        return None if whole_number else f"expected a whole number from {least} on"

    return check


def flag(value: Any) -> Fault:
    """Check a yes or no."""
    return None if isinstance(value, bool) else "expected true or false"


def one_of(*allowed: object) -> Check:
    """Make a check for one of some values."""
    return lambda value: None if value in allowed else f"expected one of {', '.join(map(str, allowed))}"


def matching(pattern: re.Pattern[str], what: str) -> Check:
    """Make a check for a text of a form."""
    return lambda value: None if isinstance(value, str) and pattern.fullmatch(value) else f"expected {what}"


def moment(value: Any) -> Fault:
    """Check a time; see `grader.platforms.codabench.moments`."""
    try:
        read_platform_time(value)
    except ValueError as error:
        return str(error)
    return None


def entries(value: Any) -> Fault:
    """Check a list that holds something."""
    return None if isinstance(value, list) and value else "expected a list with at least one entry"


def numbers(value: Any) -> Fault:
    """Check a list of whole numbers that holds some."""
    if isinstance(value, list) and value and all(whole(0)(each) is None for each in value):
        return None
    return "expected a list of whole numbers with at least one entry"


PATH = text()
COMPETITION: dict[str, Check] = {
    "version": one_of(2),
    "title": text(LONGEST["title"]),
    "description": text(empty=True),
    "image": PATH,
    "terms": PATH,
    "docker_image": text(LONGEST["docker_image"]),
    "competition_type": one_of("competition", "benchmark"),
    "registration_auto_approve": flag,
    "enable_detailed_results": flag,
    "show_detailed_results_in_submission_panel": flag,
    "show_detailed_results_in_leaderboard": flag,
    "auto_run_submissions": flag,
    "can_participants_make_submissions_public": flag,
    "make_programs_available": flag,
    "make_input_data_available": flag,
    "forum_enabled": flag,
    "reward": text(LONGEST["reward"]),
    "contact_email": matching(EMAIL, "an e-mail address"),
    "queue": matching(UUID, "the vhost of a queue"),
    "pages": entries,
    "tasks": entries,
    "phases": entries,
    "leaderboards": entries,
    "solutions": entries,
}
PAGE: dict[str, Check] = {"title": text(LONGEST["title"]), "file": PATH}
TASK: dict[str, Check] = {
    "index": whole(0),
    "name": text(LONGEST["name"]),
    "description": text(empty=True),
    "ingestion_program": PATH,
    "input_data": PATH,
    "scoring_program": PATH,
    "reference_data": PATH,
    "ingestion_only_during_scoring": one_of(False),  # else the ingestion, and with it a notebook, sees the test set
}
SOLUTION: dict[str, Check] = {"index": whole(0), "tasks": numbers, "path": PATH}
PHASE: dict[str, Check] = {
    "index": whole(0),
    "name": text(LONGEST["name"]),
    "description": text(empty=True),
    "start": moment,
    "end": moment,
    "tasks": numbers,
    "max_submissions_per_day": whole(1),
    "max_submissions": whole(1),
    "auto_migrate_to_this_phase": flag,
    "execution_time_limit": whole(1),
    "hide_output": flag,
    "hide_prediction_output": flag,
    "hide_score_output": flag,
    "public_data": PATH,
    "starting_kit": PATH,
}
BOARD: dict[str, Check] = {
    "title": text(LONGEST["board"]),
    "key": text(LONGEST["key"]),
    "hidden": flag,
    "submission_rule": one_of(*sorted(RULES)),
    "columns": entries,
}
COLUMN: dict[str, Check] = {
    "title": text(LONGEST["column"]),
    "key": text(LONGEST["key"]),
    "index": whole(0),
    "sorting": one_of("desc", "asc"),
    "precision": whole(0),
    "hidden": flag,
}
REQUIRED: dict[str, tuple[str, ...]] = {  # version and start among them: the platform breaks, or guesses, without
    "competition": ("version", "title", "image", "terms", "pages", "tasks", "phases", "leaderboards"),
    "page": ("title", "file"),
    "task": ("index", "name", "scoring_program"),
    "solution": ("index", "tasks", "path"),
    "phase": ("index", "name", "start", "tasks"),
    "leaderboard": ("title", "key", "submission_rule", "columns"),
    "column": ("title", "key", "index"),
}
PATHS = ("image", "terms", "file", "ingestion_program", "input_data", "scoring_program", "reference_data", "path")
PATH_KEYS = frozenset((*PATHS, "public_data", "starting_kit"))


def table_faults(place: str, kind: str, value: Any, checks: Mapping[str, Check]) -> Iterator[str]:
    """Find what is wrong with the keys of one table, by themselves."""
    if not isinstance(value, dict):
        yield f"{place}: expected keys and values"
        return
    for key in REQUIRED[kind]:
        if value.get(key) is None:
            yield f"{place}: {key} is missing"
    for key, each in value.items():
        if key not in checks:
            yield f"{place}: {key} is no key that Codabench knows here"
        elif each is not None and (fault := checks[key](each)):
            yield f"{place}: {key}: {fault}"


def listed(document: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the tables of a list that may be none."""
    value = document.get(key)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def index_faults(place: str, tables: list[dict[str, Any]]) -> Iterator[str]:
    """Find an index that two tables of a list share."""
    found = [each.get("index") for each in tables]
    if len({repr(index) for index in found}) < len(found):
        yield f"{place}: two entries have the same index"


def reference_faults(document: Mapping[str, Any]) -> Iterator[str]:
    """Find a phase or a solution that names a task which is not there: the platform then breaks without a message."""
    tasks = [task.get("index") for task in listed(document, "tasks")]
    for key in ("phases", "solutions"):
        for place, each in enumerate(listed(document, key)):
            wanted = each.get("tasks")
            for index in wanted if isinstance(wanted, list) else ():
                if index not in tasks:
                    yield f"{key}[{place}]: there is no task {index}"


def order_faults(phases: list[dict[str, Any]]) -> Iterator[str]:
    """Find phases that do not follow one another with a gap; only the last may lack its end."""
    if phases and phases[0].get("auto_migrate_to_this_phase"):
        yield "phases[0]: nothing can migrate to the first phase"
    last = None
    for place, phase in enumerate(phases):
        try:
            start = read_platform_time(phase.get("start"))
            end = None if phase.get("end") is None else read_platform_time(phase["end"])
        except ValueError:
            return  # it is named already
        if end is None and place < len(phases) - 1:
            yield f"phases[{place}]: only the last phase may lack its end"
            return
        if last is not None and start <= last:
            yield f"phases[{place}]: it must start later than the phase before ends"
        if end is not None and end <= start:
            yield f"phases[{place}]: it must end later than it starts"
        last = end


def paths_in(value: Any) -> Iterator[str]:
    """Return every path that a document names, of whatever table."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key in PATH_KEYS and isinstance(each, str):
                yield each
            else:
                yield from paths_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from paths_in(each)


def path_faults(document: Mapping[str, Any], files: Collection[str]) -> Iterator[str]:
    """Find paths that leave the bundle, or lead to nothing in it; the platform would take any of its own machine."""
    folders = {str(parent) for file in files for parent in PurePosixPath(file).parents} - {"."}
    for path in paths_in(document):
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts or str(pure) != path:
            yield f"{path!r}: a path must lead into the bundle, in its shortest form"
        elif path not in files and path not in folders:
            yield f"{path!r}: the bundle has no such file or folder"


def faults(document: Any, files: Collection[str]) -> list[str]:
    """Find all that is wrong with a ``competition.yaml``; nothing where Codabench takes it as it is meant.

    Args:
        document: the file as YAML reads it.
        files: the paths of all other files of the bundle.
    """
    found = list(table_faults("competition.yaml", "competition", document, COMPETITION))
    if not isinstance(document, dict):
        return found
    for key, kind, checks in (
        ("pages", "page", PAGE),
        ("tasks", "task", TASK),
        ("solutions", "solution", SOLUTION),
        ("phases", "phase", PHASE),
        ("leaderboards", "leaderboard", BOARD),
    ):
        value = document.get(key)
        for place, each in enumerate(value if isinstance(value, list) else ()):
            found += table_faults(f"{key}[{place}]", kind, each, checks)
        if "index" in checks:
            found += index_faults(key, listed(document, key))
    boards = listed(document, "leaderboards")
    if len(boards) > 1:
        found.append("leaderboards: a phase uses only the first")
    for board in boards:
        columns = listed(board, "columns")
        for place, column in enumerate(board["columns"] if isinstance(board.get("columns"), list) else ()):
            found += table_faults(f"columns[{place}]", "column", column, COLUMN)
        found += index_faults("columns", columns)
        if len({repr(column.get("key")) for column in columns}) < len(columns):
            found.append("columns: two have the same key")
    found += reference_faults(document)
    found += order_faults(listed(document, "phases"))
    found += path_faults(document, files)
    return found
