"""The README says what is true now."""

import re
import subprocess
from pathlib import Path

from competition.profiles import CLEAN_PRIOR, PROFILES
from grader.sandbox import default_limits
from grader.sandbox.limits import CPU_SECONDS, GPU_SECONDS, MIB
from grader.sandbox.running import CAPTURED_BYTES
from grader.validation.results import TABLE_COLUMNS
from grader.verdicts import Verdict

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()


def test_the_tree_captions_every_file():
    """Each file that git tracks stands in the README's tree; results, attacks and git's own files stand elsewhere."""
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    tree = README.split("## The house")[1]
    elsewhere = {"results", *Verdict}  # folders whose files have a table of their own
    missing = [
        name
        for name in listed.split()
        if Path(name).name not in tree and Path(name).parent.name not in elsewhere and name != ".gitignore"
    ]
    assert missing == []


def test_the_limits_are_those_of_the_code():
    """The numbers in README and notebook are the defaults of the grader."""
    limits = default_limits("cpu")
    story = (REPOSITORY / "competition" / "story.md").read_text()
    assert f"{GPU_SECONDS:.0f} s on a GPU, {CPU_SECONDS:,.0f} s on a CPU" in README
    assert f"more than {limits.memory_bytes // (1024 * MIB)} GiB" in README
    assert f"{limits.scratch_bytes // MIB} MiB in memory" in README
    assert f"{CAPTURED_BYTES // 1024} KiB kept" in README
    shown = f"{limits.memory_bytes // (1024 * MIB)} GiB of memory, {limits.processes}"
    assert shown in " ".join(story.split())


def test_every_verdict_is_explained():
    """The table of verdicts has a row for each."""
    assert set(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)) >= {verdict.value for verdict in Verdict}


def test_the_images_that_a_profile_needs_are_stated():
    """The counts that an organizer must bring are those that the build asks for."""
    for profile in PROFILES.values():
        sizes = profile.sizes().values()
        ones = sum(round(CLEAN_PRIOR * size) for size in sizes)
        assert f"{ones:,}" in README
        assert f"{sum(sizes) - ones:,}" in README


def test_the_tables_of_the_references_are_those_that_were_measured():
    """Each row of a table of results in a README stands in the table that `grader validate` wrote."""
    folder = REPOSITORY / "reference_solutions"
    measured = {row for path in folder.glob("results/*.md") for row in path.read_text().splitlines()}
    pages = [REPOSITORY / "competition" / "README.md", folder / "README.md"]
    rows = [row for page in pages for row in page.read_text().splitlines() if row.count("|") == 1 + len(TABLE_COLUMNS)]
    assert len(rows) > 2
    assert set(rows) <= measured
