"""What every reference solution has in common: it is a cell, and a module."""

import ast

import pytest
import torch

from competition.notebook import graft, notebook_text
from grader.submission import read_submission
from grader.validation.bands import ORACLE, find_references
from tests.conftest import REPOSITORY, answers

FOLDER = REPOSITORY / "reference_solutions"
NAMES = [name for name in find_references([]) if name != ORACLE]


@pytest.mark.parametrize("name", NAMES)
def test_it_selects_both_classes_in_every_batch(load_cell, name):
    """Each answers two epochs with valid selections of both classes, those of the short last batches too."""
    cell = load_cell(name, batch_size=100)
    generator = torch.Generator().manual_seed(0)
    sizes = []
    for _, targets, selections in answers(
        cell, lambda here, targets: list(torch.rand(2, len(targets), generator=generator) * 1.4), epochs=2
    ):
        sizes.append(len(targets))
        for selection in selections:
            assert set(targets[selection].tolist()) == {0, 1}
    assert sizes == [100, 100, 56] * 2


@pytest.mark.parametrize("name", NAMES)
def test_it_fits_into_the_solution_cell(name):
    """Each can be submitted as it is, and says in its docstring what it does."""
    text = (FOLDER / f"{name}.py").read_text()
    submission = read_submission(notebook_text(graft(text)).encode())
    assert text.strip() in submission.solution
    assert not submission.notices
    assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("name", NAMES)
def test_it_leaves_the_place_of_a_batch_to_the_notebook(name):
    """No reference looks for its batch or counts: each global that a function sets is None until it is learned."""
    tree = ast.parse((FOLDER / f"{name}.py").read_text())
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    learned = {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}
    initial = {
        target.id: ast.unparse(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    incremented = {ast.unparse(node.target) for node in ast.walk(tree) if isinstance(node, ast.AugAssign)}
    assert "locate" not in functions
    assert {initial.get(name) for name in learned} <= {"None"}
    assert not learned & incremented
