"""`contest.toml`: what it may say, how faults are told, and that every command takes part."""

import re
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from grader.cli import app
from grader.contest_file import DEFAULT, Contest, Policy
from grader.contest_file.contest import Audience, FinalTable, GradingTable, RulesTable, SiteTable
from grader.contest_file.option import defaults_of
from grader.contest_file.reading import CONTEST_FILE, TABLES, ContestError, contest_here, keys_of, read_contest
from grader.options import Device
from grader.sandbox import Backend
from tests.conftest import REPOSITORY

WHOLE = """
title = "Spring"
data = "images"
submissions = "/elsewhere/inbox.csv"
runs = "kept/runs"
store = "kept/store.sqlite"
[grading]
device = "cpu"
threads = 3
seed = 5
sandbox = "podman"
image = "mine"
time_limit = 100
guard = 900.5
workers = 4
ray_address = "10.0.0.1:6379"
num_gpus = 0.5
[rules]
opening = 2026-03-01T09:00:00+01:00
closing = 2026-03-31T18:00:00Z
policy = "last"
daily_limit = 2
[final]
seed = 1000
seeds = 3
train = "redraw-1"
choices = 1
[site]
url = "https://contest.example.org"
board = "members"
largest_kib = 512
"""
ARGUMENTS = {
    "grade": ["mine.ipynb"],
    "regrade": ["a-run"],
    "batch": [],
    "history": ["anna"],
    "leaderboard": ["--split", "test_a"],
    "report": ["a-run"],
    "similar": ["."],
    "analyze": ["."],
    "validate": [],
    "final": [],
    "invite": [],
    "serve": [],
}


@pytest.fixture
def folder(tmp_path):
    """Make a contest folder that says every key."""
    (tmp_path / CONTEST_FILE).write_text(WHOLE)
    return tmp_path


def commands():
    """Return the commands of the program by name."""
    return typer.main.get_command(app).commands


def parameters(name, *options):
    """Return what the options of a command are, as its line is read; nothing is run."""
    command = commands()[name]
    return command.make_context(name, [*ARGUMENTS[name], *map(str, options)]).params


def test_every_key_is_read(folder):
    """The file says all, and relative paths start at the file."""
    assert read_contest(folder / CONTEST_FILE) == Contest(
        title="Spring",
        data=folder / "images",
        submissions=Path("/elsewhere/inbox.csv"),
        runs=folder / "kept" / "runs",
        store=folder / "kept" / "store.sqlite",
        grading=GradingTable(Device.CPU, 3, 5, Backend.PODMAN, "mine", 100.0, 900.5, 4, "10.0.0.1:6379", 0.5),
        rules=RulesTable(
            datetime(2026, 3, 1, 9, tzinfo=timezone(timedelta(hours=1))),
            datetime(2026, 3, 31, 18, tzinfo=UTC),
            Policy.LAST,
            2,
        ),
        final=FinalTable(1000, 3, "redraw-1", 1),
        site=SiteTable("https://contest.example.org", Audience.MEMBERS, 512),
        file=folder / CONTEST_FILE,
    )
    assert read_contest(folder) == read_contest(folder / CONTEST_FILE)


def test_the_whole_file_says_every_key():
    """The example above leaves no key out: a new one must be read, too."""
    names = {name for table in TABLES for name in keys_of(table)}
    assert names == set(re.findall(r"^(\w+) =", WHOLE, re.MULTILINE))
    tables = {name for name in TABLES if name} | {"file"}
    assert {each.name for each in fields(Contest)} == tables | set(keys_of(""))


def test_an_empty_file_is_a_contest(tmp_path):
    """What the file leaves open has its default, paths beside the file; a byte order mark of an editor is no fault."""
    file = tmp_path / CONTEST_FILE
    file.write_bytes(b"\xef\xbb\xbf# nothing\r\n")
    paths = {name: tmp_path / getattr(DEFAULT, name) for name in ("data", "submissions", "runs", "store")}
    assert read_contest(file) == replace(DEFAULT, **paths, file=file)


