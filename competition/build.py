"""Build the data of a competition: image pool in, `public/` and `private/` out.

    public/   starter_notebook.ipynb, README.md, requirements.txt,          handed out as it is
              train/, val/, train.zip, val.zip, manifest.json
    private/  test_a/, test_b/, train_truth.csv, manifest.json              stays with the organizer
              redraw-1/, redraw-1_truth.csv, ...                            further training draws

Each kind of chance (which images, which labels flip, order, file names) has a random stream of its own, so that
changing one leaves the others alone.
"""

from __future__ import annotations

import csv
import hashlib
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from competition.errors import DataError, SourceError
from competition.handout import write_handout
from competition.manifest import (
    MANIFEST_FILE,
    PRIVATE_SPLITS,
    PUBLIC_SPLITS,
    REDRAW_PREFIX,
    TRUTH_COLUMNS,
    is_training_draw,
    truth_file,
)
from competition.noise import NoiseRates, found_matrix, noisy_labels
from competition.notebook import NOTEBOOK_FILE, build_notebook, notebook_text, origin_of
from competition.pool import Pool
from competition.profiles import Profile
from competition.scratch import scratch_folder
from competition.story import STORY_FILE
from competition.task.constants import IMAGES_DIR, TASK_DATASET_LABELS_FILE
from competition.task.data import TaskDataset, split_sha256

LABEL_COLUMNS = ("file", "label")
ZIP_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Split:
    """One split before it is written.

    Attributes:
        rows: int64 [N], the images' places in the pool, in the order of the labels file.
        names: file names, opaque.
        clean, labels: int64 [N], true labels and those written out.
    """

    rows: npt.NDArray[np.int64]
    names: list[str]
    clean: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]


def draw_rows(pool: Pool, profile: Profile, generator: np.random.Generator) -> dict[str, npt.NDArray[np.int64]]:
    """Draw the pool rows of every split, none twice, with the profile's share of class 1 in each.

    Raises:
        SourceError: the pool has too few images of a class for the profile.
    """
    drawn: dict[str, list[npt.NDArray[np.int64]]] = {split: [] for split in profile.sizes()}
    groups = [tuple(drawn)] if pool.for_test is None else [PUBLIC_SPLITS, PRIVATE_SPLITS]
    missing = []
    for label in (1, 0):
        for group in groups:
            allowed = pool.labels == label
            if pool.for_test is not None:
                allowed &= pool.for_test == (group == PRIVATE_SPLITS)
            rows = generator.permutation(np.flatnonzero(allowed))
            counts = {split: profile.counts(split)[label] for split in group}
            if len(rows) < sum(counts.values()):
                missing.append(missing_images(label, counts, len(rows)))
            for split, count in counts.items():
                drawn[split].append(rows[:count])
                rows = rows[count:]
    if missing:
        raise SourceError(
            f"too few images for profile '{profile.name}': {'; '.join(missing)}; add images, or choose a smaller "
            "--profile or other sizes"
        )
    return {split: np.concatenate(parts) for split, parts in drawn.items()}


def missing_images(label: int, counts: dict[str, int], there: int) -> str:
    """Say how many images of a class are missing for which split, of those that share `there` images in this order."""
    lacks, left = [], there
    for split, count in counts.items():
        if left < count:
            lacks.append(f"{count - left:,} for {split}")
        left = max(0, left - count)
    return f"class {label} needs {sum(counts.values()):,} and has {there:,}, missing {', '.join(lacks)}"


class Streams:
    """The random streams of a build or of one redraw: which images, which labels flip, order, file names."""

    def __init__(self, sequence: np.random.SeedSequence) -> None:
        self.choice, self.flips, self.order, self.naming = map(np.random.default_rng, sequence.spawn(4))

    def make_split(self, pool: Pool, drawn: npt.NDArray[np.int64], noise: NoiseRates | None) -> Split:
        """Shuffle and name the drawn rows; where there is noise, flip labels or take those that annotators gave."""
        rows = self.order.permutation(drawn)
        names = [f"{self.naming.bytes(8).hex()}.png" for _ in rows]
        clean = pool.labels[rows]
        if noise is None:
            return Split(rows, names, clean, clean)
        if pool.noisy is not None:
            return Split(rows, names, clean, pool.noisy[rows])
        difficulty = pool.difficulty if pool.difficulty is not None else np.zeros(len(pool.labels), dtype=np.float32)
        return Split(rows, names, clean, noisy_labels(clean, difficulty[rows], noise, self.flips))


