"""What Codabench takes as a competition.yaml: each trap is named, and what a contest decides arrives."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from grader.contest_file import DEFAULT
from grader.contest_file.contest import Policy, RulesTable
from grader.platforms.codabench.document import Mode, document_of
from grader.platforms.codabench.moments import platform_time, read_platform_time
from grader.platforms.codabench.schema import faults

OPENING = datetime(2026, 3, 1, 8, tzinfo=UTC)
PAGES = {"overview.md": "Overview"}
FILES = {
    "logo.png",
    "pages/terms.md",
    "pages/overview.md",
    "scoring_program/metadata.yaml",
    "ingestion_program/metadata.yaml",
    "input_data/x",
    "reference_data/x",
    "public_data/train.zip",
    "starting_kit/starter_notebook.ipynb",
    "solution_all_samples/notebook.ipynb",
}


def document(mode=Mode.WORKER, contest=DEFAULT, opening=OPENING):
    """Make a document, as the platform reads it from its text."""
    made = document_of(contest, mode, "name:1", opening, PAGES)
    return yaml.safe_load(yaml.safe_dump(made))


@pytest.mark.parametrize("mode", Mode)
def test_what_is_made_is_taken(mode):
    """The document of each mode has no fault."""
    assert faults(document(mode), FILES) == []


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        (("version",), None, "version is missing"),
        (("version",), 1, "expected one of 2"),
        (("title",), "x" * 257, "257 characters, 256 are allowed"),
        (("title",), " ", "expected a text"),
        (("leaderboard",), [], "leaderboard is no key that Codabench knows"),
        (("image",), "../../etc/passwd", "must lead into the bundle"),
        (("terms",), "/etc/hostname", "must lead into the bundle"),
        (("pages", 0, "file"), "pages/none.md", "no such file"),
        (("docker_image",), "x" * 129, "129 characters"),
        (("contact_email",), "nobody", "expected an e-mail address"),
        (("queue",), "my queue", "expected the vhost of a queue"),
        (("pages",), [], "pages: expected a list"),
        (("tasks", 0, "scoring_program"), None, "scoring_program is missing"),
        (("tasks", 0, "ingestion_only_during_scoring"), True, "expected one of False"),
        (("phases", 0, "start"), datetime(2026, 1, 1, 13, 30), "must be a quoted text"),
        (("phases", 0, "start"), "2026-01-01 09:15+01:00", "does not match"),
        (("phases", 0, "start"), "2026-1-1 9:15:00", "must be written in full"),
        (("phases", 0, "end"), "2026-01-01 00:00:00", "it must end later than it starts"),
        (("phases", 0, "tasks"), [3], "there is no task 3"),
        (("phases", 0, "auto_migrate_to_this_phase"), True, "nothing can migrate"),
        (("phases", 0, "execution_time_limit"), "600", "expected a whole number"),
        (("phases", 0, "max_submissions_per_day"), True, "expected a whole number"),
        (("phases", 0, "accepts_only_result_submissions"), True, "no key that Codabench knows"),
        (("solutions", 0, "tasks"), [1], "there is no task 1"),
        (("leaderboards", 0, "submission_rule"), "Best", "expected one of Add"),
        (("leaderboards", 0, "columns", 0, "key"), "x" * 37, "37 characters"),
        (("leaderboards", 0, "columns", 1, "index"), 0, "the same index"),
        (("leaderboards", 0, "columns", 1, "key"), "bac", "two have the same key"),
    ],
)
def test_each_trap_is_named(where, value, said):
    """What the platform would refuse, or take otherwise than it was meant, is one sentence before the upload."""
    broken = document()
    *path, last = where
    table = broken
    for step in path:
        table = table[step]
    if value is None:
        del table[last]
    else:
        table[last] = value
    assert any(said in fault for fault in faults(broken, FILES)), faults(broken, FILES)


def test_phases_follow_one_another():
    """A phase that starts when the one before ends, or lacks an end before the last, is refused."""
    made = document()
    first = made["phases"][0]
    first["end"] = "2026-03-05 08:00:00"
    made["phases"].append({**first, "index": 1, "start": first["end"], "end": "2026-03-06 08:00:00"})
    assert faults(made, FILES) == ["phases[1]: it must start later than the phase before ends"]
    made["phases"][1]["start"] = "2026-03-05 08:00:01"
    assert faults(made, FILES) == []
    del first["end"]
    assert faults(made, FILES) == ["phases[0]: only the last phase may lack its end"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.datetimes(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(sorted(document())) | st.text(), inner),
    )
)
def test_any_document_is_judged(found):
    """Whatever stands in the file, all faults are found without an error."""
    assert faults(found, FILES)


@given(st.datetimes(datetime(1971, 1, 1), datetime(2999, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_times_survive_yaml_and_zones(naive, minutes):
    """A time of whatever zone comes out of the file's text as the same moment to the second, as a text without zone."""
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    [phase] = document(opening=moment)["phases"]
    assert isinstance(phase["start"], str)
    assert read_platform_time(phase["start"]) == moment.replace(microsecond=0)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_titles_survive_yaml(title):
    """A contest's title comes out of the file as it was, or is refused as no text or too long a one."""
    made = document(contest=replace(DEFAULT, title=title))
    assert made["title"] == title or faults(made, FILES)
    assert bool(faults(made, FILES)) == (not title.strip() or len(title) > 256)


def test_the_contest_decides():
    """Closing, limits and the policy of the contest file are those of the platform's phase and board."""
    rules = RulesTable(OPENING, OPENING + timedelta(days=3), Policy.LAST, 7)
    made = document(Mode.BUNDLE, replace(DEFAULT, rules=rules))
    [phase], [board] = made["phases"], made["leaderboards"]
    assert (phase["start"], phase["end"]) == ("2026-03-01 08:00:00", "2026-03-04 08:00:00")
    assert phase["max_submissions_per_day"] == 7
    assert board["submission_rule"] == "Force_Last"
    assert [column["key"] for column in board["columns"]] == ["bac", "points", "verdict"]
    assert document()["leaderboards"][0]["submission_rule"] == "Force_Best"


def test_a_time_in_utc_is_written_without_a_zone():
    """The platform drops a zone, so none is written."""
    assert platform_time(datetime.fromisoformat("2026-03-01T09:15:00+01:00")) == "2026-03-01 08:15:00"
