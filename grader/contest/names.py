"""Participants' names: which are one, though they are written in several ways, and which only look alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import replace

from grader.contest.store import Entry
from grader.safe_io import plain_text

MOST_CHARACTERS = 1000
# Characters that show nothing: joiners, variation selectors, fillers.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200c\u200d\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
# Letters of other scripts, and figures, that look like a Latin letter; each with the letter that it looks like.
_LOOKS_LIKE = str.maketrans(
    "аеорсухіјѕԁԛԝһӏІАВЕКМНОРСТХЅЈαοιρυνκΑΒΕΖΗΙΚΜΝΟΡΤΥΧı1|0I",
    "aeopcyxijsdqwhllABEKMHOPCTXSJaoipuvkABEZHlKMNOPTYXillOl",
)
REFERENCE = "reference"


def name_key(name: str) -> str:
    """Return what two spellings of one name have in common.

    Names are one where they differ in nothing but invisible characters, spaces, and forms of a character that Unicode's
    compatibility normalisation (NFKC) takes for the same. Upper and lower case stay two: accounts may differ in it.
    """
    visible = _INVISIBLE.sub("", plain_text(unicodedata.normalize("NFKC", plain_text(name))))
    return " ".join(visible.split())


def looks(name: str) -> tuple[str, str]:
    """Return a name without its case, and with each letter as the Latin one that it looks like."""
    key = name_key(name)
    return key.casefold(), key.translate(_LOOKS_LIKE).casefold()


def poses_as_reference(name: str) -> bool:
    """Say whether a participant's name has the word with which the boards mark reference solutions, accents apart."""
    return any(REFERENCE in "".join(map(_without_marks, look.split())) for look in looks(name))


def _without_marks(text: str) -> str:
    """Return a text without accents and other marks on its letters."""
    return "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))


def name_problem(name: str) -> str | None:
    """Say why a name cannot be anybody's; None where it can."""
    if len(name) > MOST_CHARACTERS:  # first: to put marks into order, Unicode's forms take the square of their number
        return f"the participant's name has {len(name):,} characters, {MOST_CHARACTERS:,} are allowed: shorten it"
    if not name_key(name):
        return "the participant's name shows nothing: give it letters"
    return None


def one_spelling(entries: Iterable[Entry], known: Iterable[str]) -> tuple[list[Entry], list[str]]:
    """Give each participant the spelling of their name that came first.

    Args:
        entries: what was handed in.
        known: the names in the store.

    Returns:
        The entries, and notices: of spellings that were taken for one, and of names that look alike and stay two.
    """
    first: dict[str, str] = {}
    for name in known:
        first.setdefault(name_key(name), name)
    settled, notices, new = [], dict[str, None](), dict[str, None]()
    for entry in entries:
        name = first.setdefault(name_key(entry.participant), entry.participant)
        if name != entry.participant:
            notices[f"{entry.participant!a} is taken for {name!a}: both look the same"] = None
        new[name] = None
        settled.append(replace(entry, participant=name))
    return settled, [*notices, *alike(first.values(), set(new))]


def alike(names: Iterable[str], new: set[str]) -> list[str]:
    """Name the participants who look like another one, as far as one of them has handed in something now."""
    by_look: dict[str, list[str]] = {}
    for name in names:
        for look in set(looks(name)):
            by_look.setdefault(look, []).append(name)
    groups = {tuple(group): None for group in by_look.values() if len(group) > 1 and not new.isdisjoint(group)}
    return [
        f"{' and '.join(map(ascii, group))} look alike and are {len(group)} participants: if they are one, write the "
        "name in one way"
        for group in groups
    ]
