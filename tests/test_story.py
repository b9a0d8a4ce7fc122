"""An organizer's own story: everywhere in the place of the kit's, and no part of what a training depends on."""

import shutil

import nbformat
import pytest
from typer.testing import CliRunner

from competition.cli import app
from competition.errors import SourceError
from competition.notebook import Origin, build_notebook
from competition.story import MAX_OPENING_BYTES, SCORED, opening_of, read_opening, whole_story
from grader.contest.doctor import notebook_of
from grader.contest.readiness import State
from grader.contest_file import DEFAULT
from grader.platforms.codabench.texts import all_pages
from grader.platforms.kaggle.notebooks import starter_for_kaggle
from grader.site.story import story_html
from tests.site import serve

__all__ = ["serve"]  # a fixture
OWN = """# Cats and dogs

A shelter had its animals sorted by visitors. <b>Dogs</b> were taken for cats.

## Who is who

Class 0 is cats, class 1 dogs.
"""


@pytest.fixture(scope="module")
def shelter(tmp_path_factory):
    """Build data with a story of one's own."""
    folder = tmp_path_factory.mktemp("shelter")
    (folder / "own.md").write_text(OWN, encoding="utf-8")
    arguments = ["build-data", "--profile", "debug", "--seed", "1", "--out", str(folder / "data")]
    result = CliRunner().invoke(app, [*arguments, "--story", str(folder / "own.md")], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return folder / "data"


def texts_of(notebook):
    """Return the texts above the notebook's first code."""
    first = next(place for place, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    return [cell.source for cell in notebook.cells[:first]]


def test_the_notebook_begins_with_it_and_goes_on_with_the_rules(shelter):
    """The kit's title and classes are gone, all below is the kit's; no locked code differs."""
    handed_out = nbformat.read(shelter / "public" / "starter_notebook.ipynb", as_version=4)
    own, kits = texts_of(handed_out), texts_of(build_notebook())
    assert own[0].startswith("# Cats and dogs")
    assert own[1] == "## Who is who\n\nClass 0 is cats, class 1 dogs."
    assert own[2:] == kits[2:]
    assert kits[2].startswith(SCORED)
    code = [
        [cell.source for cell in each.cells if cell.id.startswith("locked")] for each in (handed_out, build_notebook())
    ]
    differ = [mine for mine, kit in zip(*code, strict=True) if mine != kit]
    assert [text.startswith("# @title LOCKED CELL [source]") for text in differ] == [True]  # it knows its data


def test_whoever_builds_the_notebook_again_finds_it(shelter, tmp_path):
    """With --data, by `doctor`, for Kaggle and for Codabench: all tell the story of the data."""
    arguments = ["build-notebook", "--data", str(shelter), "-o", str(tmp_path / "again.ipynb")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert (tmp_path / "again.ipynb").read_text() == (shelter / "public" / "starter_notebook.ipynb").read_text()
    assert notebook_of(shelter / "public").state is State.OK
    opening = opening_of(shelter / "public")
    assert opening == OWN
    assert "A shelter had" in starter_for_kaggle(Origin({}, opening=opening))


def test_codabench_tells_it(shelter):
    """The opening stands in the overview, its other sections on the page of the data; without any, the kit's do."""
    counts = {"images": 1, "labels": {"0": 0, "1": 1}}
    splits = {"train": counts, "val": counts}
    own, kits = (all_pages(DEFAULT, splits, opening) for opening in (OWN, None))
    assert "A shelter had" in own["overview.md"][1]
    assert "Class 0 is cats" in own["data.md"][1]
    assert "shop" in kits["overview.md"][1]
    assert "T-shirts" in kits["data.md"][1]
    assert own["rules.md"] == kits["rules.md"]


def test_the_site_shows_it_as_text(shelter, serve, data):
    """On the start page its markup is text; what the data of another contest tells is not there."""
    assert "&lt;b&gt;Dogs&lt;/b&gt;" in story_html(OWN)
    shutil.copy(shelter / "public" / "story.md", data / "public")
    try:
        page = serve().client().get("/").text
    finally:
        (data / "public" / "story.md").unlink()
    assert "A shelter had" in page
    assert "A shop photographed" not in page
    assert "How you are scored" in page


def test_the_kits_own_story_is_whole():
    """Without an opening nothing is changed; its first part would itself be one."""
    whole = whole_story()
    assert whole == whole_story(whole[: whole.index(SCORED)])


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"\xff\xfe", "no text in UTF-8"),
        (b"# A\x00", "control characters"),
        (b"", "exactly one title"),
        (b"Some words\n\n# A", "exactly one title"),
        (b"# A\n\n# B", "exactly one title"),
        (b"# A\n" + b"x" * MAX_OPENING_BYTES, "more than 64 KiB"),
        (f"# A\n\n{SCORED}\n".encode(), "end it above"),
        (b"# A\n\n```python locked final\n```\n", "a cell of the notebook"),
    ],
)
def test_what_is_no_opening_is_refused(tmp_path, raw, said):
    """The message says what to do, and `build-data` makes nothing."""
    path = tmp_path / "own.md"
    path.write_bytes(raw)
    with pytest.raises(SourceError, match=said):
        read_opening(path)
    arguments = ["build-data", "--profile", "debug", "--out", str(tmp_path / "data"), "--story", str(path)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert not (tmp_path / "data").exists()


def test_a_file_that_is_not_there_is_named(tmp_path):
    """So is a folder."""
    for path in (tmp_path / "none.md", tmp_path):
        with pytest.raises(SourceError, match="cannot be read"):
            read_opening(path)