def draw_splits(pool: Pool, profile: Profile, noise: NoiseRates, seed: int) -> dict[str, Split]:
    """Decide everything that chance decides: images, order, names and noisy labels of every split."""
    streams = Streams(np.random.SeedSequence(seed))
    return {
        split: streams.make_split(pool, drawn, noise if split == "train" else None)
        for split, drawn in draw_rows(pool, profile, streams.choice).items()
    }


def redraw_train(pool: Pool, splits: dict[str, Split], noise: NoiseRates, seed: int, number: int) -> Split:
    """Draw another training set of the same size and class balance: new noise, order and names.

    Images that stand in no split come first, then those of ``train``; never one of another split. Where annotators gave
    the labels, only other images make other noise. The redraw depends on (seed, number) alone, so that asking for more
    redraws changes none.

    Args:
        splits: the build's splits, as `draw_splits` made them.
        number: 1 for the first redraw.

    Raises:
        SourceError: annotators gave the labels, and no image is left over, so that it would be ``train`` again.
    """
    streams = Streams(np.random.SeedSequence([seed, number]))
    rows, left_over = [], 0
    for label in (1, 0):
        ours = splits["train"].rows[splits["train"].clean == label]
        allowed = pool.labels == label
        if pool.for_test is not None:
            allowed &= ~pool.for_test
        for split in splits.values():
            allowed[split.rows] = False
        left_over += int(allowed.sum())
        fresh = streams.choice.permutation(np.flatnonzero(allowed))
        rows.append(np.concatenate([fresh, streams.choice.permutation(ours)])[: len(ours)])
    if pool.noisy is not None and not left_over:
        raise SourceError(
            "--redraw needs images that stand in no split, as the labels of column noisy_label cannot be drawn anew: "
            "add images, choose a smaller --train-size, or leave --redraw out"
        )
    return streams.make_split(pool, np.concatenate(rows), noise)


def check_leaks(pool: Pool, splits: dict[str, Split]) -> None:
    """Refuse a build in which one image's pixels stand in two splits; the training draws may share images.

    Raises:
        SourceError: some do; the message names them.
    """
    seen: dict[bytes, tuple[str, int]] = {}
    for name, split in splits.items():
        for row in split.rows:
            pixels = hashlib.sha256(pool.images[row].tobytes()).digest()
            other, other_row = seen.setdefault(pixels, (name, int(row)))
            if other != name and not (is_training_draw(other) and is_training_draw(name)):
                raise SourceError(
                    f"the same picture would stand in {other} and in {name}: {pool.origins[other_row]} and "
                    f"{pool.origins[row]}; remove one of them from the source"
                )


