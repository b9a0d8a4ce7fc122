"""Folders for unfinished work: none outlives its process for longer than until the next one."""

import signal
import subprocess
import sys
import textwrap

import pytest

from competition.scratch import PREFIX, scratch_folder
from tests.conftest import REPOSITORY

WAITING = """
    import sys, time
    from pathlib import Path
    from competition.scratch import scratch_folder
    with scratch_folder("test", Path(sys.argv[1])) as folder:
        (folder / "half").write_text("a file")
        print(folder, flush=True)
        time.sleep(600)
"""


@pytest.fixture
def working(tmp_path):
    """Start another process that works in a scratch folder; give it and its folder's name."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WAITING), str(tmp_path)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process, process.stdout.readline().strip()
    process.kill()
    process.wait()
    process.stdout.close()


def names(folder):
    """List a folder, hidden entries too."""
    return sorted(str(path) for path in folder.iterdir())


def test_a_folder_goes_with_its_work(tmp_path):
    """It is there while the work lasts, for its owner alone, and gone afterwards, however the work ends."""
    with scratch_folder("test", tmp_path) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").write_text("")
    with pytest.raises(KeyError), scratch_folder("test", tmp_path):
        raise KeyError
    assert names(tmp_path) == []


def test_what_was_moved_away_stays(tmp_path):
    """A folder that is renamed when its work is done is kept under its new name."""
    with scratch_folder("test", tmp_path) as folder:
        (folder / "file").write_text("kept")
        folder.rename(tmp_path / "done")
    assert (tmp_path / "done" / "file").read_text() == "kept"
    assert names(tmp_path) == [str(tmp_path / "done")]


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM], ids=lambda sent: sent.name)
def test_what_a_killed_process_left_goes_with_the_next(working, tmp_path, sent):
    """As long as a process lives its folder is left alone; once it is killed, the next one removes the folder."""
    process, left = working
    with scratch_folder("test", tmp_path):
        assert left in names(tmp_path)
    process.send_signal(sent)
    assert process.wait(30) == -sent
    assert names(tmp_path) == [left]
    with scratch_folder("another", tmp_path):
        assert left in names(tmp_path)
    with scratch_folder("test", tmp_path) as mine:
        assert names(tmp_path) == [str(mine)]


def test_nothing_but_scratch_folders_is_swept(tmp_path):
    """Files, links and folders of other names stay, and so does what a link of the right name leads to."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_text("precious")
    (tmp_path / f".{PREFIX}test-link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / f".{PREFIX}test-file").write_text("")
    (tmp_path / f"{PREFIX}test-seen").mkdir()
    before = names(tmp_path)
    with scratch_folder("test", tmp_path):
        pass
    assert names(tmp_path) == before
    assert (tmp_path / "elsewhere" / "file").read_text() == "precious"


def test_without_locks_nothing_is_swept(tmp_path, monkeypatch):
    """Where the file system knows no locks, folders are made and removed as ever, and those of others stay."""

    def refuse(*given):
        raise OSError("no locks available")

    (tmp_path / f".{PREFIX}test-other").mkdir()
    monkeypatch.setattr("fcntl.flock", refuse)
    with scratch_folder("test", tmp_path) as folder:
        assert folder.is_dir()
    assert names(tmp_path) == [str(tmp_path / f".{PREFIX}test-other")]
