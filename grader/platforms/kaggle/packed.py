"""Index lists as a line of text, written by the participant's notebook and read, within bounds, by the metric.

The text is base64 of a zlib stream of little-endian uint16: for each model the length of its selection in every step,
then for each model all its indices, step after step.
"""

# PLATFORM CELL [packed]: index lists as a line of text.
import base64
import binascii
import zlib

import numpy as np
import torch

SUBMISSION_FILE = "submission.csv"
SUBMISSION_COLUMNS = ("id", "selections")
ROWS = ("public", "private")  # the two halves of the test set; both rows hold the same lists


def pack_lists(steps: list[list[torch.Tensor]]) -> str:
    """Pack the selections of all steps, two int64 index tensors each."""
    counts = [[len(step[model]) for step in steps] for model in (0, 1)]
    indices = [step[model] for model in (0, 1) for step in steps]
    values = torch.cat([torch.tensor(counts, dtype=torch.int64).flatten(), *indices])
    return base64.b64encode(zlib.compress(values.numpy().astype("<u2").tobytes(), 9)).decode()


def unpack_lists(text: object, sizes: list[int], most: int) -> list[list[torch.Tensor]]:
    """Unpack what `pack_lists` made, whoever wrote it.

    Args:
        text: a cell of the submission.
        sizes: of every step's batch.
        most: how many times as long as its batch a selection may be.

    Raises:
        ValueError: it is something else; the message holds no digit.
    """
    if not isinstance(text, str):
        raise ValueError("it is empty")
    largest = 2 * 2 * (len(sizes) + most * sum(sizes))  # bytes of a whole training
    if len(text) > 2 * largest:
        raise ValueError("it is longer than the lists of a whole training can be")
    try:
        packed = base64.b64decode(text.encode("ascii"), validate=True)
        stream = zlib.decompressobj()
        raw = stream.decompress(packed, largest + 1)
    except (UnicodeEncodeError, binascii.Error, zlib.error):
        raise ValueError("it is no packed text, or a part of one") from None
    if len(raw) > largest:
        raise ValueError("it unpacks to more than the lists of a whole training")
    if not stream.eof or stream.unused_data or len(raw) % 2:
        raise ValueError("it is a part of a packed text, or has something behind it")
    values = torch.from_numpy(np.frombuffer(raw, "<u2").astype(np.int64))
    if len(values) < 2 * len(sizes):
        raise ValueError("it has fewer steps than a whole training: switch QUICK off, and let the training end")
    counts = values[: 2 * len(sizes)].view(2, len(sizes))
    if len(values) != 2 * len(sizes) + int(counts.sum()):
        raise ValueError("it is of another number of steps than a whole training on this competition's data")
    batches = torch.tensor(sizes)
    if bool((counts > most * batches).any()):
        raise ValueError("a selection is longer than it may be")
    indices = values[2 * len(sizes) :]
    if bool((indices >= batches.repeat(2).repeat_interleave(counts.flatten())).any()):
        raise ValueError("an index is no place in its batch")
    lists = indices.split(counts.flatten().tolist())
    return [[lists[step], lists[len(sizes) + step]] for step in range(len(sizes))]
