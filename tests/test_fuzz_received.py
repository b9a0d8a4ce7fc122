"""Random names, tables and times: each is received, or named and left aside, and none takes long.

`make fuzz` tries 10,000 examples of each property; those of `in_all` are as many in `make test-all` too.
"""

import csv
import io
import os
import zipfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from competition.errors import SourceError
from competition.pool.labels_file import read_labels
from grader.contest.downloads import member_time
from grader.contest.entries import make_entry
from grader.contest.folder import Found, time_of
from grader.contest.layouts import owners, read_timestamp
from grader.contest.names import name_key, name_problem, one_spelling, poses_as_reference
from grader.contest.receiving import receive
from grader.contest.store import Kind, Store, utc_text
from grader.contest.table import COLUMNS, rows
from grader.safe_io import csv_cell, file_names, plain_line, plain_message, plain_name
from tests.contest import make_entry as received
from tests.hostile import damaged, in_all, is_plain, names, repeated, scratch_folder, within_bounds

pytestmark = pytest.mark.timeout(14_400)

DATES = [datetime(1, 1, 1), datetime(1969, 12, 31, 23, 59, 59), datetime(1970, 1, 1), datetime(2026, 3, 1, 18, 30)]
DATES += [datetime(2038, 1, 19, 3, 14, 8), datetime(9999, 12, 31, 23, 59, 59, 999_999)]
EDGES = [-1, 0, 1, 1.5, 2**31, 2**32, 253_402_300_799, 253_402_300_800, 2**55, 2**63, 1e30, float("inf"), float("nan")]
GOOD = ["good", "good.ipynb", "2026-03-01"]
LAST = ["last", "good.ipynb", "2026-03-02"]


def look_at_names(found):
    """Do with names all that is done with names: of participants, of files, of folders in a download."""
    said = [
        said for name in found for said in (plain_line(name), plain_name(name), plain_message(name), csv_cell(name))
    ]
    parts = [tuple(part or "x" for part in name.split("/")) for name in found]
    said += [owner.name for owner in owners(parts, {parts[0][:-1]}, packed=True) if is_plain(owner.name)]
    good = [name for name in found if name_problem(name) is None]
    said += [str(problem) for problem in map(name_problem, found)]
    settled, notices = one_spelling(map(received, good), good[:1])
    by_key = {}
    for name, entry in zip(good, settled, strict=True):
        assert by_key.setdefault(name_key(name), entry.participant) == entry.participant
        assert poses_as_reference(name) or "reference" not in plain_line(name)
    files = file_names(good)
    assert len({file.casefold() for file in files.values()}) == len(files) == len(set(good))
    assert all(len(os.fsencode(file)) < 240 and not set(file) & set("/\\\0") for file in files.values())
    return said + [plain_line(notice) for notice in notices]


@in_all
@given(st.lists(names(), min_size=1, max_size=4))
@example(["a" + "\u0301\u0316" * 40_000])
@example(["\x1b]" * 40_000, "\r" * 80_000, "_" * 80_000, "x_1_assignsubmission_file" * 3_000])
def test_any_names_are_compared_shown_and_made_files(found):
    """Whatever somebody is called, it is plain where it is shown, one file's name, and one spelling of one name."""
    assert all(map(is_plain, within_bounds(look_at_names, found)))


def file_name(name, suffix):
    """Return a name as a file may have it, in bytes, which need not be UTF-8."""
    raw = name.replace("/", "_").replace("\0", "_").encode("utf-8", "surrogateescape" if name.isascii() else "replace")
    return raw[: 255 - len(suffix)] + suffix


NOTHING = b"no notebook"


def put(path, kind):
    """Put something of a kind under a path, each file with a text of its own."""
    match kind:
        case "file":
            with path.open("xb") as stream:  # over a pipe of the same name it would wait for a reader
                stream.write(NOTHING + bytes(path))
        case "folder":
            path.mkdir()
            (path / "nb.ipynb").write_bytes(NOTHING + bytes(path))
        case "empty":
            path.mkdir()
        case "link":
            path.symlink_to(".")
        case "pipe":
            os.mkfifo(path)


NAMED = st.tuples(
    st.builds(
        file_name, names(300) | st.binary(max_size=9).map(os.fsdecode), st.sampled_from([b"", b".ipynb", b".IPYNB"])
    ),
    st.sampled_from(["file", "file", "folder", "empty", "link", "pipe"]),
)


