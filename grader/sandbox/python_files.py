"""This Python as a sandbox shows it: its environment and what that was made with, under neutral names.

Hidden are the kit itself, the environment's programs, which name the folder where they lie, and the packages of the
Python below that the environment does not use.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from importlib.metadata import distributions
from pathlib import Path

from competition.distribution import DISTRIBUTION
from grader.sandbox.job import Job

ENVIRONMENT = "/environment"
PYTHON = "/python"
DEBIAN_PACKAGES = "/usr/lib/python3/dist-packages"


def environment_folder() -> str:
    """Return where the sandbox shows this Python's environment."""
    return sys.prefix if Path(sys.prefix).is_relative_to("/usr") else ENVIRONMENT


def programs_folder() -> str:
    """Return where the sandbox shows the environment's programs, its Python among them."""
    return f"{environment_folder()}/{Path(sys.executable).parent.relative_to(sys.prefix)}"


def python_options(job: Job) -> list[str]:
    """Return the options that show this Python: under neutral names, so that no traceback tells a path of ours.

    What lies below ``/usr`` is shown where it is. A virtual environment finds its standard library by a line in its
    ``pyvenv.cfg``, so it gets another one; its links to the interpreter go through a link at the old place.
    """
    options = []
    if environment_folder() == ENVIRONMENT:
        options += ["--ro-bind", sys.prefix, ENVIRONMENT]
    options += [*hide_kit(Path(sysconfig.get_path("purelib"))), *hide_programs()]
    base = os.path.realpath(sys.base_prefix)
    if Path(base).is_relative_to("/usr"):
        return [*options, *hide_other_packages()]
    if Path(base).is_relative_to(os.path.realpath(sys.prefix)):
        return options
    options += ["--ro-bind", base, PYTHON, *hide_other_packages()]
    for place in sorted({sys.base_prefix, base}):
        options += ["--symlink", PYTHON, place]
    settings = Path(sys.prefix) / "pyvenv.cfg"
    if settings.is_file():
        neutral = job.gateway / settings.name
        text = settings.read_text().replace(sys.prefix, environment_folder())
        neutral.write_text(text.replace(base, PYTHON).replace(sys.base_prefix, PYTHON))
        options += ["--ro-bind", str(neutral), f"{environment_folder()}/{settings.name}"]
    return options


def base_seen(path: str | Path) -> str:
    """Return where the sandbox shows a file of the Python that the environment was made with."""
    base, real = os.path.realpath(sys.base_prefix), os.path.realpath(path)
    return real if Path(base).is_relative_to("/usr") else f"{PYTHON}/{Path(real).relative_to(base)}"


def hide_programs() -> list[str]:
    """Return the options that leave of an environment's programs its Python alone: the others tell where they lie."""
    interpreter = Path(os.path.realpath(sys.executable))
    if environment_folder() != ENVIRONMENT or interpreter.is_relative_to(os.path.realpath(sys.prefix)):
        return []
    options = ["--tmpfs", programs_folder()]
    for name in sorted({"python", "python3", interpreter.name, Path(sys.executable).name}):
        options += ["--symlink", base_seen(interpreter), f"{programs_folder()}/{name}"]
    return [*options, "--remount-ro", programs_folder()]


def hide_other_packages() -> list[str]:
    """Return the options that hide the packages of the Python below an environment, unless that uses them."""
    base = {"base": sys.base_prefix, "platbase": sys.base_prefix}
    folders = {sysconfig.get_path(name, vars=base) for name in ("purelib", "platlib")} | {DEBIAN_PACKAGES}
    used = {os.path.realpath(path) for path in sys.path}
    options = []
    for folder in sorted(
        folder for folder in folders if Path(folder).is_dir() and os.path.realpath(folder) not in used
    ):
        seen = folder if folder == DEBIAN_PACKAGES else base_seen(folder)
        options += ["--tmpfs", seen, "--remount-ro", seen]
    return options


def hide_kit(packages: Path) -> list[str]:
    """Return the options that hide what installing this kit put into the environment, as seen in the sandbox.

    The pool with its clean labels is among it, and of an editable installation the path of the clone.

    Args:
        packages: the ``site-packages`` of the environment below ``sys.prefix``.
    """
    hidden = set()
    for kit in distributions(name=DISTRIBUTION, path=[str(packages)]):
        for file in kit.files or ():
            top = packages / file.parts[0]
            whole = top.is_dir() and file.parts[0] not in ("..", "__pycache__")
            hidden.add(top if whole else Path(os.path.normpath(packages / file)))
    options = []
    for path in sorted(path for path in hidden if path.exists() and path.is_relative_to(sys.prefix)):
        seen = f"{environment_folder()}/{path.relative_to(sys.prefix)}"
        options += ["--tmpfs", seen, "--remount-ro", seen] if path.is_dir() else ["--ro-bind", "/dev/null", seen]
    return options
