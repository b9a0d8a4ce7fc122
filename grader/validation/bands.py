"""Which references there are, and the bands in which they are expected."""

from __future__ import annotations

import tomllib
from pathlib import Path

from grader.validation.results import Band
from grader.verdicts import InfrastructureError

ORACLE = "oracle"
REFERENCES_FOLDER = Path("reference_solutions")
BANDS_FILE = "expected.toml"


def find_references(names: list[str]) -> list[str]:
    """Return the references to validate: `names`, or all of them and the oracle.

    Raises:
        ValueError: a name is none of them.
        InfrastructureError: the folder of references is not here.
    """
    if not REFERENCES_FOLDER.is_dir():
        raise InfrastructureError(f"no folder {REFERENCES_FOLDER}/ here: run this in a clone of the repository")
    known = [*sorted(path.stem for path in REFERENCES_FOLDER.glob("*.py")), ORACLE]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no reference named {', '.join(unknown)}; there are {', '.join(known)}")
    return names or known


def read_bands(profile: str, device: str) -> dict[str, Band]:
    """Read the expected bands of one profile on one device.

    Raises:
        InfrastructureError: the file is missing or damaged.
    """
    path = REFERENCES_FOLDER / BANDS_FILE
    try:
        table = tomllib.loads(path.read_text())
        return {name: Band(*map(float, ends)) for name, ends in table.get(profile, {}).get(device, {}).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InfrastructureError(f"{path} cannot be used: {error}") from None
