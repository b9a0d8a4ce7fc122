"""What pip knows of the kit: its name, and the libraries that it needs."""

from __future__ import annotations

import re
from importlib.metadata import requires

DISTRIBUTION = "label-noise-competition"


def needed_libraries() -> dict[str, str]:
    """Return what the kit needs without its extras: the bounds of the version, such as "<3,>=2.8", by name.

    Raises:
        PackageNotFoundError: the kit is not installed.
    """
    needed = {}
    for line in requires(DISTRIBUTION) or ():
        if "extra ==" not in line and (found := re.match(r"([\w.-]+)\s*([^;]*)", line)):
            name, bounds = found.groups()
            needed[name] = ",".join(sorted(bounds.replace(" ", "").split(",")))
    return needed
