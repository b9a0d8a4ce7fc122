"""The locked notebook: built from its sources, complete, and the same for everybody."""

import ast
import hashlib
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from typer.testing import CliRunner

import competition
import competition.notebook
from competition.cli import app
from competition.errors import CellError
from competition.manifest import public_sha256, read_manifest
from competition.notebook import build_notebook, graft, locked_cells, starter_text, template_sha256
from competition.task.cells import has_marker, locked_name, names_bound

REPOSITORY = Path(__file__).parents[1]
NAMES_OF_THE_TASK = {
    *("FINAL_EVALUATION_MODE", "SEED", "NUM_THREADS", "IMAGES_DIR", "TASK_DATASET_LABELS_FILE", "LEARNING_RATE"),
    *("NUM_EPOCHS", "NUM_CLASSES", "BATCH_SIZE", "WEIGHT_DECAY", "seed_everything", "download_data", "unpack_data"),
    *("TaskDataset", "load_data", "SmallMobileNet", "predict_and_evaluate", "performance", "train"),
    *("default_select_indices", "your_select_indices", "final_evaluate", "position", "train_loader", "val_loader"),
    *("os", "np", "pd", "plt", "Image", "torch", "nn", "AdamW", "DataLoader", "transforms", "VisionDataset", "tqdm"),
    *("balanced_accuracy_score", "Optional", "Tuple", "List", "DEVICE", "ROOT_DIR"),
    *("TRAIN_DATASET_PATH", "VAL_DATASET_PATH"),
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


def code_cells():
    """Return the texts of the starter's code cells."""
    return [cell.source for cell in build_notebook().cells if cell.cell_type == "code"]


def test_a_locked_cell_is_its_modules_text():
    """Each module of the task stands word for word in exactly one locked cell, below the cell's marker."""
    for path in (REPOSITORY / "competition" / "task").glob("*.py"):
        if path.stem == "__init__":
            continue
        _, text = re.split(rf"^# LOCKED CELL \[{path.stem}\]: .*\n", path.read_text(), flags=re.MULTILINE)
        holders = [cell for cell in locked_cells().values() if text.strip("\n") in cell.partition("\n")[2]]
        assert len(holders) == 1, path


def test_a_locked_cell_has_a_name_of_its_own():
    """Every code cell but the solution carries a marker with another name, and its id and `locked_cells` agree."""
    locked = [cell for cell in build_notebook().cells if cell.cell_type == "code" and not has_marker(cell.source)]
    assert [cell.id for cell in locked] == [f"locked-{name}" for name in locked_cells()]
    assert [cell.source for cell in locked] == list(locked_cells().values())
    assert all(text.count("LOCKED CELL [") == 1 for text in locked_cells().values())


def test_every_name_of_the_task_is_in_the_notebook():
    """The notebook defines the names that the task's participants know, those that it imports included."""
    assert set().union(*map(names_bound, code_cells())) >= NAMES_OF_THE_TASK


def test_cells_are_locked_but_for_one():
    """Only the solution cell is editable; nothing can be deleted; the notebook is valid and names its language."""
    notebook = build_notebook()
    nbformat.validate(notebook)
    editable = [cell for cell in notebook.cells if cell.metadata.get("editable", True)]
    assert [cell.id for cell in editable] == ["solution"]
    assert has_marker(editable[0].source)
    assert locked_name(editable[0].source) is None
    assert all(cell.metadata.deletable is False for cell in notebook.cells)
    assert notebook.metadata.language_info.name == "python"


def test_the_notebook_imports_nothing_of_the_kit():
    """A notebook that was downloaded alone runs: no cell imports `competition` or `grader`."""
    for text in code_cells():
        assert not re.search(r"^\s*(from|import) (competition|grader)", text, re.MULTILINE)


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
        graft(locked_cells()["training"])
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    result = CliRunner().invoke(app, ["package", str(tmp_path / "binary.py")])
    assert result.exit_code == 1
    assert "cannot be read" in result.output


def own_source(path):
    """Return what the cell `source` of an organizer's notebook knows; every other cell must be the starter's."""
    own, starter = nbformat.read(path, as_version=4), build_notebook()
    different = [a for a, b in zip(own.cells, starter.cells, strict=True) if a != b]
    assert [cell.id for cell in different] == ["locked-source"]
    namespace = {}
    exec(different[0].source, namespace)
    return namespace


def test_an_organizers_own_ids_stand_in_the_notebook_with_checksums(data, tmp_path):
    """`--train-id` and `--val-id` write ids and checksums into the cell `source`, and nothing else."""
    output = tmp_path / "own.ipynb"
    options = ["build-notebook", "--train-id", "AbC-1", "--val-id", "xyz_2", "--data", str(data), "-o", str(output)]
    assert CliRunner().invoke(app, options).exit_code == 0
    source = own_source(output)
    assert source["DRIVE_IDS"] == {"train": "AbC-1", "val": "xyz_2"}
    assert source["ZIP_SHA256"] == {
        name: hashlib.sha256((data / "public" / f"{name}.zip").read_bytes()).hexdigest() for name in ("train", "val")
    }
    assert source["DATA_SHA256"] == public_sha256(read_manifest(data / "public"))


def test_a_notebook_can_insist_on_data_without_downloading_it(data, tmp_path):
    """`--data` alone writes the checksums of the data, as in the notebook that `build-data` hands out."""
    output = tmp_path / "own.ipynb"
    assert CliRunner().invoke(app, ["build-notebook", "--data", str(data), "-o", str(output)]).exit_code == 0
    assert own_source(output)["DATA_SHA256"] == public_sha256(read_manifest(data / "public"))
    assert own_source(output)["DRIVE_IDS"] == {"train": "", "val": ""}
    assert output.read_bytes() == (data / "public" / "starter_notebook.ipynb").read_bytes()


def test_the_starter_knows_nobodys_data():
    """As committed, the notebook downloads nothing and takes any data."""
    namespace = {}
    exec(locked_cells()["source"], namespace)
    for name in ("DRIVE_IDS", "ZIP_SHA256", "DATA_SHA256"):
        assert namespace[name] == {"train": "", "val": ""}


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["--train-id", "AbC-1"], 2, "go together"),
        (["--train-id", 'a"b', "--val-id", "c", "--data", "{data}"], 1, "is not a Google Drive id"),
        (["--train-id", "a", "--val-id", "c", "--data", "nowhere"], 1, "train.zip: no such file; --data must name"),
        (["--data", "nowhere"], 1, "no finished data in nowhere/public"),
    ],
)
def test_an_organizers_mistake_is_told(data, tmp_path, options, status, words):
    """One id alone, a link instead of an id, and data that is not there are refused, and nothing is written."""
    output = tmp_path / "own.ipynb"
    options = [option.format(data=data) for option in options]
    result = CliRunner().invoke(app, ["build-notebook", *options, "-o", str(output)], env={"COLUMNS": "300"})
    assert result.exit_code == status
    assert words in result.output
    assert not output.exists()
