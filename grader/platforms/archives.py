"""Every file of an export, and every member of every archive in it, to be searched."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from grader.platforms.secrecy import Search, Secret
from grader.verdicts import InfrastructureError

DEEPEST = 4  # archives in archives
PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"\x28\xb5\x2f\xfd")  # beginnings


def parts_of(name: str, raw: bytes, depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield a file, and what an archive in it holds, by name; names of members count as content of their own.

    Raises:
        InfrastructureError: it is an archive that cannot be searched.
    """
    yield name, raw
    yield name, name.encode(errors="surrogateescape")
    if raw.startswith(PACKED) or raw[257:262] == b"ustar":
        raise InfrastructureError(f"{name} is an archive that cannot be searched for secrets: pack it as a zip")
    if not zipfile.is_zipfile(io.BytesIO(raw)):
        return
    if depth == DEEPEST:
        raise InfrastructureError(f"{name} holds archives in archives, deeper than any export needs")
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                yield from parts_of(f"{name}: {info.filename}", archive.read(info), depth + 1)


def leak_in(folder: Path, search: Search) -> tuple[str, Secret] | None:
    """Return the first place below a folder, or in a file, at which a secret stands, and the secret; None without.

    Raises:
        InfrastructureError: see `parts_of`.
    """
    files = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if not path.is_dir())
    for path in files:
        name = path.relative_to(folder.parent).as_posix()
        if path.is_symlink():
            raise InfrastructureError(f"{name} is a link: an export holds files alone")
        for place, raw in parts_of(name, path.read_bytes()):
            if (secret := search.find(raw)) is not None:
                return place, secret
    return None
