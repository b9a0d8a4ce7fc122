"""`grader report --all`: a file for each participant, named after them, and an index for the organizer alone."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from grader.cli import app
from grader.pages.everybody import Written, index_page
from grader.safe_io import file_names
from tests.browser import DESKTOP, PHONE, brightness, chromium, overflow, visitor
from tests.conftest import ALL_SAMPLES
from tests.contest import contest, scripted
from tests.test_pages import HOSTILE, standing

__all__ = ["chromium", "contest", "scripted", "visitor"]  # fixtures

DEVICES = ("CON", "nul", "com1", "LPT9", "aux.txt")


@pytest.mark.parametrize("name", ["anna", "Anna", "anna.k-2", "Łukasz", "नमस्ते", "小明"])
def test_a_readable_name_names_its_file(name):
    """Letters of any script, digits, dots and dashes stay as they are; a space becomes an underscore."""
    assert file_names([name, f"{name} b"]) == {name: name, f"{name} b": f"{name}_b"}


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a/b", "a\\b", "a:b", ".hidden", "", "a.", "\x1b[31mred", "x" * 300]
)
def test_a_name_that_loses_something_is_told_apart(name):
    """What a file's name cannot hold goes, and a checksum says whose it is."""
    assert re.fullmatch(r"\w[\w.-]*-[0-9a-f]{12}", file_names([name])[name])


@pytest.mark.parametrize("name", DEVICES)
def test_nobody_gets_the_name_of_a_device(name):
    """Names that Windows keeps for devices, with an ending or without, are not the beginning of a file's name."""
    assert file_names([name])[name].startswith("_")


def test_capitals_and_taken_names_make_no_two_files_one():
    """Names that differ in capitals alone, and one that is taken, get a checksum, whatever the order."""
    found = file_names(["Anna", "anna", "Index", "bob"], taken=("index",))
    assert found["bob"] == "bob"
    assert all(re.search(r"-[0-9a-f]{12}$", found[name]) for name in ("Anna", "anna", "Index"))
    assert file_names(["bob", "Index", "anna", "Anna"], taken=("index",)) == found
    pretender = found["Anna"]
    assert file_names([pretender, "Anna", "anna"])[pretender] != pretender


@given(st.lists(st.text(st.sampled_from('aAß. _-/\\:*\x00\u202e"<é'), max_size=6), unique=True, max_size=12))
def test_no_two_people_share_a_file(names):
    """Whatever the names, the files differ also where capitals do not count, and every name is safe on Windows."""
    found = file_names(names)
    assert len({stem.casefold() for stem in found.values()}) == len(names)
    for stem in found.values():
        assert re.fullmatch(r"[\w.-]+", stem)
        assert not stem.startswith(".")
        assert not stem.endswith((".", " "))


def report(contest, *options, status=0):
    """Run `grader report --all` into the folder reports/ of the contest; return what it printed."""
    return contest.run("report", "--all", "-o", contest.folder / "reports", *options, status=status)


@pytest.fixture
def graded(contest, scripted):
    """Make a contest in which the first of two submissions is the better one."""
    scripted().bacs = {"first": 0.8, "second": 0.6, "bob": 0.7}
    contest.submit("ann/first", f"# first\n{ALL_SAMPLES}")
    contest.submit("ann/second", f"# second\n{ALL_SAMPLES}", "2026-03-02T12:00:00+00:00")
    contest.submit("bob", f"# bob\n{ALL_SAMPLES}")
    contest.run("batch", contest.submissions)
    return contest


def test_everybody_gets_the_report_of_the_run_that_counts(graded):
    """One participant's edition each, of the best submission, or of the last with --policy last; the index apart."""
    reports = graded.folder / "reports"
    assert "wrote 2 reports" in report(graded)
    assert sorted(path.name for path in reports.iterdir()) == ["ann.html", "bob.html", "organizer"]
    page = (reports / "ann.html").read_text()
    assert "first.ipynb" in page
    assert "Organizer’s edition" not in page
    assert "bob" not in page
    report(graded, "--policy", "last")
    assert "second.ipynb" in (reports / "ann.html").read_text()