def test_without_a_file_the_defaults_hold(tmp_path):
    """A folder without a file is no fault where nobody named it."""
    assert contest_here(tmp_path) == DEFAULT


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("titel = 'x'", "titel is not known: the nearest is title, above all tables"),
        ("policy = 'best'", "policy is not known: the nearest is [rules] policy"),
        ("[rules]\npolcy = 'best'", "[rules] polcy is not known: the nearest is [rules] policy"),
        ("[final]\ndaily_limt = 3", "[final] daily_limt is not known: the nearest is [rules] daily_limit"),
        ("[grading]\nseed = 1\nseeds = 3", "[grading] seeds is not known: the nearest is [final] seeds"),
        ("[rule]\npolicy = 'best'", "the table [rule] is not known: the nearest is [rules]"),
        ("grading = 'fast'", "[grading] is 'fast': expected a table, a line [grading] with its keys below"),
        ("[[final]]\nseed = 1", "[final] is [{'seed': 1}]: expected a table"),
        ("title = ''", "title is '': expected a text in quotes"),
        ("title = 3", "title is 3: expected a text in quotes"),
        ("data = ['a']", "data is ['a']: expected a path in quotes"),
        ('data = "a\\u0000b"', "expected a path in quotes"),
        ("[grading]\ndevice = 'gpu'", "[grading] device is 'gpu': expected one of auto, cpu, cuda, in quotes"),
        ("[grading]\ndevice = true", "[grading] device is True: expected one of auto, cpu, cuda"),
        ("[grading]\nsandbox = 'no'", "[grading] sandbox is 'no': expected one of bwrap, podman, docker, confined"),
        ("[grading]\nthreads = 0", "[grading] threads is 0: expected a whole number, 1 or more"),
        ("[grading]\nthreads = 2.0", "[grading] threads is 2.0: expected a whole number"),
        ("[grading]\nthreads = true", "[grading] threads is True: expected a whole number"),
        ("[grading]\nthreads = '2'", "[grading] threads is '2': expected a whole number"),
        ("[grading]\nseed = 4294967296", "[grading] seed is 4294967296: expected a whole number from 0 to 4294967295"),
        ("[grading]\ntime_limit = 0.5", "[grading] time_limit is 0.5: expected a number, 1 or more"),
        ("[grading]\ntime_limit = inf", "[grading] time_limit is inf: expected a number"),
        ("[grading]\nguard = nan", "[grading] guard is nan: expected a number"),
        ("[grading]\nguard = 200", "[grading] guard is 200: expected more than the 280 s of time_limit"),
        ("[grading]\nguard = 20\ntime_limit = 20", "expected more than the 20 s of time_limit"),
        ("[grading]\nnum_gpus = -1", "[grading] num_gpus is -1: expected a number, 0 or more"),
        ("[rules]\npolicy = 'bst'", "[rules] policy is 'bst': expected one of best, last, in quotes"),
        ("[rules]\nopening = 2026-03-01", "[rules] opening is 2026-03-01: expected a day and a time with their zone"),
        ("[rules]\nclosing = 2026-03-01T18:00:00", "expected a day and a time with their zone"),
        ("[rules]\nclosing = '2026-03-01T18:00:00Z'", "without quotes, such as 2026-03-01T18:00:00+01:00"),
        (
            "[rules]\nopening = 2026-03-02T00:00:00Z\nclosing = 2026-03-02T01:00:00+01:00",
            "[rules] closing is 2026-03-02 01:00:00+01:00: expected a time after the opening",
        ),
        (
            "[site]\nurl = 'contest.example.org'",
            "[site] url is 'contest.example.org': expected an address without a path",
        ),
        ("[site]\nurl = 'https://a.b/c'", "[site] url is 'https://a.b/c': expected an address without a path"),
        ("[site]\nboard = 'all'", "[site] board is 'all': expected one of public, members"),
        ("[final]\ntrain = 'redraw'", '[final] train is \'redraw\': expected "train", or "redraw-1" and so on'),
        ("[final]\nseed = 4294967295\nseeds = 2", "[final] seeds is 2: expected none beyond 4294967295"),
        ("[final]\nchoices = 0", "[final] choices is 0: expected a whole number, 1 or more"),
        ("[rules]\npolicy = best", "contest.toml is no TOML: Invalid value (at line 2, column 10)"),
    ],
)
def test_a_fault_is_told_in_one_line(tmp_path, text, said):
    """The message names the file, the table, the key, what stands there and what is expected."""
    file = tmp_path / CONTEST_FILE
    file.write_text(text)
    with pytest.raises(ContestError) as caught:
        read_contest(file)
    assert said in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    """None, none in a folder, no text: each says what to do."""
    with pytest.raises(ContestError, match=r"there is no .*spring: 'grader init FOLDER' writes one"):
        read_contest(tmp_path / "spring")
    with pytest.raises(ContestError, match=r"there is no .*contest\.toml"):
        read_contest(tmp_path)
    (tmp_path / CONTEST_FILE).write_bytes(b"title = '\xff'")
    with pytest.raises(ContestError, match="is no text in UTF-8"):
        read_contest(tmp_path)
    with pytest.raises(ContestError, match="cannot be read: Not a directory"):
        read_contest(tmp_path / CONTEST_FILE / "inner")


