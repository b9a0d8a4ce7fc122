"""`grader similar`: which solution cells are alike?"""

import pytest
from typer.testing import CliRunner

import grader.contest.similarity
from competition.notebook import build_notebook, graft, notebook_text
from grader.cli import app
from grader.contest.similarity import NGRAM, normalised_tokens, read_solutions, similar_pairs, tokens_of
from grader.contest.store import Store
from grader.grading import write_run
from grader.grading.artifacts import Artifacts
from grader.verdicts import Verdict
from tests.conftest import REPOSITORY
from tests.contest import make_entry, make_key, make_record

STARTER = next(cell.source for cell in build_notebook().cells if cell.id == "solution")

DISGUISED = '''
"""My very own idea."""
import numpy
import torch as T


def quota(alpha, beta):   # another name, another layout
    """Another docstring."""
    gamma = T.argsort(
        alpha
    )
    return gamma[: int(len(gamma) * beta)]


def your_select_indices(targets, losses):
    result = []
    for other in (1, 0):
        both = []
        for klass in (0, 1):
            where = T.nonzero(targets == klass).flatten()
            both.append(where[quota(losses[other][where], 0.8)])
        result.append(T.cat(both))
    return result
'''

FIRST = """
import torch

def your_select_indices(targets, losses):
    picked = []
    for peer in (1, 0):
        per_class = []
        for label in (0, 1):
            members = torch.nonzero(targets == label).flatten()
            per_class.append(members[smallest(losses[peer][members], 0.8)])
        picked.append(torch.cat(per_class))
    return picked

def smallest(values, share):
    order = torch.argsort(values)
    return order[: int(len(order) * share)]
"""

OTHER = """
import numpy as np

seen = np.zeros(20_000)

def your_select_indices(targets, losses):
    total = np.exp(-losses[0].numpy()) + np.exp(-losses[1].numpy())
    weights = total / total.sum()
    counts = np.random.multinomial(len(total), weights)
    everything = np.repeat(np.arange(len(total)), np.minimum(counts, 3))
    return [everything[::2], everything[1::2]]
"""


def test_renamed_reordered_and_reformatted_copies_are_found():
    """A copy with other names, comments, layout and order of functions is alike; another idea is not."""
    sources = {"copy": DISGUISED, "first": FIRST, "other": OTHER}
    [pair], incomparable = similar_pairs(sources, [STARTER], 0.6)
    assert {pair.first, pair.second} == {"copy", "first"}
    assert pair.similarity > 0.7
    assert pair.shared >= NGRAM
    assert incomparable == []


def test_a_part_that_was_copied_into_a_longer_cell_is_found():
    """What counts is the shorter cell's share, so that padding a copy does not hide it."""
    [pair], _ = similar_pairs({"short": FIRST, "padded": OTHER + FIRST}, [STARTER], 0.6)
    assert pair.similarity > 0.9


def test_attributes_and_builtins_keep_their_names():
    """Calls of other functions are a difference, under whatever name a module was imported."""
    assert normalised_tokens("x = torch.sort(len(y))  # why") == [
        *("name", "=", "name", ".", "sort", "(", "len", "(", "name", ")", ")"),
    ]
    assert normalised_tokens("import torch as t\nz = t.sort(y)")[-6:] == ["name", ".", "sort", "(", "name", ")"]


def test_what_everybody_has_does_not_count():
    """Two untouched starters are not alike, and cells that cannot be compared are named."""
    pairs, incomparable = similar_pairs({"a": STARTER, "b": STARTER, "broken": "def ("}, [STARTER], 0.1)
    assert pairs == []
    assert incomparable == ["a", "b", "broken"]


def test_the_references_are_told_apart():
    """Only two pairs are alike: both fixed rules, and co-teaching and JoCoR, which estimate keep rates alike."""
    sources = {path.stem: path.read_text() for path in (REPOSITORY / "reference_solutions").glob("*.py")}
    pairs, _ = similar_pairs(sources, [STARTER], 0.6)
    alike = {frozenset((pair.first, pair.second)) for pair in pairs}
    assert alike == {frozenset(("jocor", "co_teaching")), frozenset(("fixed_ratio", "official"))}


def test_a_cell_that_is_nested_too_deeply_cannot_be_compared():
    """Whether the parser or the printer gives up, it is no error of ours."""
    assert normalised_tokens("x = " + "-" * 10 + "1") is not None
    assert normalised_tokens("x = " + "-" * 3000 + "1") is None


def test_a_cell_that_breaks_the_comparison_hides_no_pair(monkeypatch):
    """A huge integer is only a constant; whatever else one cell raises makes that cell incomparable, and no other."""
    huge = "MASK = 0x" + "f" * 4000 + "\n"
    [pair], incomparable = similar_pairs({"copy": huge + DISGUISED, "first": FIRST, "other": OTHER}, [STARTER], 0.6)
    assert {pair.first, pair.second} == {"copy", "first"}
    assert incomparable == []

    def stumble(text):
        if "MASK" in text:
            raise ValueError("a bug of the printer")
        return tokens_of(text)

    monkeypatch.setattr(grader.contest.similarity, "tokens_of", stumble)
    sources = {"broken": "MASK = 1\n" + FIRST, "copy": DISGUISED, "first": FIRST}
    [pair], incomparable = similar_pairs(sources, [STARTER], 0.6)
    assert {pair.first, pair.second} == {"copy", "first"}
    assert incomparable == ["broken"]


@pytest.mark.parametrize("source", ["x = '''\n'''\ny = 2", "if x:\n    'only a text'", "%time x = 1\n!ls", ""])
def test_odd_sources_are_read(source):
    """Texts that do nothing, magics and an empty cell are no obstacle."""
    assert normalised_tokens(source) is not None


def test_similar_names_participants_and_spares_their_own_attempts(tmp_path):
    """`grader similar` lists copies between participants; an owner's equal runs and own attempts are no pair."""
    runs, owners = tmp_path / "runs", {}
    cells = [("ann", FIRST), ("ann", FIRST), ("ann", FIRST + "\nkeep = 0.7"), ("bob", DISGUISED), ("cyd", OTHER)]
    with Store(tmp_path / "contest.sqlite") as store:
        for number, (participant, cell) in enumerate(cells):
            record = make_record(solution_sha256=f"{number:064x}")
            artifacts = Artifacts(submission=notebook_text(graft(cell)).encode())
            run = write_run(runs, record, artifacts).name
            [submission] = store.receive([make_entry(participant, code=f"cell:{number}")])
            store.add(submission, make_key(f"cell:{number}"), record, run)
            owners[run] = participant
    write_run(runs, make_record(verdict=Verdict.PRESENTATION_ERROR), Artifacts(submission=b"no notebook"))
    arguments = ["similar", str(runs), "--store", str(tmp_path / "contest.sqlite")]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"}, catch_exceptions=False)
    assert result.exit_code == 0
    rows = [line for line in result.output.splitlines() if "0." in line and " ann " in line]
    assert len(rows) == 2
    assert all(" bob " in row for row in rows)
    assert "4 solutions, 2 pairs with a similarity of 0.6 or more" in result.output
    without_store = [solution.owner for solution in read_solutions(runs, {})]
    assert len(without_store) == 4
    assert set(without_store) <= set(owners)
