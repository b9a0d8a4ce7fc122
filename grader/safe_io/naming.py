"""Names files after people: names that any file system takes, and no two people share a file."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from competition.foreign_text import plain_text

MOST_CHARACTERS = 50  # of up to four bytes each, where a file's name has at most 255
KEPT = "LMN"  # letters with their marks, and digits, of any script
_DIGEST = re.compile(r"-[0-9a-f]{12}$")
_RESERVED = re.compile(r"(CON|PRN|AUX|NUL|COM\d|LPT\d)(\..*)?", re.IGNORECASE)  # names of devices on Windows


def file_names(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Return a file name without its ending for each person's name.

    Letters of any script, digits, dots, dashes and underscores stay, a space becomes an underscore. A name that lost
    something, or that is another one's where capitals do not count, gets a dash and twelve digits of its checksum, so
    that neither a person's file nor who shares it depends on the order of the names.

    Args:
        names: their names, in their own words.
        taken: file names that nobody may get.
    """
    stems = {name: readable_part(name) for name in names}
    used = Counter(folded(stem) for stem, _ in stems.values())
    shared = {stem for stem, count in used.items() if count > 1} | set(map(folded, taken))
    return {
        name: f"{stem}-{checksum(name)}" if lost or folded(stem) in shared else stem
        for name, (stem, lost) in stems.items()
    }


def readable_part(name: str) -> tuple[str, bool]:
    """Return what is left of a name in a file's name, and whether that could be another name's too."""
    wanted = unicodedata.normalize("NFC", plain_text(name)).replace(" ", "_")
    kept = "".join(each if each in "._-" or unicodedata.category(each)[0] in KEPT else "-" for each in wanted)
    stem = kept[:MOST_CHARACTERS].strip("._-") or "participant"
    if _RESERVED.fullmatch(stem):
        stem = f"_{stem}"
    return stem, stem != name.replace(" ", "_") or bool(_DIGEST.search(stem))


def folded(stem: str) -> str:
    """Return what file systems compare that tell no capitals apart."""
    return unicodedata.normalize("NFKC", stem).casefold()


def checksum(name: str) -> str:
    """Return twelve digits that only this name has."""
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:12]