def test_a_hostile_file_reaches_no_terminal(tmp_path):
    """Escape sequences of a key or a value are not in the message."""
    for text in ('"\\u001b[31mred" = 1', 'title = {"\\u001b[31m" = "\\u202e"}', '["\\u001b]0;x\\u0007"]'):
        (tmp_path / CONTEST_FILE).write_text(text)
        with pytest.raises(ContestError) as caught:
            read_contest(tmp_path)
        assert not {"\x1b", "\x07", "\u202e"} & set(str(caught.value))


def test_the_page_for_organizers_shows_what_can_be_read(tmp_path):
    """Each piece of a contest file that the page shows is one."""
    page = (REPOSITORY / "docs" / "organizers.md").read_text()
    shown = re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(shown) == 2
    for text in shown:
        (tmp_path / CONTEST_FILE).write_text(text)
        assert read_contest(tmp_path).final == FinalTable(71077345, 5, "redraw-1", 2)


def test_init_writes_a_file_that_says_the_defaults(tmp_path):
    """As it is, the file changes nothing; each key stands in it, one without a default as a comment and example."""
    folder = tmp_path / "contests" / "spring"
    assert CliRunner().invoke(app, ["init", str(folder)]).exit_code == 0
    contest = read_contest(folder)
    assert all(getattr(contest, table) == getattr(DEFAULT, table) for table in TABLES if table)
    assert (contest.title, contest.store) == (DEFAULT.title, folder / DEFAULT.store)
    assert (contest.submissions.is_dir(), contest.runs.is_dir(), contest.data.exists()) == (True, True, False)
    text = (folder / CONTEST_FILE).read_text()
    assert max(map(len, text.splitlines())) <= 120
    (folder / CONTEST_FILE).write_text(re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE))
    everything = read_contest(folder)
    for table in TABLES:
        said = getattr(everything, table) if table else everything
        assert [name for name in keys_of(table) if getattr(said, name) is None] == []


