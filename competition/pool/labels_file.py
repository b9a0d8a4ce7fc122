"""Read the CSV of an organizer's own images: file names, classes, difficulties, the labels that annotators gave."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from competition.errors import SourceError
from competition.foreign_text import plain_line, plain_name
from competition.untrusted_file import NotAFile, TooLarge, read_untrusted_file

COLUMNS = ("file", "label", "difficulty", "noisy_label")
EXPECTED = "file, label[, difficulty][, noisy_label]"
MAX_LABELS_BYTES = 64 << 20
MAX_DIFFICULTY = 1e38  # what float32 holds
SHOWN = 5  # of what is wrong in many lines


@dataclass(frozen=True)
class LabelsFile:
    """What a labels file says.

    Attributes:
        files: file names, relative to the folder of images, all different.
        labels: int64 [N], true labels, 0 or 1.
        classes: the names of class 0 and of class 1 in the file.
        difficulty: float32 [N], higher is harder; None where there is no such column.
        noisy: int64 [N], the labels that annotators gave; None where there is no such column.
    """

    files: list[str]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, str]
    difficulty: npt.NDArray[np.float32] | None
    noisy: npt.NDArray[np.int64] | None


@dataclass(frozen=True)
class Table:
    """The rows of a CSV file by column, blanks around them apart, with the number of the line on which each ends."""

    columns: dict[str, list[str]]
    lines: list[int]


def read_labels(path: Path, positive: str | None = None) -> LabelsFile:
    """Read a labels file.

    Args:
        path: CSV in UTF-8 with the columns file, label and, optionally, difficulty and noisy_label.
        positive: the name of the class that becomes 1 where the two are not called 0 and 1.

    Raises:
        SourceError: the file, a column, a row or a value is wrong; the message names the line.
    """
    said = plain_line(str(path))
    table = read_table(read_text(path, said), said)
    files = read_names(table, said)
    classes = find_classes(table, positive, said)
    labels = read_classes(table, "label", classes, said)
    for number, name in enumerate(classes):
        if number not in labels:
            raise SourceError(f"{said}: needs images of both classes; none has the label {plain_name(name)!r}")
    noisy = read_classes(table, "noisy_label", classes, said) if "noisy_label" in table.columns else None
    return LabelsFile(files, labels, classes, read_difficulties(table, said), noisy)


def read_text(path: Path, said: str) -> str:
    """Read the file's text, or raise `SourceError`."""
    try:
        return read_untrusted_file(path, MAX_LABELS_BYTES, follow=True).decode("utf-8-sig")
    except FileNotFoundError:
        raise SourceError(f"{said}: no such file; give the CSV of labels with --labels") from None
    except NotAFile:
        raise SourceError(f"{said}: no regular file; give the CSV of labels with --labels") from None
    except TooLarge as error:
        raise SourceError(f"{said}: {error.size:,} bytes, at most {MAX_LABELS_BYTES:,} are read") from None
    except UnicodeDecodeError:
        raise SourceError(f"{said}: not UTF-8 text; save it as CSV UTF-8") from None
    except OSError as error:
        raise SourceError(f"{said}: cannot be read ({error.strerror})") from None


def read_table(text: str, said: str) -> Table:
    """Read rows and columns; blank lines are skipped. Raise `SourceError` where there are none, or a row is short."""
    reader = csv.reader(io.StringIO(text, newline=""))
    rows, lines = [], []
    try:
        header = [name.strip() for name in next(reader, [])]
        for row in reader:
            if any(map(str.strip, row)):
                rows.append([field.strip() for field in row])
                lines.append(reader.line_num)
    except csv.Error as error:
        raise SourceError(f"{said}, line {reader.line_num}: not CSV ({error})") from None
    if not {"file", "label"} <= set(header) <= set(COLUMNS) or len(set(header)) < len(header):
        columns = ", ".join(plain_name(name) for name in header[:SHOWN])
        raise SourceError(f"{said}: the columns are {columns or 'missing'}; expected {EXPECTED}")
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(header):
            raise SourceError(f"{said}, line {line}: {len(row)} value(s), expected {len(header)} ({', '.join(header)})")
    return Table({name: [row[place] for row in rows] for place, name in enumerate(header)}, lines)


def read_names(table: Table, said: str) -> list[str]:
    """Return the file names in one spelling each, or raise `SourceError` where one cannot be, or stands twice."""
    first: dict[str, int] = {}
    for name, line in zip(table.columns["file"], table.lines, strict=True):
        path = PurePosixPath(name)
        if not name or "\0" in name or path.is_absolute() or ".." in path.parts:
            raise SourceError(
                f"{said}, line {line}: {plain_name(name)!r} names no file in the folder of images; "
                "write its path from there"
            )
        if first.setdefault(str(path), line) != line:
            raise SourceError(
                f"{said}: named more than once: {plain_name(name)!r} (lines {first[str(path)]} and {line})"
            )
    return list(first)


def find_classes(table: Table, positive: str | None, said: str) -> tuple[str, str]:
    """Return the names of class 0 and of class 1; without `positive` they are 0 and 1.

    Raises:
        SourceError: `positive` is not found, or not exactly one class stands beside it.
    """
    if positive is None:
        return ("0", "1")
    found = first_lines(table.columns["label"], table.lines)
    if positive not in found:
        raise SourceError(
            f"{said}: no image has the label {plain_name(positive)!r} of --positive, found {listed(found)}"
        )
    others = [name for name in found if name != positive]
    if len(others) != 1:
        raise SourceError(f"{said}: a competition has two classes, found {listed(found)}")
    return (others[0], positive)


def read_classes(table: Table, column: str, classes: tuple[str, str], said: str) -> npt.NDArray[np.int64]:
    """Return a column of classes as 0 and 1, int64 [N], or raise `SourceError` with what else stands there."""
    values = table.columns[column]
    others = {value: line for value, line in first_lines(values, table.lines).items() if value not in classes}
    if others:
        names = " or ".join(plain_name(name) for name in classes)
        advice = "; call the class that becomes 1 with --positive NAME" if classes == ("0", "1") else ""
        raise SourceError(f"{said}: {column}s must be {names}, also found {listed(others)}{advice}")
    return np.array([classes.index(value) for value in values], dtype=np.int64)


def first_lines(values: Sequence[str], lines: Sequence[int]) -> dict[str, int]:
    """Return each different value with the first line on which it stands."""
    found: dict[str, int] = {}
    for value, line in zip(values, lines, strict=True):
        found.setdefault(value, line)
    return found


def listed(found: dict[str, int]) -> str:
    """Quote values with their lines; of many, the first."""
    shown = [f"{plain_name(value)!r} (line {line})" for value, line in list(found.items())[:SHOWN]]
    more = len(found) - SHOWN
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")


def read_difficulties(table: Table, said: str) -> npt.NDArray[np.float32] | None:
    """Return the column of difficulties, float32 [N], None where there is none; `SourceError` for what is no number."""
    if "difficulty" not in table.columns:
        return None
    difficulty = np.empty(len(table.lines), dtype=np.float32)
    for row, (value, line) in enumerate(zip(table.columns["difficulty"], table.lines, strict=True)):
        try:
            number = float(value)
        except ValueError:
            raise SourceError(f"{said}, line {line}: the difficulty {plain_name(value)!r} is not a number") from None
        if not abs(number) < MAX_DIFFICULTY:
            raise SourceError(f"{said}, line {line}: the difficulty {plain_name(value)!r} is not finite")
        difficulty[row] = number
    return difficulty
