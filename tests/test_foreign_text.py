"""Foreign text has one way out: whatever somebody is called, a terminal and a CSV get plain text."""

import ast
import csv
import io
import random
import unicodedata

import pytest

from grader.safe_io import csv_cell, plain_line
from tests.conftest import ALL_SAMPLES, REPOSITORY
from tests.contest import contest, scripted
from tests.hostile import NASTY, is_plain

__all__ = ["contest", "scripted"]  # fixtures

PRINTERS = {"typer.echo", "typer.secho", "click.echo", "print", "sys.stdout.write", "sys.stderr.write"}


def called(node):
    """Return the dotted name of what a call calls, as it is written."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def test_no_command_prints_but_by_the_one_way_out():
    """Only `say` writes to a terminal; the rest goes through rich, whose cells the next test sees.

    What is handed to a platform runs there, without the kit.
    """
    found = {}
    for path in sorted((REPOSITORY / "grader").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if called(node) in PRINTERS:
                found.setdefault(str(path.relative_to(REPOSITORY)), []).append(called(node))
    elsewhere = {"codabench/hand_over.py", "codabench/make_submission.py", "kaggle/recording.py"}
    assert found.keys() == {"grader/options.py", *(f"grader/platforms/{name}" for name in elsewhere)}
    assert found["grader/options.py"] == ["print"]


def name_of(randomness):
    """Make a name of nasty parts, as a file system or a CSV may hold it."""
    parts = randomness.choices(NASTY, k=randomness.randint(2, 5))
    return "x".join(["a", *parts, "z"])


@pytest.mark.parametrize("seed", range(8))
def test_names_are_plain_in_every_command(contest, scripted, seed):
    """Participants, files, folders and paths of random nasty parts reach no terminal and no CSV raw."""
    randomness = random.Random(seed)
    path = contest.submit("good", f"# good\n{ALL_SAMPLES}")
    names = [name_of(randomness) for _ in range(4)]
    file_names = [name.replace("/", "_").encode(errors="replace").decode() for name in names]
    for name in file_names:
        (contest.submissions / f"{name}.ipynb").write_bytes(path.read_bytes() + b" ")
        (contest.submissions / f"{name}.txt").write_text("no notebook")
        (contest.submissions / f"link {name}").symlink_to(".")
    table = contest.folder / "received.csv"
    with open(table, "w", newline="", encoding="utf-8", errors="surrogatepass") as stream:
        rows = [["participant", "path", "submitted_at", "final"]]
        rows += [[name, "submissions/good.ipynb", f"2026-03-0{day}", ""] for day in (1, 2) for name in names]
        rows += [["eve", f"{names[0]}.ipynb", "2026-03-01", ""], ["eve", "submissions/good.ipynb", names[1], ""]]
        csv.writer(stream).writerows([*rows, ["eve", "submissions/good.ipynb", "2026-03-01", names[2]]])
    scripted()
    said = [contest.run("batch", contest.submissions, status=2), contest.run("batch", table, status=2)]
    board = contest.folder / "board.csv"
    said.append(contest.run("leaderboard", "--split", "test_a", "--csv", board))
    said.append(contest.run("leaderboard", "--split", "test_b", "--public-seed", "5", status=2))
    said.append(contest.run("leaderboard", "--split", "test_a", "--seeds", "2"))
    said.append(contest.run("history", file_names[0]))
    said.append(contest.run("history", f"nobody {names[0]}", status=2))
    said.append(contest.call("similar", contest.runs, "--store", contest.store))
    said.append(contest.call("collect", contest.submissions, "-o", contest.folder / "collected", status=2))
    missing = f"{file_names[1]} is not here"
    for command in ("batch", "grade", "check", "report", "regrade", "similar", "collect", "analyze", names[3]):
        result = contest.attempt(command, missing)
        assert result.exit_code in (2, 3), (command, result.output)
        said.append(result.output)
    assert [printed for printed in said if not is_plain(printed)] == []
    text = board.read_text(encoding="utf-8") + (contest.folder / "collected" / "submissions.csv").read_text()
    assert is_plain(text)
    assert not {"\u200d", "\u200c"} & set(text)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("seed", range(20))
def test_no_cell_is_a_formula_whatever_separates_the_cells(seed, separator):
    """However a spreadsheet splits the lines, no cell of a name begins with a sign, in whatever width."""
    randomness = random.Random(seed)
    names = [name_of(randomness)[1:-1] for _ in range(50)] + ['x;"=1"', "a;\t= 1", "; ＝1", "\n=1", "\u200b=1", "−1"]
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([[1, csv_cell(name.replace("\ud800", "")), 2] for name in names])
    text = stream.getvalue()
    assert text.count("\n") == len(names)
    for row in csv.reader(io.StringIO(text), delimiter=separator):
        for cell in row:
            start = unicodedata.normalize("NFKC", cell.lstrip(' "'))[:1]
            assert start not in set("=+-@−"), (row, cell)


def test_a_cell_that_is_harmless_stays_as_it_is():
    """Names of people keep their letters, their hyphens and their commas."""
    for name in ("Zoë Roe", "Ann-Lee", "Roe, Jane", "李雷", "O'Neil", "a@b.org"):
        assert csv_cell(name) == name


def test_a_file_name_that_is_no_text_is_shown_by_its_bytes():
    """What Python keeps as half characters is written as the bytes that they stand for."""
    assert plain_line("a\udcff\udc1b b\nc") == "a\\xff b c"
