"""What happened in a stream as one .npz file, from which a stopped experiment goes on: arrays and text, no code."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from benchmarks.sag.gate import LEFT_OUT, Setting
from benchmarks.sag.stream import Trace
from grader.safe_io import write_whole


class KeptError(ValueError):
    """A file is no stream, or another one; the message says which."""


def file_name(setting: Setting, seed: int) -> str:
    """Name the file after the stream."""
    left_out = "".join(f"-no_{name}" for name in LEFT_OUT if not getattr(setting, name))
    return f"{setting.mode}-s{setting.s_des:g}-p{setting.p_rand:g}{left_out}-{seed}.npz"


def keep(trace: Trace, described: dict[str, Any], path: Path) -> None:
    """Write a stream, with what it must agree with to be used again, whole or not at all.

    Raises:
        OSError: it could not be written; what was there is as it was.
    """
    content = io.BytesIO()
    np.savez_compressed(content, described=json.dumps(described, sort_keys=True), **asdict(trace))
    write_whole(path, content.getvalue())


def find(described: dict[str, Any], path: Path) -> Trace | None:
    """Read the stream that a file holds; None where there is no file.

    Raises:
        KeptError: it holds none, or one of another setting, other images, another device or another version of torch.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            said = dict(json.loads(str(file["described"])))
            trace = Trace(**{field.name: file[field.name] for field in fields(Trace)})
    except FileNotFoundError:
        return None
    except (OSError, EOFError, ValueError, TypeError, KeyError, BadZipFile) as error:
        raise KeptError(f"{path} holds no stream ({error}): remove it") from None
    differs = [name for name in described if said.get(name) != json.loads(json.dumps(described[name]))]
    if differs:
        raise KeptError(f"{path} is of other {' and '.join(differs)}: remove it, or name another folder")
    return trace
