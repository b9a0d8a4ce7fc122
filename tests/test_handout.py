"""What is handed out beside the data: the README, the requirements, and the notebook that runs there."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
from typer.testing import CliRunner

from competition.cli import app
from competition.handout import REQUIREMENTS
from competition.notebook import build_notebook
from tests.conftest import REPOSITORY

INSTALLED_AS = {"PIL": "pillow", "sklearn": "scikit-learn", "IPython": "ipykernel"}  # ipykernel brings IPython
KERNEL, EDITOR = "ipykernel", "jupyterlab"


def package(requirement):
    """Return the name of the package that a requirement asks for."""
    return re.match(r"[\w-]+", requirement)[0]


def test_the_requirements_are_what_the_notebook_imports():
    """Each package that a locked cell imports is required, a kernel and an editor besides, and nothing else."""
    imported = set()
    for cell in build_notebook().cells:
        for node in ast.walk(ast.parse(cell.source)) if cell.cell_type == "code" else ():
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.split(".")[0])
    foreign = imported - sys.stdlib_module_names
    assert {INSTALLED_AS.get(name, name) for name in foreign} | {KERNEL, EDITOR} == set(map(package, REQUIREMENTS))


def test_the_ranges_are_those_of_the_kit():
    """What participants install lies in the ranges of pyproject.toml, the editor apart, which the kit does not need."""
    kit = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert [each for each in REQUIREMENTS if each not in kit["dependencies"]] == ["jupyterlab>=4.2"]
    assert f"Python {kit['requires-python'].removeprefix('>=')} or newer" in readme(
        REPOSITORY / "competition", "handout"
    )


def readme(folder, name="README"):
    """Return the text of a README with its lines joined."""
    return " ".join((folder / f"{name}.md").read_text(encoding="utf-8").split())


def test_the_handout_names_each_of_its_files(data):
    """The README that is handed out explains every file beside it, and the requirements are written line by line."""
    public = data / "public"
    for path in public.iterdir():
        assert path.name == "README.md" or f"`{path.name}{'/' if path.is_dir() else ''}`" in readme(public)
    assert (public / "requirements.txt").read_text().splitlines() == list(REQUIREMENTS)


def test_the_kits_address_stands_in_the_readme(data, tmp_path):
    """With `--kit-url` the README says where the kit is, and without it to ask the organizers; never a placeholder."""
    assert "Ask the organizers where the kit is" in readme(data / "public")
    out = tmp_path / "data"
    options = ["build-data", "--profile", "debug", "--out", str(out), "--kit-url"]
    assert CliRunner().invoke(app, [*options, "https://example.org/kit"]).exit_code == 0
    assert "The kit is at <https://example.org/kit>" in readme(out / "public")
    assert "Ask the organizers" not in readme(out / "public")
    for folder in (out / "public", data / "public"):
        assert "KIT_ADDRESS" not in readme(folder)


@pytest.mark.parametrize(
    "address", ["example.org/kit", "javascript:alert(1)", "https://a b", "https://a>b", "https://"]
)
def test_an_address_that_is_none_is_a_usage_error(tmp_path, address):
    """What cannot be opened in a browser is refused before anything is built."""
    options = ["build-data", "--profile", "debug", "--out", str(tmp_path / "data"), "--kit-url", address]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_run_all_works_in_the_handed_out_folder(data, tmp_path):
    """Opened in a copy of `public/`, with no kit beside it, the starter runs to its score, bars and plots included."""
    shutil.copytree(data / "public", tmp_path / "handed out")
    command = [sys.executable, "-m", "papermill", "starter_notebook.ipynb", "executed.ipynb", "--no-progress-bar"]
    environment = {name: value for name, value in os.environ.items() if name not in ("DATA_DIR", "PYTHONPATH")}
    subprocess.run(command, cwd=tmp_path / "handed out", env=environment, check=True, capture_output=True, timeout=300)
    executed = json.loads((tmp_path / "handed out" / "executed.ipynb").read_text())
    outputs = [output for cell in executed["cells"] for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    text = "".join("".join(output.get("text", "")) for output in outputs)
    assert "256 training images, 128 validation images" in text
    assert re.search(r"epoch 6/6.*val BAC 0\.\d{3} and 0\.\d{3}", text)
    assert re.search(r"^mean validation BAC 0\.\d{4}: \d+ points \(0 up to 0\.5", text, re.MULTILINE)
    assert re.search(r"^   1: 0\.\d{4}, \d+ points$", text, re.MULTILINE)
