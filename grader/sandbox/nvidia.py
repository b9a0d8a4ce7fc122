"""NVIDIA's driver as a sandbox needs it: the card's device files, and the driver's libraries where they lie apart.

A notebook sees the card that its training runs on, and no other one: its control file, the file of its unified memory
and its own. The other files below ``/dev/nvidia*`` are for screens and profilers. What the driver tells in
``/proc/driver/nvidia`` is there to read with ``/proc``; nothing of ``/sys`` is needed.

The driver itself is asked, not torch: so a notebook's kernel starts before the grader has loaded torch.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
import runpy
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from uuid import UUID

DRIVER = "libcuda.so.1"
CONTROL_FILES = ("/dev/nvidiactl", "/dev/nvidia-uvm")
SEARCHED = "LD_LIBRARY_PATH"


@dataclass(frozen=True)
class Card:
    """The card that CUDA programs use here.

    Attributes:
        name: as torch names it.
        uuid: as ``CUDA_VISIBLE_DEVICES`` takes it.
        cuda: the newest version of CUDA that its driver knows, 13000 for 13.0.
    """

    name: str
    uuid: str
    cuda: int


def has_driver() -> bool:
    """Say whether the library of NVIDIA's driver can be loaded."""
    try:
        ctypes.CDLL(DRIVER)
    except OSError:
        return False
    return True


@functools.cache
def first_card() -> Card | None:
    """Return the first of the cards that CUDA programs see here; None where there is none.

    These are calls of the driver's interface: cuInit, cuDriverGetVersion, cuDeviceGet, cuDeviceGetName and
    cuDeviceGetUuid_v2; each returns 0 where it succeeds.
    """
    if not has_driver():
        return None
    driver = ctypes.CDLL(DRIVER)
    cuda, device = ctypes.c_int(), ctypes.c_int()
    name, uuid = ctypes.create_string_buffer(256), ctypes.create_string_buffer(16)
    succeeded = (
        driver.cuInit(0) == 0
        and driver.cuDriverGetVersion(ctypes.byref(cuda)) == 0
        and driver.cuDeviceGet(ctypes.byref(device), 0) == 0
        and driver.cuDeviceGetName(name, len(name), device) == 0
        and driver.cuDeviceGetUuid_v2(uuid, device) == 0
    )
    return Card(name.value.decode(), f"GPU-{UUID(bytes=uuid.raw)}", cuda.value) if succeeded else None


@functools.cache
def torch_cuda() -> str | None:
    """Return the version of CUDA that torch was built for, such as "13.0", without loading torch; None for no CUDA."""
    torch = importlib.util.find_spec("torch")
    if torch is None or torch.origin is None:
        return None
    built_for: str | None = runpy.run_path(str(Path(torch.origin).with_name("version.py")))["cuda"]
    return built_for


def cuda_is_available() -> bool:
    """Say whether torch can use a card here: it was built for CUDA, of no later generation than the driver's."""
    built_for, found = torch_cuda(), first_card()
    return built_for is not None and found is not None and found.cuda // 1000 >= int(built_for.split(".")[0])


@functools.cache
def card() -> dict[str, str]:
    """Name the card that trainings run on, and what else the bits of its results depend on.

    Returns:
        "gpu": its name; "driver": the driver's version; "cuda", "cudnn": those of the libraries that torch brought.
    """
    found = first_card()
    return {
        "gpu": found.name if found else "unknown",
        "driver": driver_version(),
        "cuda": torch_cuda() or "unknown",
        "cudnn": cudnn_version(),
    }


def cudnn_version() -> str:
    """Return the version of cuDNN as it calls itself, "91900" for 9.19.0: its package's, or else torch is asked."""
    with suppress(PackageNotFoundError):
        generation = (torch_cuda() or "").split(".")[0]
        major, minor, patch = map(int, version(f"nvidia-cudnn-cu{generation}").split(".")[:3])
        return str(10_000 * major + 100 * minor + patch)
    import torch

    return str(torch.backends.cudnn.version())


def driver_version() -> str:
    """Return the version of NVIDIA's driver; "unknown" where its management library is missing."""
    import pynvml

    try:
        pynvml.nvmlInit()
        try:
            return str(pynvml.nvmlSystemGetDriverVersion())
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return "unknown"


@functools.cache
def card_in_use() -> tuple[str, str] | None:
    """Return the UUID and the device file of that card; None where nobody tells, or it is a part of a card."""
    import pynvml

    found = first_card()
    if found is None:
        return None
    with suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        try:
            handle = pynvml.nvmlDeviceGetHandleByUUID(found.uuid)
            return found.uuid, f"/dev/nvidia{pynvml.nvmlDeviceGetMinorNumber(handle)}"
        finally:
            pynvml.nvmlShutdown()
    return None


def device_files() -> list[str]:
    """Return the device files that a notebook needs, as far as they are here: of all cards where ours can't be told."""
    found = card_in_use()
    cards = [found[1]] if found else sorted(map(str, Path("/dev").glob("nvidia[0-9]*")))
    return [file for file in (*CONTROL_FILES, *cards) if Path(file).exists()]


def searched_folders() -> list[str]:
    """Return the folders of ``LD_LIBRARY_PATH`` in which the driver's libraries lie, as on many clusters; no others."""
    folders = os.environ.get(SEARCHED, "").split(os.pathsep)
    return [folder for folder in folders if folder and (Path(folder) / DRIVER).exists()]


def driver_environment(device: str) -> dict[str, str]:
    """Return the variables by which a notebook on `device`, "cpu" or "cuda", finds the driver and the card."""
    if device != "cuda":
        return {}
    folders, found = searched_folders(), card_in_use()
    visible = found[0] if found else os.environ.get("CUDA_VISIBLE_DEVICES")
    wanted = {SEARCHED: os.pathsep.join(folders) or None, "CUDA_VISIBLE_DEVICES": visible}
    return {name: value for name, value in wanted.items() if value is not None}


def driver_folders() -> list[str]:
    """Return every folder with the driver's libraries: where they are searched for, and where they lie.

    Raises:
        OSError: the driver cannot be loaded.
    """
    ctypes.CDLL(DRIVER)
    loaded = [
        line.split(maxsplit=5)[-1] for line in Path("/proc/self/maps").read_text().splitlines() if DRIVER[:-2] in line
    ]
    return sorted({*searched_folders(), *(str(Path(path).parent) for path in loaded)})
