"""What every reference solution has in common: it is a cell, and a module."""

import ast

import pytest
import torch
from conftest import REPOSITORY

from competition.notebook import graft, notebook_text
from competition.task.selection import call_select_indices
from grader.submission import read_submission
from grader.validation.bands import ORACLE, find_references

FOLDER = REPOSITORY / "reference_solutions"
NAMES = [name for name in find_references([]) if name != ORACLE]


@pytest.mark.parametrize("name", NAMES)
def test_it_answers_two_trainings_of_which_the_first_is_interrupted(load_cell, name):
    """Each returns valid selections of both classes, and finds its place again in the second training."""
    cell = load_cell(name)
    generator = torch.Generator().manual_seed(0)
    for batches in (1, 2 * len(cell.train_loader)):
        for call in range(batches):
            start = call % len(cell.train_loader) * cell.train_loader.batch_size
            targets = cell.train_loader.dataset.targets[start : start + cell.train_loader.batch_size]
            losses = [torch.rand(len(targets), generator=generator) * 1.4 for _ in range(2)]
            for selection in call_select_indices(cell.your_select_indices, targets, losses, seed=0, call=call):
                assert set(targets[selection].tolist()) == {0, 1}


@pytest.mark.parametrize("name", NAMES)
def test_it_fits_into_the_solution_cell(name):
    """Each can be submitted as it is, and says in its docstring what it does."""
    text = (FOLDER / f"{name}.py").read_text()
    submission = read_submission(notebook_text(graft(text)).encode())
    assert text.strip() in submission.solution
    assert not submission.notices
    assert ast.get_docstring(ast.parse(text))


def test_the_plumbing_is_the_same_in_every_cell():
    """Cells import no sibling, so that what finds a batch's place stands in many of them, and is the same in all."""
    found = {}
    for name in NAMES:
        tree = ast.parse((FOLDER / f"{name}.py").read_text())
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name == "locate":
                found[name] = ast.unparse(node)
    assert len(found) >= 6
    assert len(set(found.values())) == 1
