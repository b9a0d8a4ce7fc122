"""What a sandbox is asked to do: which notebook, what it may see, what it may use."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from competition.scratch import PREFIX, scratch_folder
from grader.sandbox.limits import Limits
from grader.verdicts import InfrastructureError

DEFAULT_IMAGE = "label-noise-competition"
INPUT_NOTEBOOK = "notebook.ipynb"
OUTPUT_NOTEBOOK = "executed.ipynb"
GATEWAY_FOLDER = "gateway"
SOCKET = "socket"
# As "python -m papermill", without the grammar that the package `competition` leaves out too.
PAPERMILL = "import sys; sys.modules['rfc3987_syntax'] = None; from papermill.cli import papermill; papermill()"
LONGEST_ADDRESS = 107  # bytes of the path of a Unix socket
# Settings that change the bits of a result, and nothing else, pass through.
NUMERIC_VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "MKL_CBWR",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "OPENBLAS_NUM_THREADS",
)


class Backend(StrEnum):
    """How a notebook is isolated."""

    BWRAP = "bwrap"
    PODMAN = "podman"
    DOCKER = "docker"
    CONFINED = "confined"
    NONE = "none"


@dataclass(frozen=True)
class Job:
    """A notebook to execute in final evaluation mode, and what it may see and use.

    Attributes:
        gateway: the folder with the notebook and the grader's socket; see `gateway_folder`.
        train, val: the folders that stand as ``train/`` and ``val/`` in its working folder.
        device: "cpu" or "cuda".
        threads: CPU threads of its kernel.
        limits: see `Limits`.
        image: the image of a container.
    """

    gateway: Path
    train: Path
    val: Path
    device: str
    threads: int
    limits: Limits
    image: str = DEFAULT_IMAGE

    def inputs(self) -> dict[str, Path]:
        """Return the folders that it reads, by their names in its working folder."""
        return {"train": self.train.resolve(), "val": self.val.resolve(), GATEWAY_FOLDER: self.gateway.resolve()}

    def papermill(self) -> list[str]:
        """Return the arguments for Python that execute it."""
        return [
            *("-c", PAPERMILL, f"{GATEWAY_FOLDER}/{INPUT_NOTEBOOK}", OUTPUT_NOTEBOOK),
            *("--kernel", "python3", "--no-progress-bar"),
            *("-p", "FINAL_EVALUATION_MODE", "True", "-p", "NUM_THREADS", str(self.threads)),
        ]


def notebook_environment(home: str, device: str, programs: str) -> dict[str, str]:
    """Return the whole environment of a notebook's process.

    Args:
        home: its home folder, which it may write.
        device: "cpu" or "cuda".
        programs: the folder of its Python.
    """
    environment = {
        "HOME": home,
        "IPYTHONDIR": f"{home}/.ipython",
        "JUPYTER_PLATFORM_DIRS": "1",
        "LANG": "C.UTF-8",
        "LOGNAME": "participant",
        "MPLCONFIGDIR": f"{home}/.matplotlib",
        "PATH": os.pathsep.join((programs, "/usr/bin", "/bin")),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "TMPDIR": home,
        "USER": "participant",
    }
    environment |= {name: os.environ[name] for name in NUMERIC_VARIABLES if name in os.environ}
    if device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    elif "CUDA_VISIBLE_DEVICES" in os.environ:
        environment["CUDA_VISIBLE_DEVICES"] = os.environ["CUDA_VISIBLE_DEVICES"]
    return environment


def socket_problem(temporary: Path) -> str | None:
    """Say why a socket cannot lie in the folder of temporary files, with what to do; None where it can.

    Its path has at most 107 bytes, of which what is made in between takes 35.
    """
    longest = LONGEST_ADDRESS - len(os.fsencode(f"/{PREFIX}gate-xxxxxxxx/g/{SOCKET}"))
    length = len(os.fsencode(temporary.absolute()))
    if length <= longest:
        return None
    return (
        f"the folder of temporary files has a path of {length} bytes, {longest} leave room for the name of a socket: "
        "set the variable TMPDIR to a folder with a shorter one, such as /tmp"
    )


@contextmanager
def gateway_folder() -> Iterator[Path]:
    """Make the short folder that holds the grader's socket and the notebook to run, and remove it afterwards.

    It lies in a folder that nobody else may enter, so that a backend may open the inner one for its own user.

    Raises:
        InfrastructureError: see `socket_problem`.
    """
    if problem := socket_problem(Path(tempfile.gettempdir())):
        raise InfrastructureError(problem)
    with scratch_folder("gate") as outer:
        folder = outer / "g"
        folder.mkdir()
        yield folder
