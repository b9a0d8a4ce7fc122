"""Whether a contest file and a store belong together: the same data, the same notebook."""

from __future__ import annotations

from pathlib import Path

from grader.contest.store import Key, Store
from grader.contest_file import Contest
from grader.grading import DataFolder, Settings, combined_sha256, draft_record, find_data, manifest_sha256
from grader.verdicts import InfrastructureError


def require_fit(contest: Contest, store: Store, data: Path) -> None:
    """Refuse a contest file whose data, or this kit's notebook, is not that of what the store has graded.

    Nothing is refused without a file: then nobody claims that all of the store is one contest.

    Raises:
        InfrastructureError: something differs, and the message says what; or the data is missing.
    """
    if contest.file is None:
        return
    folder = find_data(data)
    template = draft_record(Settings(data, "test_a")).template_sha256
    known: dict[str, str] = {"val": manifest_sha256(folder, "val")}
    keys = [grading.key for grading in store.gradings()]
    misfits = [sentence for key in keys for sentence in differences(key, template, folder, known)]
    if misfits:
        counts = ", ".join(f"{misfits.count(sentence)} {sentence}" for sentence in dict.fromkeys(misfits))
        raise InfrastructureError(
            f"{contest.file} does not fit the store: of its {len(keys)} gradings {counts}. Name the data and the store "
            f"that belong together (here: {data}), or another store for a new contest"
        )


def differences(key: Key, template: str, folder: DataFolder, known: dict[str, str]) -> list[str]:
    """Say what a grading was made of that is not here; `known` keeps the manifests' checksums, by split."""

    def here(split: str) -> str:
        if split not in known:
            try:
                known[split] = manifest_sha256(folder, split)
            except InfrastructureError:
                known[split] = ""  # it is not in this data
        return known[split]

    found = []
    if key.data_sha256 != combined_sha256([here(key.train), here("val")]):
        found.append(f"with another {key.train} or val")
    if key.split_sha256 != here(key.split):
        found.append(f"on another {key.split}")
    if key.template_sha256 != template:
        found.append("with the notebook of another version of this kit")
    return found