@in_all
@given(st.lists(NAMED, max_size=6))
def test_whatever_lies_in_a_folder_is_received_or_named(things):
    """Each thing in the folder becomes an entry, a line or a leaving of an editor, and the good one is received."""
    with scratch_folder() as scratch, Store(Path(scratch) / "contest.sqlite") as store:
        folder = Path(scratch) / "submissions"
        folder.mkdir()
        (folder / "good.ipynb").write_bytes(NOTHING)
        for second, (name, kind) in enumerate(things, 1):
            path = folder / os.fsdecode(name)
            with suppress(OSError):  # no file can have such a name
                put(path, kind)
                os.utime(path, (second, second), follow_symlinks=False)  # two pipes of one second would be one
        reception = within_bounds(receive, store, folder, Kind.PARTICIPANT, 2)
        assert "good" in {submission.participant for submission in reception.submissions}
        there = len(list(folder.iterdir()))
        assert len(reception.submissions) + len(reception.aside) + reception.leavings == there
        assert all(is_plain(plain_line(f"{aside.place}: {aside.reason}")) for aside in reception.aside)


times = st.one_of(
    st.sampled_from(["2026-03-01", "2026-03-01T18:30:00+01:00", "2026-W09-7", "20260301T183000Z", "yesterday", ""]),
    st.builds(
        lambda date, offset: date.replace(tzinfo=timezone(timedelta(minutes=offset))).isoformat(),
        st.sampled_from(DATES) | st.datetimes(),
        st.integers(-24 * 60 + 1, 24 * 60 - 1),
    ),
    names(),
)
cells = st.sampled_from(["good.ipynb", "nowhere.ipynb", "../x", "/", ".", "1", "0", "yes", *GOOD]) | times | names()
some_rows = st.lists(st.lists(cells, min_size=1, max_size=5), max_size=5)


def text_of(table, separator=","):
    """Write rows as a program does that exports a table."""
    stream = io.StringIO()
    csv.writer(stream, delimiter=separator).writerows(table)
    return stream.getvalue()


def receive_table(text):
    """Receive a table as a contest does; return who was received and what was left aside."""
    with scratch_folder() as scratch:
        (Path(scratch) / "good.ipynb").write_bytes(NOTHING)
        table = Path(scratch) / "received.csv"
        table.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
        with Store(Path(scratch) / "contest.sqlite") as store:
            reception = within_bounds(receive, store, table, Kind.PARTICIPANT, 2)
    assert all(is_plain(plain_line(f"{aside.place}: {aside.reason}")) for aside in reception.aside)
    return [submission.participant for submission in reception.submissions], reception.aside


@in_all
@given(some_rows, st.sampled_from(",;\t"))
@example([["\u0301\u0316" * 30_000, "good.ipynb", "2026-03-01"]], ",")
@example([["a", "good.ipynb", f"2026-03-0{day}", "1"] for day in range(1, 6)], ",")
def test_no_exported_row_ends_or_takes_another(table, separator):
    """Whatever stands in the cells of a table that a program wrote, the rows around them are received."""
    text = text_of([[*COLUMNS, "final"], [*GOOD, "0"], *table, [*LAST, "0"]], separator)
    participants, aside = receive_table(text)
    assert {"good", "last"} <= set(participants)
    assert len(aside) <= len(table)


RAW = st.sampled_from(['"', '""', ",", '","', "\n", "\r", "\r\n", "x", " ", "\0", *GOOD])


@in_all
@given(
    st.lists(RAW, max_size=12).map("".join).flatmap(repeated).map(str.encode)
    | some_rows.map(text_of).map(lambda text: text.encode("utf-8", "replace")).flatmap(damaged)
)
@example(b'x","\n' * 10_000)
@example(b'x","\n' * 10_000 + b'"y\n')
@example(b'"a"b\n' * 10_000)
def test_any_bytes_in_a_table_end_no_row_above_them(raw):
    """Whatever the bytes, quotes that are never closed among them, the row above is received."""
    participants, _ = receive_table(text_of([[*COLUMNS, "final"], [*GOOD, "0"]]).encode() + raw)
    assert "good" in participants


