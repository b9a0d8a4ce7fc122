"""The locked notebook: built from its sources, complete, and the same for everybody."""

import ast
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from typer.testing import CliRunner

import competition
import competition.notebook
from competition.cli import app
from competition.errors import CellError
from competition.notebook import (
    LOCKED_MARKER,
    SOLUTION_MARKER,
    build_notebook,
    first_line,
    graft,
    starter_text,
    template_sha256,
)
from competition.task import source
from competition.task.data import download_data, load_data, unpack_data

REPOSITORY = Path(__file__).parents[1]
NAMES_OF_THE_TASK = {
    *("FINAL_EVALUATION_MODE", "SEED", "NUM_THREADS", "IMAGES_DIR", "TASK_DATASET_LABELS_FILE", "LEARNING_RATE"),
    *("NUM_EPOCHS", "NUM_CLASSES", "BATCH_SIZE", "WEIGHT_DECAY", "seed_everything", "download_data", "unpack_data"),
    *("TaskDataset", "load_data", "SmallMobileNet", "predict_and_evaluate", "performance", "train"),
    *("default_select_indices", "your_select_indices", "final_evaluate"),
}


def test_the_committed_notebook_equals_a_fresh_build():
    """`starter_notebook.ipynb` is what `competition build-notebook` writes, byte for byte."""
    assert (REPOSITORY / "starter_notebook.ipynb").read_bytes() == starter_text().encode()
    result = CliRunner().invoke(app, ["build-notebook", "--check", "-o", str(REPOSITORY / "starter_notebook.ipynb")])
    assert result.exit_code == 0


def test_one_changed_character_of_a_locked_source_fails_the_check(tmp_path, monkeypatch):
    """After editing any locked source the committed notebook is out of date, and the check shows where."""
    package = tmp_path / "competition"
    shutil.copytree(Path(competition.__file__).parent, package)
    monkeypatch.setattr(competition.notebook, "_FOLDER", package)
    notebook = str(REPOSITORY / "starter_notebook.ipynb")
    assert CliRunner().invoke(app, ["build-notebook", "--check", "-o", notebook]).exit_code == 0
    before = template_sha256()
    training = package / "task" / "training.py"
    training.write_text(training.read_text().replace("call += 1", "call += 2"))
    result = CliRunner().invoke(app, ["build-notebook", "--check", "-o", notebook])
    assert result.exit_code == 1
    assert "call += 2" in result.output
    assert template_sha256() != before


def test_a_locked_cell_is_its_modules_text():
    """Each locked cell stands in its module word for word, marker line first."""
    modules = {path.stem: path.read_text() for path in (REPOSITORY / "competition" / "task").glob("*.py")}
    cells = {match[1]: cell.source for cell in build_notebook().cells if (match := LOCKED_MARKER.match(cell.source))}
    assert set(modules) - {"__init__"} <= set(cells)
    for name in set(modules) - {"__init__"}:
        assert modules[name].endswith(cells[name] + "\n")


def test_every_name_of_the_task_is_in_the_notebook():
    """The notebook defines the names that the task's participants know."""
    tree = ast.parse("\n".join(cell.source for cell in build_notebook().cells if cell.cell_type == "code"))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    defined |= {
        target.id for node in ast.walk(tree) if isinstance(node, ast.Assign) for target in node.targets
        if isinstance(target, ast.Name)
    }  # fmt: skip
    assert defined >= NAMES_OF_THE_TASK


def test_cells_are_locked_but_for_one():
    """Only the solution cell is editable; nothing can be deleted; the notebook is valid and names its language."""
    notebook = build_notebook()
    nbformat.validate(notebook)
    editable = [cell for cell in notebook.cells if cell.metadata.get("editable", True)]
    assert [first_line(cell.source) for cell in editable] == [SOLUTION_MARKER]
    assert all(cell.metadata.deletable is False for cell in notebook.cells)
    assert notebook.metadata.language_info.name == "python"


def test_the_notebook_imports_nothing_of_the_kit():
    """A notebook that was downloaded alone runs: no cell imports `competition` or `grader`."""
    for cell in build_notebook().cells:
        if cell.cell_type == "code":
            assert not re.search(r"^\s*(from|import) (competition|grader)", cell.source, re.MULTILINE)


