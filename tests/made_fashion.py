"""A small stand-in for Fashion-MNIST in its own files: ten classes that a model can learn to tell apart."""

import gzip

import numpy as np


def made_images(samples, seed):
    """Draw images uint8 [N, 28, 28] with labels uint8 [N]: one smooth pattern for each class, and noise."""
    patterns = np.random.default_rng(0).integers(0, 2, (10, 7, 7)).repeat(4, 1).repeat(4, 2)
    generator = np.random.default_rng(seed)
    labels = (np.arange(samples) % 10).astype(np.uint8)
    noise = generator.normal(0, 60, (samples, 28, 28))
    return (60 + 120 * patterns[labels] + noise).clip(0, 255).astype(np.uint8), labels


def write_fashion(folder, samples=400):
    """Write the four files of Fashion-MNIST with made images; the test part has a fifth as many."""
    folder.mkdir()
    for part, count in (("train", samples), ("t10k", samples // 5)):
        images, labels = made_images(count, len(part))
        for name, header, array in (("images-idx3", 16, images), ("labels-idx1", 8, labels)):
            (folder / f"{part}-{name}-ubyte.gz").write_bytes(gzip.compress(bytes(header) + array.tobytes()))
    return folder
