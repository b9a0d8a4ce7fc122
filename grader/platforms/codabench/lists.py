"""The index lists of a training as a file that anybody may have forged: written once, read within bounds.

It is the ``selections.npz`` of a run folder: per model all indices in a row, and each step's count, both uint16. How
long each part must be is known before it is read, and so are the bytes of its header: nothing is parsed.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from competition.task.constants import BATCH_SIZE
from competition.task.selection import MAX_REPEATS
from grader.safe_io import NotAFile, TooLarge, read_untrusted_file
from grader.verdicts import ParticipantFault, Verdict

LISTS_FILE = "selections.npz"
OVERHEAD = 4096  # bytes of an archive around its parts
FORGED = "the index lists are not those of a training; submit a zip with your notebook alone"
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
NO_LISTS = (NotAFile, TooLarge, OSError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)
Steps = list[list[npt.NDArray[np.int64]]]


def forged() -> ParticipantFault:
    """Make the fault of lists that no training wrote."""
    return ParticipantFault(Verdict.PRESENTATION_ERROR, FORGED)


def header(length: int) -> bytes:
    """Return the bytes before an array, uint16 [length], in NumPy's format."""
    stream = io.BytesIO()
    told = {"descr": "<u2", "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(stream, told)
    return stream.getvalue()


def read_part(archive: zipfile.ZipFile, name: str, length: int) -> npt.NDArray[np.int64]:
    """Read one array, uint16 [length], as int64.

    Raises:
        ValueError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error: it is none.
    """
    info, before = archive.getinfo(f"{name}.npy"), header(length)
    if info.file_size != len(before) + 2 * length or info.compress_type not in PACKINGS:
        raise ValueError("another length")
    raw = archive.read(info)
    if not raw.startswith(before):
        raise ValueError("another array")
    return np.frombuffer(raw, "<u2", offset=len(before)).astype(np.int64)


def read_lists(path: Path, samples: int, epochs: int) -> Steps:
    """Read the selections of all steps: two int64 arrays for each, unchecked but for their number.

    Args:
        path: the file, and whatever it is.
        samples: of the training set.
        epochs: of the training.

    Raises:
        ParticipantFault: it is no file of a whole training.
    """
    steps = epochs * -(-samples // BATCH_SIZE)
    most = MAX_REPEATS * BATCH_SIZE * steps
    models = []
    try:
        raw = read_untrusted_file(path, 2 * 2 * (most + steps) + OVERHEAD)
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            for which in (1, 2):
                counts = read_part(archive, f"counts_{which}", steps)
                if counts.sum() > most:
                    raise ValueError("too many")
                indices = read_part(archive, f"indices_{which}", int(counts.sum()))
                models.append(np.split(indices, np.cumsum(counts)[:-1]))
    except NO_LISTS:
        raise forged() from None
    return [list(step) for step in zip(*models, strict=True)]
