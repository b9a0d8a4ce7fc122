"""The README and the pages of `docs/` say what is true now, and lead somewhere."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from competition.profiles import CLEAN_PRIOR, PROFILES
from grader.sandbox import default_limits
from grader.sandbox.limits import CPU_GUARD, GPU_GUARD, MIB
from grader.sandbox.running import CAPTURED_BYTES
from grader.validation.results import TABLE_COLUMNS
from grader.verdicts import Verdict
from tests.conftest import REPOSITORY

DOCS = REPOSITORY / "docs"
PAGES = [*sorted(REPOSITORY.glob("*.md")), *sorted(DOCS.glob("*.md"))]
MOST_LINES = 150  # of the README, which is a page
WHOLE_FOLDERS = {
    "golden",
    "results",
    "pictures",
    *Verdict,
}  # captioned as one: their files have tables, or pages, of their own
TREE_LINE = re.compile(r"(?P<depth>(?:│   |    )*)(?:[├└]── )?(?P<names>\S+(?:, \S+)*)(?:\s{2,}(?P<caption>\S.*))?")


def page(name):
    """Read a page of `docs/`."""
    return (DOCS / f"{name}.md").read_text()


def tracked():
    """Return the paths of all files that git tracks and that are here."""
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    return {name for name in listed.split("\0") if name and (REPOSITORY / name).is_file()}


def tree():
    """Return the paths of the house's tree with their captions; that of a folder ends with a slash."""
    block = page("house").split("## Every file")[1].split("```")[1]
    above, captions = [], {}
    for line in block.strip().splitlines():
        match = TREE_LINE.fullmatch(line)
        assert match is not None, line
        above = above[: len(match["depth"]) // 4 + ("── " in line)]
        for name in match["names"].split(", "):
            captions["".join([*above, name])] = match["caption"]
        if match["names"].endswith("/"):
            above.append(match["names"])
    return captions


def covered(path, captions):
    """Say whether the tree has a file, or a folder that stands for all its files."""
    folders = [f"{parent}/" for parent in Path(path).parents]
    return path in captions or any(Path(folder).name in WHOLE_FOLDERS and folder in captions for folder in folders)


def test_the_tree_has_every_file():
    """Each file that git tracks stands in the tree of the house, in its folder."""
    captions = tree()
    assert sorted(name for name in tracked() if not covered(name, captions)) == []


def test_the_tree_has_nothing_else():
    """Each line of the tree is there, and says what it is."""
    captions = tree()
    assert [name for name in captions if not (REPOSITORY / name).exists()] == []
    verdicts = {f"tests/redteam/{verdict}/" for verdict in Verdict}  # the first two speak for all
    assert {name for name, caption in captions.items() if not caption} <= verdicts


def test_every_room_is_introduced():
    """Each room of the grader has a row in the table of rooms and a box in their picture, in the layers' order."""
    rooms = {path.parent.name for path in (REPOSITORY / "grader").glob("*/__init__.py")}
    rows = re.findall(r"^\| `(\w+)/` \| .+ \| .+ \|$", page("house"), re.MULTILINE)
    assert set(rows) == rooms
    drawn = (DOCS / "pictures" / "rooms.svg").read_text()
    boxes = re.findall(r'class="name"[^>]*>(\w+)(?:\.py)?', drawn)
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [storeys] = [contract["layers"] for contract in contracts if contract.get("containers") == ["grader"]]
    layers = [set(storey.split(" | ")) for storey in storeys]
    for layer in layers:
        assert set(boxes[: len(layer)]) == layer
        boxes = boxes[len(layer) :]
    places = [next(place for place, layer in enumerate(layers) if row in layer) for row in rows]
    assert places == sorted(places, reverse=True)


def test_the_limits_are_those_of_the_code():
    """The numbers in the pages and in the notebook are the defaults of the grader."""
    limits = default_limits("cpu")
    story = (REPOSITORY / "competition" / "story.md").read_text()
    for name in ("participants", "sandbox"):
        assert f"{GPU_GUARD:.0f} s on a GPU, {CPU_GUARD:,.0f} s on a CPU" in page(name)
        assert f"{limits.seconds:.0f} s" in page(name)
    assert f"more than {limits.memory_bytes // (1024 * MIB)} GiB" in page("participants")
    assert f"more than {limits.scratch_bytes // MIB} MiB of files" in page("participants")
    assert f"more than {limits.files:,} files" in page("participants")
    assert f"{limits.scratch_bytes // MIB} MiB in memory" in page("sandbox")
    assert f"{limits.shm_bytes // MIB} MiB of `/dev/shm`" in page("sandbox")
    assert f"{limits.processes} processes" in page("sandbox")
    assert f"{CAPTURED_BYTES // 1024} KiB kept" in page("sandbox")
    shown = f"{limits.memory_bytes // (1024 * MIB)} GiB of memory, {limits.processes}"
    assert shown in " ".join(story.split())


def test_every_verdict_is_explained():
    """The table of verdicts has a row for each."""
    rows = re.findall(r"^\| `(\w+)` \|", page("participants"), re.MULTILINE)
    assert set(rows) == {verdict.value for verdict in Verdict}


def test_the_images_that_a_profile_needs_are_stated():
    """The counts that an organizer must bring are those that the build asks for."""
    for profile in PROFILES.values():
        sizes = profile.sizes().values()
        ones = sum(round(CLEAN_PRIOR * size) for size in sizes)
        assert f"{ones:,}" in page("organizers")
        assert f"{sum(sizes) - ones:,}" in page("organizers")


@pytest.mark.parametrize("name", ["data", "methods"])
def test_the_tables_of_the_references_are_those_that_were_measured(name):
    """Each row of a page's tables of results stands in the table that `grader validate` wrote."""
    results = (REPOSITORY / "reference_solutions").glob("results/*.md")
    measured = {row for path in results for row in path.read_text().splitlines()}
    rows = [row for row in page(name).splitlines() if row.count("|") == 1 + len(TABLE_COLUMNS)]
    assert len(rows) > 2
    assert set(rows) <= measured


def test_the_readme_is_a_page():
    """Nobody has to scroll for long: the long texts are in `docs/`, and the README leads to each of them."""
    readme = (REPOSITORY / "README.md").read_text()
    assert readme.count("\n") < MOST_LINES
    linked = set(re.findall(r"\]\(docs/(\w+)\.md", readme))
    assert linked == {path.stem for path in DOCS.glob("*.md")} - {"index"}


def test_the_site_has_every_page():
    """Each page of `docs/` stands in the site's navigation once."""
    settings = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text())
    named = [file for entry in settings["nav"] for file in entry.values()]
    assert sorted(named) == sorted(path.name for path in DOCS.glob("*.md"))


def headings(text):
    """Return the anchors of a page's headings."""
    outside = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", outside, re.MULTILINE)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(path):
    """The file of a relative link is there, and so is the heading that it names."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        there = path.parent / file if file else path
        if not there.exists() or (anchor and anchor not in headings(there.read_text())):
            dead.append(target)
    assert dead == []


def test_every_picture_of_the_readme_is_there():
    """The README shows pictures, in light and in dark, that `make pictures` has made."""
    sources = re.findall(r'(?:src|srcset)="([^"]+)"', (REPOSITORY / "README.md").read_text())
    assert len(sources) == 4
    assert [source for source in sources if not (REPOSITORY / source).is_file()] == []
