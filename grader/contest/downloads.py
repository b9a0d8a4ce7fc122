"""The downloads of learning platforms, zipped or unpacked: their notebooks, and the name of everything else.

Nothing is unpacked onto the disk, and a name in a zip is never used as a path. What is read is bounded: each file, all
of them together, and how many there are.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from grader.contest.entries import NOTEBOOK_SUFFIX, Aside
from grader.contest.folder import ADVICE, LEAVING, Walk, place_of, time_of
from grader.contest.layouts import KERNEL_FILE, TIMESTAMP_FILE, Parts, is_codabench, read_timestamp
from grader.safe_io import NotAFile, TooLarge, parse_json, read_below
from grader.submission import MAX_NOTEBOOK_BYTES

MAX_MEMBERS = 50_000  # of one zip
MAX_TIMESTAMP_BYTES = 200
MAX_KERNEL_BYTES = 1 << 16
MAX_INNER_BYTES = 2 * MAX_NOTEBOOK_BYTES  # of a zip in a zip
_UNIX_TIME = 0x5455  # the field of a zip's member that holds its time in UTC
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    struct.error,
)


class Unreadable(Exception):
    """A file of a download cannot be taken; the message says why, and what to do."""


@dataclass(frozen=True)
class Member:
    """A notebook in a download.

    Attributes:
        parts: its path there.
        time: when it was changed; None where nothing usable says so.
        read: returns its bytes, at most 16 MiB; raises `Unreadable`.
    """

    parts: Parts
    time: datetime | None
    read: Callable[[], bytes]


@dataclass
class Download:
    """What one download holds.

    Attributes:
        packed: whether it is a zip.
        members: its notebooks.
        stamps: the times in ``timestamp.txt``, by folder.
        kernels: what ``kernel-metadata.json`` names the notebook beside it, by folder.
        aside, leavings: see `HandedIn`.
    """

    packed: bool
    members: list[Member] = field(default_factory=list)
    stamps: dict[Parts, datetime | None] = field(default_factory=dict)
    kernels: dict[Parts, str] = field(default_factory=dict)
    aside: list[Aside] = field(default_factory=list)
    leavings: int = 0


def open_download(source: Path) -> Download:
    """Look through a folder or a zip; what cannot be taken is named in the result."""
    return look_through(source) if source.is_dir() else look_into_zip(source)


def look_through(folder: Path) -> Download:
    """Look through an unpacked download."""
    walk = Walk(folder, (NOTEBOOK_SUFFIX,), passed=(TIMESTAMP_FILE, KERNEL_FILE))
    download = Download(False, aside=walk.handed_in.aside, leavings=walk.handed_in.leavings)

    def reader(path: PurePosixPath) -> Callable[[], bytes]:
        def read() -> bytes:
            try:
                return read_below(folder, path, MAX_NOTEBOOK_BYTES)
            except NotAFile:
                raise Unreadable("it is a link, a pipe or the like: put the file itself in its place") from None
            except TooLarge as error:
                raise too_large(error.size) from None
            except OSError as error:
                raise Unreadable(f"it cannot be read: {error.strerror}") from None

        return read

    for found in walk.found:
        download.members.append(Member(found.parts, time_of(found), reader(PurePosixPath(*found.parts))))
        beside = found.parts[:-1]
        if beside not in download.kernels:
            stamp = small_file(folder, (*beside, TIMESTAMP_FILE), MAX_TIMESTAMP_BYTES)
            if stamp is not None:
                download.stamps[beside] = read_timestamp(stamp.decode(errors="replace"))
            download.kernels[beside] = read_kernel(small_file(folder, (*beside, KERNEL_FILE), MAX_KERNEL_BYTES) or b"")
    return download


def small_file(folder: Path, parts: Parts, limit: int) -> bytes | None:
    """Read a small file of an unpacked download; None where it is missing, no file or not small."""
    try:
        return read_below(folder, PurePosixPath(*parts), limit)
    except (OSError, NotAFile, TooLarge):
        return None


def read_kernel(raw: bytes) -> str:
    """Return what a ``kernel-metadata.json`` names its notebook, ``owner/name``; "" where it says nothing of use."""
    try:
        said = parse_json(raw)
    except ValueError:
        return ""
    name = said.get("id") if isinstance(said, dict) else None
    return name if isinstance(name, str) else ""


def too_large(size: int) -> Unreadable:
    """Make the error of a notebook that is larger than any that is graded."""
    return Unreadable(f"it holds {size:,} bytes, {MAX_NOTEBOOK_BYTES:,} are allowed: ask for one without outputs")


def look_into_zip(path: Path) -> Download:
    """Look into a zip; one submission of Codabench's, whose name says whose it is, also by itself."""
    download = Download(True)
    try:
        if not path.is_file():
            raise OSError("a pipe or the like")
        archive = zipfile.ZipFile(path)  # stays open, as its members are read later, one by one
        infos = archive.infolist()
    except DAMAGE as error:
        download.aside.append(Aside("", f"it is no zip that can be read ({error}): download it again"))
        return download
    if len(infos) > MAX_MEMBERS:
        download.aside.append(Aside("", f"it holds {len(infos):,} files, {MAX_MEMBERS:,} are allowed: split it"))
        return download
    for info in infos:
        parts = tuple(info.filename.replace("\\", "/").split("/"))
        if info.is_dir():
            continue
        if any(LEAVING.fullmatch(part) for part in parts):
            download.leavings += 1
        elif parts[-1] == TIMESTAMP_FILE:
            download.stamps[parts[:-1]] = stamp_of(archive, info)
        elif parts[-1] == KERNEL_FILE:
            download.kernels[parts[:-1]] = read_kernel(small_member(archive, info, MAX_KERNEL_BYTES) or b"")
        elif is_codabench(parts[-1]):
            look_into_inner(download, parts, member_reader(archive, info, MAX_INNER_BYTES))
        elif (problem := member_problem(info, parts)) is not None:
            download.aside.append(problem)
        else:
            download.members.append(Member(parts, member_time(info), member_reader(archive, info)))
    if is_codabench(path.name):
        download.members = [Member((path.name, *each.parts), each.time, each.read) for each in download.members]
    return download


