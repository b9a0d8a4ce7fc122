"""What never leaves with an export, and the search for it: in every byte, whatever stands around it.

A secret is known by its bytes (the name of an image, a checksum, a row of the truth, a seed), by the checksum of a
whole file, or by the pixels of an image. Encrypted or freshly compressed bytes hide from any search: `archives` opens
what it can, and refuses other archives.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from competition.errors import DataError
from competition.manifest import MANIFEST_FILE, PRIVATE_SPLITS, PUBLIC_SPLITS, REDRAW_PREFIX, read_manifest
from competition.task.constants import IMAGES_DIR, SEED, TASK_DATASET_LABELS_FILE
from competition.untrusted_file import NotAFile, TooLarge, read_untrusted_file
from grader.contest_file import Contest
from grader.verdicts import InfrastructureError

WINDOW = 8  # bytes of a secret by which it is looked for first
LEAST_SEED = 1000  # a smaller number stands in any text, and is soon guessed
LONGEST_SEED = 64  # digits
LARGEST_FILE = 64 << 20  # bytes of a private file
NEVER = "never"  # the owner of what no export may hold, whatever it is for
TRUTH, CONTEST = "the truth", "the contest file"
FORMATS = ("PNG", "JPEG")
_SEEDS = re.compile(rb"seed[^0-9a-z]{0,8}([0-9]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Secret:
    """Something that must not be found.

    Attributes:
        owner: the private split that it belongs to, which some exports may hold; else `NEVER`.
        what: what it is, for a message.
    """

    owner: str
    what: str


@dataclass
class Secrets:
    """All secrets of a contest and its data.

    Attributes:
        needles: bytes that must not stand anywhere, at least `WINDOW` of them.
        files: sha256 digests of whole files.
        pixels: sha256 digests of images: their shape and grey values, however they are stored as a picture.
        seeds: numbers that must not stand behind the word seed.
    """

    needles: dict[bytes, Secret] = field(default_factory=dict)
    files: dict[bytes, Secret] = field(default_factory=dict)
    pixels: dict[bytes, Secret] = field(default_factory=dict)
    seeds: dict[int, Secret] = field(default_factory=dict)

    def add_seed(self, seed: int, secret: Secret) -> None:
        """Add a seed in every spelling that a file may have it in."""
        if seed < LEAST_SEED:
            return
        self.seeds[seed] = secret
        size = (seed.bit_length() + 7) // 8
        spellings = [str(seed).encode(), f"{seed:x}".encode(), f"{seed:X}".encode()]
        spellings += [seed.to_bytes(size, "little"), seed.to_bytes(size, "big")]
        self.needles.update({spelling: secret for spelling in spellings if len(spelling) >= WINDOW})


def pixels_digest(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return the digest of an image's shape and grey values, uint8 [H, W]."""
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest()


def decoded(raw: bytes) -> npt.NDArray[np.uint8] | None:
    """Return the grey values of an image file, uint8 [H, W]; None where it is none."""
    try:
        with Image.open(io.BytesIO(raw), formats=FORMATS) as image:
            return np.asarray(image.convert("L"))
    except Exception:  # whatever the bytes lead the decoders to: then it is no picture for anybody
        return None


def secrets_of(data: Path, contest: Contest) -> Secrets:
    """Collect all that must not leave: both test sets, the truth, redraws, seeds, the contest file.

    Raises:
        InfrastructureError: the data folder is not whole, so that nobody could say what is secret in it.
    """
    private = data / "private"
    secrets = Secrets()
    try:
        manifest = read_manifest(private)
        public = (pixels for split in PUBLIC_SPLITS for _, _, pixels in images_of(data / "public" / split))
        known = {pixels_digest(pixels) for pixels in public if pixels is not None}
        for split in (*PRIVATE_SPLITS, *(name for name in manifest["splits"] if name.startswith(REDRAW_PREFIX))):
            owner = split if split in PRIVATE_SPLITS else NEVER
            add_split(secrets, private / split, split, owner, known)
            checksum = str(manifest["splits"][split]["sha256"]).encode()
            secrets.needles[checksum] = Secret(owner, f"the checksum of {split}")
        secrets.add_seed(int(manifest["seed"]), Secret(NEVER, "the seed of the data"))
        for path in sorted(private.glob("*_truth.csv")):
            add_truth(secrets, read_private(path))
        secrets.files[file_digest(private / MANIFEST_FILE)] = Secret(NEVER, "the private manifest")
    except (DataError, KeyError, TypeError, ValueError) as error:
        raise InfrastructureError(f"nobody can say what is secret in {data}: {error}") from None
    except OSError as error:
        raise InfrastructureError(f"nobody can say what is secret in {data}: {error.filename} is missing") from None
    if contest.final.seed not in (SEED, contest.grading.seed):
        secrets.add_seed(contest.final.seed, Secret(NEVER, "the seed of the final"))
    if contest.file is not None:
        secrets.files[file_digest(contest.file)] = Secret(NEVER, CONTEST)
    return secrets


