"""NVIDIA's driver as a sandbox needs it: the card's device files, and the driver's libraries where they lie apart.

A notebook sees the card that its training runs on, and no other one: its control file, the file of its unified memory
and its own. The other files below ``/dev/nvidia*`` are for screens and profilers. What the driver tells in
``/proc/driver/nvidia`` is there with ``/proc``; nothing of ``/sys`` is needed.
"""

from __future__ import annotations

import ctypes
import functools
import os
from contextlib import suppress
from pathlib import Path

DRIVER = "libcuda.so.1"
CONTROL_FILES = ("/dev/nvidiactl", "/dev/nvidia-uvm")
SEARCHED = "LD_LIBRARY_PATH"


@functools.cache
def card() -> dict[str, str]:
    """Name the card that trainings run on, and what else the bits of its results depend on.

    Returns:
        "gpu": its name; "driver": the driver's version; "cuda", "cudnn": those of the libraries that torch brought.
    """
    import torch  # slow to load; who asks has a GPU, and has loaded it

    return {
        "gpu": torch.cuda.get_device_name(0),
        "driver": driver_version(),
        "cuda": torch.version.cuda or "unknown",
        "cudnn": str(torch.backends.cudnn.version()),
    }


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
    import torch

    with suppress(pynvml.NVMLError, RuntimeError, AssertionError):
        uuid = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
        pynvml.nvmlInit()
        try:
            return uuid, f"/dev/nvidia{pynvml.nvmlDeviceGetMinorNumber(pynvml.nvmlDeviceGetHandleByUUID(uuid))}"
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
