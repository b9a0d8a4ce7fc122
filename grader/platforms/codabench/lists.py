"""The index lists of a training as a file that anybody may have forged: written once, read within bounds.

It is the ``selections.npz`` of a run folder: per model all indices in a row, and each step's count, both uint16. No
pickle, no header of NumPy's is trusted for a size: the archive's members are read up to what a training can hold.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from competition.task.constants import BATCH_SIZE
from competition.task.selection import MAX_REPEATS
from grader.safe_io import NotAFile, TooLarge, read_untrusted_file
from grader.verdicts import ParticipantFault, Verdict

LISTS_FILE = "selections.npz"
HEADER_BYTES = 1024
FORGED = "the index lists are not those of a training; submit a zip with your notebook alone"
Steps = list[list[npt.NDArray[np.int64]]]


def forged() -> ParticipantFault:
    """Make the fault of lists that no training wrote."""
    return ParticipantFault(Verdict.PRESENTATION_ERROR, FORGED)


def read_member(archive: zipfile.ZipFile, name: str, most: int) -> npt.NDArray[np.int64]:
    """Read one array, uint16 [at most `most`], as int64.

    Raises:
        ValueError, KeyError, zipfile.BadZipFile: it is none.
    """
    info = archive.getinfo(f"{name}.npy")
    if info.file_size > HEADER_BYTES + 2 * most:
        raise ValueError("too long")
    with archive.open(info) as stream:
        raw = io.BytesIO(stream.read(info.file_size))
    if np.lib.format.read_magic(raw) != (1, 0):
        raise ValueError("another format")
    shape, fortran, kind = np.lib.format.read_array_header_1_0(raw)
    body = raw.read()
    if kind != np.dtype("<u2") or fortran or shape != (len(body) // 2,) or len(body) % 2 or shape[0] > most:
        raise ValueError("another array")
    return np.frombuffer(body, "<u2").astype(np.int64)


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
    try:
        raw = read_untrusted_file(path, 4 * (HEADER_BYTES * 2 + 2 * (most + steps)))
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            models = []
            for which in (1, 2):
                counts = read_member(archive, f"counts_{which}", steps)
                indices = read_member(archive, f"indices_{which}", most)
                if len(counts) != steps or counts.sum() != len(indices):
                    raise ValueError("another number")
                models.append(np.split(indices, np.cumsum(counts)[:-1]))
    except (NotAFile, TooLarge, OSError, ValueError, KeyError, EOFError, NotImplementedError, RuntimeError):
        raise forged() from None
    except (zipfile.BadZipFile, zipfile.LargeZipFile, MemoryError, SyntaxError, TypeError):
        raise forged() from None
    return [list(step) for step in zip(*models, strict=True)]