def read_private(path: Path) -> bytes:
    """Read a file of the organizer's own.

    Raises:
        OSError: it is missing or no file.
    """
    try:
        return read_untrusted_file(path, LARGEST_FILE, follow=True)
    except (NotAFile, TooLarge):
        raise OSError(0, "no file of usual size", str(path)) from None


def file_digest(path: Path) -> bytes:
    """Return the digest of a file's bytes."""
    return hashlib.sha256(read_private(path)).digest()


def images_of(folder: Path) -> Iterator[tuple[str, bytes, npt.NDArray[np.uint8] | None]]:
    """Yield name, bytes and grey values of each image file of a split; None where it cannot be decoded.

    Raises:
        OSError: there is none.
    """
    for path in sorted((folder / IMAGES_DIR).iterdir()):
        raw = read_private(path)
        yield path.name, raw, decoded(raw)


def add_split(secrets: Secrets, folder: Path, split: str, owner: str, known: set[bytes]) -> None:
    """Add the names, files and pixels of a split; pixels that are public already stay so."""
    secrets.files[file_digest(folder / TASK_DATASET_LABELS_FILE)] = Secret(owner, f"the labels of {split}")
    image = Secret(owner, f"an image of {split}")
    for name, raw, pixels in images_of(folder):
        secrets.needles[Path(name).stem.encode()] = Secret(owner, f"a file name of {split}")
        if pixels is not None and (digest := pixels_digest(pixels)) not in known:
            secrets.files[hashlib.sha256(raw).digest()] = secrets.pixels[digest] = image
            secrets.needles[pixels.tobytes()] = image  # in an array


def add_truth(secrets: Secrets, raw: bytes) -> None:
    """Add the rows of a truth file."""
    secret = Secret(NEVER, TRUTH)
    secrets.files[hashlib.sha256(raw).digest()] = secret
    secrets.needles.update({row: secret for row in raw.splitlines() if len(row) >= WINDOW})


def anchor(needle: bytes) -> int:
    """Return where a secret's most telling bytes begin: `WINDOW` of them, as different as it has."""
    windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(needle, np.uint8), WINDOW)
    return int((np.diff(np.sort(windows, axis=1)) > 0).sum(axis=1).argmax())


class Search:
    """Looks for all secrets but those of the private splits that the export may hold."""

    def __init__(self, secrets: Secrets, allowed: Iterable[str] = ()) -> None:
        may = frozenset(allowed)
        self._needles: dict[bytes, list[tuple[int, bytes, Secret]]] = defaultdict(list)
        for needle, secret in secrets.needles.items():
            if secret.owner not in may and len(needle) >= WINDOW:
                at = anchor(needle)
                self._needles[needle[at : at + WINDOW]].append((at, needle, secret))
        self._windows = np.sort(np.frombuffer(b"".join(self._needles), "<u8"))
        self._files = {key: secret for key, secret in secrets.files.items() if secret.owner not in may}
        self._pixels = {key: secret for key, secret in secrets.pixels.items() if secret.owner not in may}
        self._seeds = secrets.seeds

    def find(self, raw: bytes) -> Secret | None:
        """Return a secret that stands in a file's bytes; None where there is none."""
        if (found := self._files.get(hashlib.sha256(raw).digest())) is not None:
            return found
        if (pixels := decoded(raw)) is not None and (found := self._pixels.get(pixels_digest(pixels))) is not None:
            return found
        for match in _SEEDS.finditer(raw):
            if len(match[1]) <= LONGEST_SEED and (found := self._seeds.get(int(match[1]))) is not None:
                return found
        return next((secret for at, needle, secret in self._candidates(raw) if raw.startswith(needle, at)), None)

    def _candidates(self, raw: bytes) -> Iterator[tuple[int, bytes, Secret]]:
        """Yield where a secret would begin whose most telling bytes stand there."""
        if not len(self._windows):
            return
        for shift in range(min(WINDOW, len(raw))):
            view = np.frombuffer(raw, "<u8", offset=shift, count=(len(raw) - shift) // WINDOW)
            places = np.searchsorted(self._windows, view).clip(max=len(self._windows) - 1)
            for index in np.flatnonzero(self._windows[places] == view):
                at = shift + WINDOW * int(index)
                for offset, needle, secret in self._needles[raw[at : at + WINDOW]]:
                    if at >= offset:
                        yield at - offset, needle, secret
