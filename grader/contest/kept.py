"""The files that were received, as they were then: a folder beside the store, each file under its checksum."""

from __future__ import annotations

import hashlib
from pathlib import Path

from grader.safe_io import write_whole
from grader.submission import MAX_NOTEBOOK_BYTES
from grader.verdicts import InfrastructureError, ParticipantFault, Verdict

FAULT_SUFFIX = ".fault"


class Kept:
    """Keeps what was received, so that later gradings do not depend on files that others may change.

    Args:
        folder: where; made with the first file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _place(self, sha256: str, *, fault: bool) -> Path:
        return self._folder / sha256[:2] / f"{sha256}{FAULT_SUFFIX if fault else ''}"

    def put(self, sha256: str, raw: bytes | ParticipantFault) -> None:
        """Keep the bytes of a file, or the fault of one that may not be read; see `identify` for the checksum.

        Raises:
            InfrastructureError: they cannot be written.
        """
        fault = isinstance(raw, ParticipantFault)
        path = self._place(sha256, fault=fault)
        try:
            if not path.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, raw.message if isinstance(raw, ParticipantFault) else raw, durable=True)
        except OSError as error:
            raise InfrastructureError(f"what was received cannot be kept: {error}") from None

    def get(self, sha256: str) -> bytes | ParticipantFault | None:
        """Return what was kept; None where it is not there, or not what was kept."""
        for fault in (False, True):
            try:
                with open(self._place(sha256, fault=fault), "rb") as stream:
                    raw = stream.read(MAX_NOTEBOOK_BYTES * 2)  # a solution file grows when it is grafted
            except OSError:
                continue
            if hashlib.sha256(raw).hexdigest() == sha256:
                return ParticipantFault(Verdict.PRESENTATION_ERROR, raw.decode()) if fault else raw
        return None


def kept_beside(store: Path) -> Kept:
    """Return the files that were received for a store: they lie beside it."""
    return Kept(store.with_suffix(".received"))