def look_into_inner(download: Download, outer: Parts, read: Callable[[], bytes]) -> None:
    """Look for the one notebook of a submission that lies zipped in a zip; `read` returns its bytes."""

    def opened() -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]:
        archive = zipfile.ZipFile(io.BytesIO(read()))
        if len(archive.infolist()) > MAX_MEMBERS:
            raise Unreadable(f"it holds {len(archive.infolist()):,} files, and one notebook is expected")
        notebooks = (info for info in archive.infolist() if info.filename.lower().endswith(NOTEBOOK_SUFFIX))
        return archive, [info for info in notebooks if not any(map(LEAVING.fullmatch, info.filename.split("/")))]

    def read_notebook() -> bytes:
        archive, infos = opened()
        return member_reader(archive, infos[0])()

    try:
        _, found = opened()
        if len(found) != 1:
            raise Unreadable(f"it holds {len(found) or 'no'} notebooks, and one is expected")
        parts = (*outer, *found[0].filename.replace("\\", "/").split("/"))
        if (problem := member_problem(found[0], parts)) is not None:
            download.aside.append(problem)
            return
    except Unreadable as error:
        download.aside.append(Aside(place_of(outer), str(error)))
    except DAMAGE as error:
        download.aside.append(Aside(place_of(outer), f"it is no zip that can be read ({error}): download it again"))
    else:
        download.members.append(Member(parts, None, read_notebook))


def stamp_of(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> datetime | None:
    """Read a ``timestamp.txt`` of a zip; None where it says nothing that can be used."""
    raw = small_member(archive, info, MAX_TIMESTAMP_BYTES)
    return None if raw is None else read_timestamp(raw.decode(errors="replace"))


def small_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes | None:
    """Read a small file of a zip; None where it is damaged or not small."""
    try:
        return archive_bytes(archive, info, limit)
    except DAMAGE:
        return None


def member_problem(info: zipfile.ZipInfo, parts: Parts) -> Aside | None:
    """Say why a file of a zip is not taken; None where it is."""
    place, suffix = place_of(parts), PurePosixPath(parts[-1]).suffix.lower()
    if any(part in ("", ".", "..") or part.endswith(":") for part in parts):
        return Aside(place, "its path leads out of the zip: ask where this zip comes from")
    if suffix == ".zip":
        return Aside(place, "a zip in a zip is not opened: unpack it, and name it by itself")
    if suffix != NOTEBOOK_SUFFIX:
        return Aside(place, ADVICE.get(suffix, "it is no notebook (.ipynb)"), lost=False)
    if stat.S_ISLNK(info.external_attr >> 16):
        return Aside(place, "it is a link, and none is followed: ask for the file itself")
    if info.flag_bits & 0x1:
        return Aside(place, "it is encrypted: unpack the zip with its password, and name the folder")
    if info.file_size > MAX_NOTEBOOK_BYTES:
        return Aside(place, str(too_large(info.file_size)))
    return None


def archive_bytes(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes | None:
    """Read a file of a zip, whatever size it claims to have; None where it is larger.

    Raises:
        zipfile.BadZipFile: it is damaged; so do the other errors of `DAMAGE`.
    """
    with archive.open(info) as stream:
        raw = stream.read(limit + 1)
    return raw if len(raw) <= limit else None


def member_reader(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int = MAX_NOTEBOOK_BYTES
) -> Callable[[], bytes]:
    """Return what reads a file of a zip."""

    def read() -> bytes:
        try:
            raw = archive_bytes(archive, info, limit)
        except DAMAGE as error:
            raise Unreadable(f"it is damaged ({error}): download the zip again") from None
        if raw is None:
            raise too_large(limit + 1)
        return raw

    return read


def member_time(info: zipfile.ZipInfo) -> datetime | None:
    """Return when a file of a zip was changed: in UTC where the zip says so, else its clock's time taken for UTC."""
    extra = info.extra
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        if kind == _UNIX_TIME and size >= 5 and len(extra) >= 9 and extra[4] & 1:
            return datetime.fromtimestamp(struct.unpack_from("<I", extra, 5)[0], UTC)
        extra = extra[4 + size :]
    try:
        return datetime(*info.date_time, tzinfo=UTC)
    except ValueError:
        return None
