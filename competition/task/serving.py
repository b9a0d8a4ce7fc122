"""The notebook's end of the grader's gateway, and the frame that both ends speak.

A frame is one little-endian header (kind, two counts, a number), then raw arrays:

=========  ==================  ===============  ==========  ===========================================
kind       from                counts           number      arrays
=========  ==================  ===============  ==========  ===========================================
``SEED``   trainer, first      0, 0             seed        none
``CALL``   trainer, per batch  B, 0             call        int64 [B] targets, 2 x float32 [B] losses
``PICK``   notebook            n1, n2           call        int32 [n1], int32 [n2] selections
``FAIL``   notebook            bytes of text,0  fault kind  UTF-8 text, at most `MAX_FAULT_BYTES`
``DONE``   trainer, last       0, 0             calls       none
=========  ==================  ===============  ==========  ===========================================
"""

from competition.task.selection import PresentationError, SelectIndices, call_select_indices
from competition.task.solution_cell import explain

# LOCKED CELL [serving]: a training at the grader: your function answers its batches.
import socket
import struct
from typing import BinaryIO

import numpy as np
import torch

GATEWAY_SOCKET = "gateway/socket"
FRAME_HEADER = struct.Struct("<4sIIq")
MAX_FAULT_BYTES = 4096
FAULT_RAISED, FAULT_PRESENTATION = 0, 1


def read_exactly(stream: BinaryIO, size: int) -> bytes:
    """Read `size` bytes, or raise `EOFError`."""
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("the grader closed the connection")
    return data


def final_evaluate(select_indices: SelectIndices, samples: int) -> None:
    """Answer the grader's batches with `select_indices` until the training on so many `samples` is over."""
    seed = 0
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(GATEWAY_SOCKET)
        stream = connection.makefile("rb")
        while True:
            kind, size, _, number = FRAME_HEADER.unpack(read_exactly(stream, FRAME_HEADER.size))
            if kind == b"DONE":
                return
            if kind == b"SEED":
                seed = number
                continue
            targets = torch.from_numpy(np.frombuffer(read_exactly(stream, 8 * size), "<i8").copy())
            losses = [torch.from_numpy(np.frombuffer(read_exactly(stream, 4 * size), "<f4").copy()) for _ in range(2)]
            try:
                picked = call_select_indices(select_indices, targets, losses, seed=seed, call=number, samples=samples)
            except BaseException as error:
                fault = FAULT_PRESENTATION if isinstance(error, PresentationError) else FAULT_RAISED
                text = explain(error).encode(errors="replace")[:MAX_FAULT_BYTES]
                connection.sendall(FRAME_HEADER.pack(b"FAIL", len(text), 0, fault) + text)
                raise
            arrays = [selection.numpy().astype("<i4").tobytes() for selection in picked]
            connection.sendall(FRAME_HEADER.pack(b"PICK", len(picked[0]), len(picked[1]), number) + b"".join(arrays))
