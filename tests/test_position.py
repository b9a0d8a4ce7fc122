"""Where a call stands in the training: the same for the loader, the training and the notebook that the grader asks."""

import socket
import threading
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from competition.task.constants import BATCH_SIZE, NUM_EPOCHS
from competition.task.position import Position, position, position_of
from competition.task.selection import call_select_indices
from competition.task.serving import FRAME_HEADER, GATEWAY_SOCKET, final_evaluate
from competition.task.training import train_two_models

SHORT = 2 * BATCH_SIZE + 44  # samples, of which 44 are in the last batch


def loader_of(samples):
    """Make a loader whose labels alternate and whose images are small and grey."""
    return DataLoader(TensorDataset(torch.rand(samples, 1, 8, 8), torch.arange(samples) % 2), batch_size=BATCH_SIZE)


def counted(loader):
    """Go through a whole training as it goes through its loader, and count: a position for each call."""
    places, call = [], 0
    for epoch in range(NUM_EPOCHS):
        start = 0
        for batch, (_, targets) in enumerate(loader):
            places.append(Position(call, epoch, batch, slice(start, start + len(targets))))
            start += len(targets)
            call += 1
    return places


@pytest.mark.parametrize("samples", [1, BATCH_SIZE - 1, BATCH_SIZE, BATCH_SIZE + 1, 2 * BATCH_SIZE, SHORT])
def test_a_position_is_that_of_counting_the_loaders_batches(samples):
    """For every call of a training `position_of` says what one finds by counting, the short last batch included."""
    places = counted(loader_of(samples))
    assert [position_of(call, samples) for call in range(len(places))] == places


def test_the_training_tells_each_call_its_position():
    """In a whole training each call sees its position, and gets the labels of the samples that this one names."""
    loader, seen, labels = loader_of(SHORT), [], []

    def select(targets, losses):
        seen.append(position())
        labels.append(targets)
        return [[], []]

    train_two_models(loader, loader, select, threads=1, progress=None)
    assert seen == counted(loader)
    everything = loader.dataset.tensors[1]
    assert all(torch.equal(everything[here.samples], targets) for here, targets in zip(seen, labels, strict=True))


def test_the_notebook_that_the_grader_asks_tells_the_same(short_folder, monkeypatch):
    """With the frames of a whole training `final_evaluate` tells each call the position that it has in a training."""
    loader, seen = loader_of(SHORT), []
    frames = [FRAME_HEADER.pack(b"SEED", 0, 0, 7)]
    for here in counted(loader):
        targets = loader.dataset.tensors[1][here.samples]
        arrays = targets.numpy().tobytes() + bytes(8 * len(targets))
        frames.append(FRAME_HEADER.pack(b"CALL", len(targets), 0, here.call) + arrays)
    frames.append(FRAME_HEADER.pack(b"DONE", 0, 0, len(frames) - 1))

    def select(targets, losses):
        seen.append(position())
        return [[], []]

    monkeypatch.chdir(short_folder)
    Path(GATEWAY_SOCKET).parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(GATEWAY_SOCKET)
        listener.listen()
        listener.settimeout(60)
        notebook = threading.Thread(target=final_evaluate, args=(select, SHORT))
        notebook.start()
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"".join(frames))
            notebook.join()
    assert seen == counted(loader)


def test_outside_a_call_there_is_no_position():
    """At the top of a cell, and after a call, also one that failed, `position()` says when it can be asked."""
    words = r"^position\(\) is known only while your_select_indices is called, not at the top of the cell$"
    with pytest.raises(RuntimeError, match=words):
        position()

    def failing(targets, losses):
        raise ValueError(f"batch {position().batch}")

    with pytest.raises(ValueError, match="batch 1"):
        call_select_indices(failing, torch.zeros(1, dtype=torch.int64), [], seed=0, call=1, samples=SHORT)
    with pytest.raises(RuntimeError, match=words):
        position()