def imported_packages(path: Path) -> set[str]:
    """Return the top-level packages that a Python file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


def test_arrows_point_one_way():
    """`competition` never imports `grader`, and a reference solution imports neither."""
    for path in (REPOSITORY / "competition").rglob("*.py"):
        assert "grader" not in imported_packages(path), path
    for path in (REPOSITORY / "reference_solutions").glob("*.py"):
        assert not imported_packages(path) & {"grader", "competition"}, path


@pytest.mark.parametrize("path", sorted((REPOSITORY / "reference_solutions").glob("*.py")), ids=lambda path: path.stem)
def test_a_packaged_reference_is_the_starter_with_one_other_cell(path, tmp_path):
    """`competition package` changes the solution cell and nothing else."""
    output = tmp_path / "packaged.ipynb"
    assert CliRunner().invoke(app, ["package", str(path), "-o", str(output)]).exit_code == 0
    packaged, starter = nbformat.read(output, as_version=4), build_notebook()
    different = [a.id for a, b in zip(packaged.cells, starter.cells, strict=True) if a != b]
    assert different == ["solution"]
    assert next(cell for cell in packaged.cells if cell.id == "solution").source.endswith(path.read_text().rstrip("\n"))


def test_packaging_refuses_what_cannot_be_a_solution(tmp_path):
    """A file over 64 KiB, a locked cell, and a file that is not text are refused."""
    with pytest.raises(CellError, match="64 KiB"):
        graft("#" * 70_000)
    with pytest.raises(CellError, match="locked cell"):
        graft(build_notebook().cells[1].source)
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    result = CliRunner().invoke(app, ["package", str(tmp_path / "binary.py")])
    assert result.exit_code == 1
    assert "cannot be read" in result.output


def test_an_organizers_own_ids_stand_in_the_notebook_with_checksums(data, tmp_path):
    """`--train-id` and `--val-id` write ids and the zips' checksums into the cell `source`, and nothing else."""
    output = tmp_path / "own.ipynb"
    options = ["build-notebook", "--train-id", "AbC-1", "--val-id", "xyz_2", "--data", str(data), "-o", str(output)]
    assert CliRunner().invoke(app, options).exit_code == 0
    own, starter = nbformat.read(output, as_version=4), build_notebook()
    different = [a for a, b in zip(own.cells, starter.cells, strict=True) if a != b]
    assert [cell.id for cell in different] == ["locked-source"]
    namespace = {}
    exec(different[0].source, namespace)
    assert (namespace["TRAIN_ID"], namespace["VAL_ID"]) == ("AbC-1", "xyz_2")
    assert len(namespace["TRAIN_SHA256"]) == len(namespace["VAL_SHA256"]) == 64
    assert CliRunner().invoke(app, ["build-notebook", "--train-id", "AbC-1"]).exit_code == 2
    assert (
        CliRunner().invoke(app, ["build-notebook", "--train-id", 'a"b', "--val-id", "c", "--data", str(data)]).exit_code
        == 1
    )


def test_data_is_downloaded_only_where_it_is_missing(data, tmp_path, monkeypatch):
    """A folder or a zip keeps gdown away; otherwise each zip is downloaded by its id and compared with its checksum."""
    wanted = []

    class Gdown:
        @staticmethod
        def download(id, output):
            wanted.append(id)
            name = "train" if id == source.TRAIN_ID else "val"
            shutil.copy(data / "public" / f"{name}.zip", output)

    monkeypatch.setitem(sys.modules, "gdown", Gdown)
    (tmp_path / "train").mkdir()
    download_data(tmp_path)
    download_data(tmp_path)
    assert wanted == [source.VAL_ID]
    (tmp_path / "train").rmdir()
    download_data(tmp_path)
    unpack_data(tmp_path)
    assert wanted == [source.VAL_ID, source.TRAIN_ID]
    assert len(load_data(tmp_path)[0].dataset) == 256


def test_a_download_with_another_checksum_is_refused(tmp_path, monkeypatch):
    """A download that differs from its checksum is not used, and says what was found."""

    class Gdown:
        @staticmethod
        def download(id, output):
            Path(output).write_bytes(b"a login page")

    monkeypatch.setitem(sys.modules, "gdown", Gdown)
    monkeypatch.setattr("competition.task.data.TRAIN_SHA256", "0" * 64)
    with pytest.raises(ValueError, match=r"train\.zip: the download's sha256 is"):
        download_data(tmp_path)
    assert not (tmp_path / "train.zip").exists()


def test_zips_of_another_layout_unpack_too(data, tmp_path):
    """A zip without the folder at its top gives the same `train/` as one with it."""
    folder = data / "public" / "train"
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder))
    shutil.copy(data / "public" / "val.zip", tmp_path)
    unpack_data(tmp_path)
    assert sorted(p.name for p in (tmp_path / "train").iterdir()) == ["data", "dataset_labels.csv"]


@pytest.mark.slow
def test_run_all_works_in_the_handed_out_folder(data, tmp_path):
    """Opened in a copy of `public/`, with no kit beside it, the starter runs to its score, bars and plots included."""
    shutil.copytree(data / "public", tmp_path / "handed out")
    command = [sys.executable, "-m", "papermill", "starter_notebook.ipynb", "executed.ipynb", "--no-progress-bar"]
    subprocess.run(command, cwd=tmp_path / "handed out", check=True, capture_output=True, timeout=300)
    executed = json.loads((tmp_path / "handed out" / "executed.ipynb").read_text())
    outputs = [output for cell in executed["cells"] for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    text = "".join("".join(output.get("text", "")) for output in outputs)
    assert re.search(r"epoch 6/6.*val BAC 0\.\d{3} and 0\.\d{3}", text)
    assert "points on the validation set: " in text
