"""One random state for everybody: seeding, and the isolation of the participant's function from the training."""

from competition.task.constants import NUM_THREADS

# LOCKED CELL [reproducibility]: seeds, so that the same run gives the same numbers, here and at the grader.
import ctypes
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

# Read when CUDA starts: deterministic cuBLAS; whole float32 products, on cards that would round them too (TF32).
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def keep_freed_memory() -> None:
    """Make glibc reuse the memory of freed tensors instead of handing it back, which costs a fifth of the time."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD, at its largest
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD


def seed_everything(seed: int, threads: int = NUM_THREADS) -> None:
    """Seed Python's, NumPy's and torch's generators and set every flag that the bits of a training depend on."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)  # the CPU's and every GPU's
    torch.set_num_threads(threads)
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # saves time
    torch.backends.cudnn.benchmark = False


@contextmanager
def isolated_random_state(seed: int, call: int) -> Iterator[None]:
    """Run the body in a random state that depends on (seed, call) alone, then put everything back.

    Whatever the body draws or switches, the training around it goes on as if it had not run. That is why a function
    which runs in the training's process, at home, and one which runs in a sandbox, at the grader, lead to the same
    bits. Inside, an operation with no deterministic version warns instead of failing.
    """
    generators = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda_generators = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    threads, dtype, grad = torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    try:
        seed_everything(int(np.random.SeedSequence([seed, call]).generate_state(1)[0]))
        torch.use_deterministic_algorithms(True, warn_only=True)
        yield
    finally:
        random.setstate(generators[0])
        np.random.set_state(generators[1])
        torch.set_rng_state(generators[2])
        if cuda_generators:
            torch.cuda.set_rng_state_all(cuda_generators)
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.backends.cudnn.benchmark = benchmark