def test_init_changes_nothing_that_is_there(folder):
    """A contest that has begun stays as it is, and so does a file where a folder would be."""
    (folder / "submissions").mkdir()
    (folder / "submissions" / "anna.ipynb").write_text("hers")
    result = CliRunner().invoke(app, ["init", str(folder)], env={"COLUMNS": "300"})
    assert (result.exit_code, "is there already, and stays as it is" in result.output) == (2, True)
    assert (folder / CONTEST_FILE).read_text() == WHOLE
    assert sorted(path.name for path in folder.rglob("*")) == ["anna.ipynb", CONTEST_FILE, "submissions"]
    other = folder / "other"
    other.mkdir()
    (other / "runs").write_text("a file")
    assert CliRunner().invoke(app, ["init", str(other)]).exit_code == 2
    assert (other / "runs").read_text() == "a file"
    assert not (other / CONTEST_FILE).exists()
    assert CliRunner().invoke(app, ["init", str(other / "runs" / "inner")]).exit_code == 3


@pytest.mark.parametrize("name", sorted(commands().keys() - {"check"}))
def test_every_command_with_such_options_takes_part(name):
    """Who takes an option that the file can fill takes --contest too, tells so in the help, and has its default."""
    known = defaults_of(DEFAULT, lambda: False)
    own = {each.name: each for each in commands()[name].params if each.param_type_name == "option"}
    filled = own.keys() & known.keys() - ({"seeds"} if name == "validate" else set())  # it has no final
    assert not filled or "contest" in own
    for option in filled:
        default = own[option].default
        assert "contest.toml" in str(own[option].show_default), option
        assert str(default) == str(known[option]() if callable(known[option]) else known[option]), option


@pytest.mark.parametrize("named", [False, True], ids=["working folder", "--contest"])
@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_command_finds_the_contest(name, named, folder, tmp_path_factory, monkeypatch):
    """Each option that the file can fill has its value, from the working folder as by --contest with file or folder."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere") if named else folder)
    (Path() / "mine.ipynb").write_text("no notebook")
    contest = read_contest(folder) if named else read_contest(Path(CONTEST_FILE))
    expected = defaults_of(contest, lambda: False)
    for options in [["--contest", folder], ["--contest", folder / CONTEST_FILE]] if named else [[]]:
        found = parameters(name, *options)
        assert found["contest"] == contest
        for option in found.keys() & expected.keys() - ({"runs"} if name in ("report", "similar") else set()):
            value = expected[option]() if callable(expected[option]) else expected[option]
            assert found[option] == value, option


def test_the_final_has_a_seed_and_a_draw_of_its_own(folder, monkeypatch):
    """What is scored on test_b is trained as the final says; the public board behind it as the grading says."""
    monkeypatch.chdir(folder)
    (folder / "mine.ipynb").write_text("no notebook")
    names = ("seed", "seeds", "train", "public_seed")
    for name in ("leaderboard", "batch"):
        public, final = parameters(name, "--split", "test_a"), parameters(name, "--split", "test_b")
        assert [public[each] for each in names] == [5, 1, "train", 5]
        assert [final[each] for each in names] == [1000, 3, "redraw-1", 5]
    assert parameters("grade", "--split", "test_b")["seed"] == 1000


def test_the_command_line_comes_first(folder, monkeypatch):
    """An option overrides the file for one call, and its path starts at the working folder."""
    monkeypatch.chdir(folder)
    found = parameters("leaderboard", "--policy", "best", "--data", "other", "--seeds", "7")
    assert (found["policy"], str(found["data"]), found["seeds"]) == ("best", "other", 7)
    assert (found["daily_limit"], found["store"]) == (2, Path("kept/store.sqlite"))


def test_a_faulty_file_stops_every_command_but_the_participants(folder, monkeypatch):
    """A fault is a usage error; `check`, and commands that ask for nothing in it, do not read the file."""
    monkeypatch.chdir(folder)
    (folder / CONTEST_FILE).write_text("[rules]\npolicy = 'bst'")
    (folder / "mine.ipynb").write_text("no notebook")
    for name, arguments in ARGUMENTS.items():
        result = CliRunner().invoke(app, [name, *arguments], env={"COLUMNS": "300"})
        assert (result.exit_code, "[rules] policy is 'bst': expected one of best" in result.output) == (2, True)
    assert "contest" not in {parameter.name for parameter in commands()["check"].params}