def test_a_run_that_is_lost_stops_no_other_report(graded):
    """Without one run's record the others are written, the index says what went wrong, and the exit status is 3."""
    [run] = [grading.run for name, grading in graded.gradings() if name == "bob"]
    (graded.runs / run / "record.json").unlink()
    printed = report(graded, status=3)
    assert "wrote 1 report into" in printed
    assert f"error: bob: {graded.runs / run} is not a run folder" in printed
    index = (graded.folder / "reports" / "organizer" / "index.html").read_text()
    assert 'href="../ann.html"' in index
    assert 'href="../bob.html"' not in index
    assert "is not a run folder" in index


def test_reports_of_an_earlier_call_are_named(graded):
    """What is no longer written, as that of somebody removed, stays, and the organizer is told not to hand it out."""
    assert "earlier call" not in report(graded)
    graded.run("remove", "bob", "--reason", "was a test")
    printed = report(graded)
    assert "wrote 1 report into" in printed
    assert "what an earlier call wrote, do not hand it out: bob.html" in printed
    assert (graded.folder / "reports" / "bob.html").is_file()


def test_who_was_not_graded_stands_in_the_index(graded, scripted):
    """A submission without a result makes no file, and no error."""
    graded.submit("cid", f"# cid\n{ALL_SAMPLES}")
    scripted(cid=["not a verdict"]).outcomes = lambda tasks, at_once: iter(())
    graded.run("batch", graded.submissions)
    assert "wrote 2 reports" in report(graded)
    index = (graded.folder / "reports" / "organizer" / "index.html").read_text()
    assert "cid" in index
    assert "no run counts" in index


@pytest.mark.parametrize(
    "options", [("--all", "run"), ("--all", "--edition", "organizer"), ()], ids=["run", "edition", "nothing"]
)
def test_reports_of_everybody_or_of_runs(options):
    """--all goes with neither a run nor the organizer's edition, and without it there must be a run."""
    assert CliRunner().invoke(app, ["report", *options]).exit_code == 2


def rows():
    """Make the rows of an index: hostile names, a tie, a fault, somebody without a run, a report that failed."""
    written = [Written(standing(name, 0.9 - k / 100, rank=k + 1), "run", f"{k}.html") for k, name in enumerate(HOSTILE)]
    written[1] = replace(written[1], standing=replace(written[1].standing, tied=True))
    written.append(Written(standing("Anna Kowalska", 0.7134, rank=6), "run", "Anna_Kowalska.html"))
    fault = standing("Bartek", None, verdict="RuntimeError", points=None)
    written.append(Written(fault, "run", "Bartek.html"))
    written.append(Written(standing("Chiara", None, verdict="not graded"), None))
    lost = Written(
        standing("Dilan", 0.6, rank=7), "run", problem="runs/20260301 is not a run folder: it has no record.json"
    )
    return [*written, lost]


@pytest.mark.parametrize(("width", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
def test_the_index_opens_in_peace_and_says_that_it_is_not_handed_out(visitor, width, scheme):
    """No script, no request, nothing too wide; the first words say for whom it is, and each row leads to its file."""
    page = visitor.open(index_page(rows(), "2026-03-09T12:00:00+00:00"), width=width, scheme=scheme)
    assert overflow(page) <= 0
    assert (brightness(page) > 128) == (scheme == "light")
    assert page.locator("body").inner_text().startswith("For the organizer.")
    assert "do not hand it out" in page.locator(".confidential").inner_text()
    assert page.locator("script").count() == 0
    names = [text.strip() for text in page.locator("tbody bdi").all_text_contents()]
    assert names[:2] == list(HOSTILE[:2])
    links = page.locator("tbody a")
    assert [link.get_attribute("href") for link in links.all()][-2:] == ["../Anna_Kowalska.html", "../Bartek.html"]
    assert links.last.is_visible()
    assert page.locator(".fault").is_visible()


def test_an_index_of_nobody_says_so(visitor):
    """Before anybody has handed in something there is a sentence in place of the table."""
    page = visitor.open(index_page([], "2026-03-09T12:00:00+00:00"))
    assert "Nobody has handed in anything yet." in page.locator("main").inner_text()
