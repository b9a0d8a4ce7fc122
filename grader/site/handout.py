"""The hand-out as one zip: the public folder of the data, as it is, made before the site opens."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from grader.safe_io import plain_line
from grader.verdicts import InfrastructureError

PUBLIC = "public"


def make_handout(data: Path, store: Path) -> Path | None:
    """Zip the public folder of the data beside the store; nothing of the rest of the data is looked at.

    Returns:
        The zip's path; None where there is no public folder.

    Raises:
        InfrastructureError: it cannot be read or written.
    """
    public = data / PUBLIC
    if not public.is_dir():
        return None
    target = store.with_suffix(".handout.zip")
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive:
            for path in sorted(public.rglob("*")):
                if path.is_file() and not path.is_symlink():
                    archive.write(path, Path("handout") / path.relative_to(public))
        unfinished.replace(target)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise InfrastructureError(f"the hand-out cannot be zipped: {plain_line(str(error))}") from None
    return target