def write_csv(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    """Write a CSV file with a header line."""
    with open(path, "w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def write_split(pool: Pool, split: Split, folder: Path) -> dict[str, Any]:
    """Write one split's images and labels; return its manifest entry."""
    (folder / IMAGES_DIR).mkdir(parents=True)
    images = list(zip(split.rows, split.names, strict=True))
    for row, name in tqdm(images, folder.name, disable=None):  # no bar where there is no terminal
        Image.fromarray(pool.images[row]).save(folder / IMAGES_DIR / name)
    write_csv(folder / TASK_DATASET_LABELS_FILE, LABEL_COLUMNS, zip(split.names, split.labels.tolist(), strict=True))
    zeros, ones = np.bincount(split.labels, minlength=2).tolist()
    return {"images": len(split.rows), "labels": {"0": zeros, "1": ones}, "sha256": split_sha256(TaskDataset(folder))}


def write_zip(folder: Path) -> None:
    """Pack `folder` into a zip beside it, byte for byte the same for the same files."""
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for path in [folder / TASK_DATASET_LABELS_FILE, *sorted((folder / IMAGES_DIR).iterdir())]:
            member = zipfile.ZipInfo(path.relative_to(folder.parent).as_posix(), ZIP_TIME)
            member.external_attr = 0o644 << 16
            archive.writestr(member, path.read_bytes())


def noise_entries(pool: Pool, noise: NoiseRates, train: Split) -> dict[str, Any]:
    """Return what the private manifest says of the noise; annotators' labels have the matrix that was found."""
    drawn = pool.noisy is None
    return {
        "noise": "drawn" if drawn else "annotated",
        "transition_matrix": noise.transition_matrix() if drawn else found_matrix(train.clean, train.labels),
        "difficulty_spread": noise.difficulty_spread() if drawn and pool.difficulty is not None else [0.0, 0.0],
        "found_flip_rates": [found_matrix(train.clean, train.labels)[i][1 - i] for i in (0, 1)],
        "flipped": int((train.clean != train.labels).sum()),
    }


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write `folder`'s manifest."""
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest, indent=2) + "\n")


def exists_already(out: Path) -> DataError:
    """Make the error of a place that is taken."""
    return DataError(f"{out} exists already: choose another folder with --out, or delete it if nobody needs it")


def build_data(
    pool: Pool,
    profile: Profile,
    noise: NoiseRates,
    seed: int,
    out: Path,
    redraws: int = 0,
    kit_url: str | None = None,
    opening: str | None = None,
) -> dict[str, Any]:
    """Build the whole data folder `out`; return the private manifest (counts, noise, seed, checksums of all splits).

    Everything is written beside `out` and moved there in one step, so an interrupted build leaves no half data folder.

    Args:
        noise: how labels flip; not used where the pool brings the labels that annotators gave.
        redraws: how many further training draws to make, ``private/redraw-1`` and so on; see `redraw_train`.
        kit_url: where participants get the kit, for the README that is handed out.
        opening: how the notebook's story begins; None for the kit's own; see `competition.story`.

    Raises:
        DataError: `out` exists already.
        SourceError: the pool does not fit the profile, or would leak an image.
    """
    if out.exists():
        raise exists_already(out)
    drawn = draw_splits(pool, profile, noise, seed)
    again = {f"{REDRAW_PREFIX}{k}": redraw_train(pool, drawn, noise, seed, k) for k in range(1, redraws + 1)}
    splits = drawn | again
    check_leaks(pool, splits)
    out.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder("data", out.parent) as scratch:
        root = scratch / "data"
        public, private = root / "public", root / "private"
        entries = {
            name: write_split(pool, split, (public if name in PUBLIC_SPLITS else private) / name)
            for name, split in splits.items()
        }
        for name, split in splits.items():
            if is_training_draw(name):
                truth = zip(split.names, split.clean.tolist(), split.labels.tolist(), strict=True)
                write_csv(private / truth_file(name), TRUTH_COLUMNS, truth)
        for name in PUBLIC_SPLITS:
            write_zip(public / name)
        shared = {"profile": profile.name, "image_size": list(pool.images.shape[1:])}
        manifest = {
            **shared,
            "seed": str(seed),
            "source": pool.name,
            "classes": list(pool.classes),
            "clean_prior": profile.prior,
            **noise_entries(pool, noise, splits["train"]),
            "splits": entries,
        }
        write_manifest(private, manifest)
        handed_out = {**shared, "splits": {name: entries[name] for name in PUBLIC_SPLITS}}
        write_manifest(public, handed_out)
        if opening is not None:
            (public / STORY_FILE).write_text(opening, encoding="utf-8")
        notebook = notebook_text(build_notebook(origin_of(public)))
        (public / NOTEBOOK_FILE).write_text(notebook, encoding="utf-8")
        write_handout(public, kit_url)
        try:
            root.rename(out)  # never into a folder that somebody made meanwhile, as shutil.move would
        except OSError as error:
            raise exists_already(out) if out.exists() else error from None
    return manifest
