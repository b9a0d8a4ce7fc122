"""How to grade: everything that is chosen before a grading begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from competition.task.constants import NUM_EPOCHS, NUM_THREADS, SEED
from grader.sandbox import DEFAULT_IMAGE, Backend, Limits, default_limits


@dataclass(frozen=True)
class Settings:
    """How to grade.

    Attributes:
        data: the data folder.
        split: "val", "test_a" or "test_b".
        train: which training draw: "train", the public one, or "redraw-1" and so on.
        seed: the training's seed, 0 to 2**32 - 1.
        device: "cpu" or "cuda".
        threads: CPU threads of the training, and of the notebook; another number gives other bits.
        backend: how the notebook is isolated.
        image: the image of a container; other backends need none.
        seconds: the participant's clock; None for the task's own limit.
        guard: see `grader.sandbox.Limits`; None for the task's own.
        epochs: of the training; fewer than the task's only to try something out.
        progress: whether to draw progress bars.
        tell: is told how far the grading is: "starting", "solution cell", "epoch 1 of 6" and so on, "scoring"; None to
            tell nobody.
    """

    data: Path
    split: str
    train: str = "train"
    seed: int = SEED
    device: str = "cpu"
    threads: int = NUM_THREADS
    backend: Backend = Backend.BWRAP
    image: str = DEFAULT_IMAGE
    seconds: float | None = None
    guard: float | None = None
    epochs: int = NUM_EPOCHS
    progress: bool = False
    tell: Callable[[str], None] | None = None

    @property
    def limits(self) -> Limits:
        """The limits of this grading."""
        return default_limits(self.device, self.seconds, self.guard)

    def note(self, phase: str) -> None:
        """Tell how far the grading is."""
        if self.tell is not None:
            self.tell(phase)
