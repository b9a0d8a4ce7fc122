"""Make the embedded default pool from the original Fashion-MNIST files.

    python -m competition.pool.make_pool [FOLDER]

FOLDER holds the four ``*-ubyte.gz`` files of Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017); Debian's package
``dataset-fashion-mnist`` puts them into the default one. The result, ``fashion_mnist.npz`` beside this file, is
committed: a build of the data reads it and never this script, so no library version can move an image or a difficulty.

Arrays of the file, one row per image:

=============  ==========  =====================================================================
``images``     uint8       [N, 28, 28], grey, 0 = background
``category``   uint8       [N], Fashion-MNIST's own class: 0 T-shirt/top, 2 pullover, 3 dress, 4 coat, 6 shirt
``in_test``    bool        [N], whether the image comes from Fashion-MNIST's test part
``row``        uint16      [N], its row in that part
``difficulty`` float32     [N], 1 - out-of-fold probability of the true class (see `competition.pool.difficulty`)
=============  ==========  =====================================================================
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from competition.pool.difficulty import out_of_fold_difficulty

DEFAULT_FOLDER = Path("/usr/share/datasets/fashion-mnist")
POOL_FILE = Path(__file__).with_name("fashion_mnist.npz")
CLASS_1 = (2, 4, 6)
CLASS_0 = (0, 3)
TRAIN_IMAGES = {1: 11_100, 0: 3_700}
TEST_IMAGES = {1: 3_000, 0: 1_000}
SEED = 0


def read_idx(path: Path, header_bytes: int) -> npt.NDArray[np.uint8]:
    """Read the bytes after the header of one gzipped IDX file, flat."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header_bytes)


def read_part(folder: Path, prefix: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Read one part ("train" or "t10k"): images uint8 [N, 28, 28] and categories uint8 [N]."""
    images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    return images, read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", 8)


def main(folder: Path) -> None:
    """Choose the images, measure their difficulty, write the pool."""
    generator = np.random.default_rng(SEED)
    chosen: dict[str, list[npt.NDArray[np.generic]]] = {"images": [], "category": [], "in_test": [], "row": []}
    for prefix, wanted in (("train", TRAIN_IMAGES), ("t10k", TEST_IMAGES)):
        images, categories = read_part(folder, prefix)
        for label, members in ((1, CLASS_1), (0, CLASS_0)):
            candidates = np.flatnonzero(np.isin(categories, members))
            rows = np.sort(generator.choice(candidates, wanted[label], replace=False))
            chosen["images"].append(images[rows])
            chosen["category"].append(categories[rows])
            chosen["in_test"].append(np.full(len(rows), prefix == "t10k"))
            chosen["row"].append(rows.astype(np.uint16))
    arrays = {name: np.concatenate(parts) for name, parts in chosen.items()}
    labels = np.isin(arrays["category"], CLASS_1).astype(np.int64)
    arrays["difficulty"] = out_of_fold_difficulty(arrays["images"], labels)
    np.savez_compressed(POOL_FILE, allow_pickle=False, **arrays)
    wrong = float(np.mean(arrays["difficulty"] > 0.5))
    print(f"{len(labels):,} images, {POOL_FILE.stat().st_size / 1e6:.1f} MB, out-of-fold error {wrong:.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FOLDER)
