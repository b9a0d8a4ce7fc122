"""Files into a zip that is the same for the same files, and the kit's own sources as files."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import competition
import grader
from competition.distribution import needed_libraries

Files = dict[str, bytes]
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can hold
SUFFIXES = {".py", ".pyi", ".md", ".html", ".css", ".js"}
STORED = {".png", ".zip"}  # they are compressed already


def write_zip(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a zip with these files, in the order of their names."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, EPOCH)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_STORED if Path(name).suffix in STORED else zipfile.ZIP_DEFLATED
            archive.writestr(info, files[name])


def files_below(folder: Path, prefix: str) -> Files:
    """Return all regular files below a folder of ours, named from `prefix` on."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {f"{prefix}/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in paths}


def kit_files(prefix: str) -> Files:
    """Return the sources of both packages without the embedded pool, whose clean labels are nobody's business there."""
    files: Files = {}
    for package in (competition, grader):
        root = Path(str(package.__file__)).parent
        files |= {
            f"{prefix}/{root.name}/{path.relative_to(root).as_posix()}": path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file() and path.suffix in SUFFIXES
        }
    return files


def pinned_requirements() -> str:
    """Return what the kit needs, in the very versions that it has here; a torch for a GPU becomes that for a CPU."""
    lines = [f"{name}=={version(name).split('+')[0]}" for name in needed_libraries()]
    return "\n".join(sorted(lines)) + "\n"