def rows_read_again(text):
    """Read rows as plainly as one can: after each fault, all that follows is read once more."""
    lines = io.StringIO(text, newline="").readlines()
    start, found = 1, []
    while start < len(lines):
        reader, before = csv.reader(lines[start:], strict=True), 0
        try:
            for row in reader:
                before = reader.line_num
                found.append((start + before, [cell.strip() for cell in row]))
            break
        except csv.Error:
            start += before + 1
            found.append((start, None))
    return found


@in_all
@given(st.lists(RAW, max_size=30).map("".join))
def test_rows_are_those_of_a_plain_reader(text):
    """That no line is read often changes neither which rows there are nor which are left aside."""
    found = [
        (int(lines.split()[-1]), cells if isinstance(cells, list) else None) for lines, cells in rows(f"h\n{text}", ",")
    ]
    assert found == rows_read_again(f"h\n{text}")


LABEL_CELLS = (
    st.sampled_from(["a.png", "b/c.png", "0", "1", "cat", "nan", "1e400", "-0.5", "inf", "0x1", "٣"]) | names()
)


@in_all
@given(
    st.lists(st.sampled_from(["file", "label", "difficulty", "noisy_label", "x"]), min_size=1, max_size=5),
    st.lists(st.lists(LABEL_CELLS, min_size=1, max_size=5), max_size=6),
    st.none() | RAW.flatmap(repeated),
)
def test_any_labels_file_is_read_or_refused_in_a_line(header, table, raw):
    """Whatever an organizer's CSV holds, it is labels, or one plain line says why not."""
    with scratch_folder() as scratch:
        path = Path(scratch) / "labels.csv"
        path.write_bytes((text_of([header, *table]) + (raw or "")).encode("utf-8", "replace"))
        try:
            found = within_bounds(read_labels, path)
        except SourceError as error:
            said, found = str(error), None
    if found is None:
        assert said.isprintable()
        return
    assert len(found.files) == len(found.labels) == len(set(found.files))
    assert {0, 1} == set(found.labels.tolist())


def zip_time(date, extra):
    """Return what the zip's member says of its time."""
    info = zipfile.ZipInfo("x.ipynb")
    info.date_time, info.extra = date, extra
    return member_time(info)


def time_of_row(text):
    """Return the time of a row of a table; None where it is left aside."""
    participants, _ = receive_table(text_of([[*COLUMNS], ["eve", "good.ipynb", text]]))
    return participants


@in_all
@given(
    times,
    st.sampled_from(EDGES) | st.floats() | st.integers(-(2**70), 2**70),
    st.tuples(*[st.integers(0, 99)] * 6) | st.just((1980, 0, 0, 0, 0, 0)),
    st.binary(max_size=12) | st.binary(max_size=9).map(lambda raw: b"UT\x05\x00" + raw),
)
def test_any_time_is_a_date_of_ours_or_none(text, modified, date, extra):
    """Of tables, files, zips and nbgrader's notes: whatever a time says, it is kept in UTC, or left aside."""
    found = [time_of(Found(("x.ipynb",), modified)), read_timestamp(text), zip_time(date, extra)]
    for time in filter(None, found):
        assert time.utcoffset() is not None
        assert datetime.fromisoformat(utc_text(time)).replace(tzinfo=UTC) == time.astimezone(UTC).replace(microsecond=0)
        assert make_entry("x", "eve", Path("nowhere"), time, Kind.PARTICIPANT, None, Path()).place == "x"
    assert time_of_row(text) in ([], ["eve"])


@in_all
@given(st.lists(st.integers(-(2**62), 2**62) | st.sampled_from([int(edge) for edge in EDGES[:9]]), max_size=4))
def test_any_time_of_change_ends_no_folder(seconds):
    """Files with times that a file system keeps and no calendar has are named, and the good one is received."""
    with scratch_folder() as scratch:
        folder = Path(scratch) / "submissions"
        folder.mkdir()
        for number, second in enumerate([0, *seconds]):
            path = folder / f"{number}.ipynb"
            path.write_bytes(NOTHING)
            with suppress(OSError, OverflowError):
                os.utime(path, (second, second))
        with Store(Path(scratch) / "contest.sqlite") as store:
            reception = receive(store, folder, Kind.PARTICIPANT, 2)
    assert "0" in {submission.participant for submission in reception.submissions}
    assert len(reception.submissions) + len(reception.aside) == len(seconds) + 1
