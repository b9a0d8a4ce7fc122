"""`grader submit`: hands in, waits, shows the phases, and ends as `grader grade` does."""

import re
import threading
import time

import pytest

from grader.contest.site_store import note_phase
from grader.verdicts import Verdict
from tests.contest import Contest, make_key, make_record
from tests.site import notebook, serve

__all__ = ["serve"]  # a fixture


@pytest.fixture
def submit(serve, tmp_path, monkeypatch):
    """Hand a notebook in by the command, with a token of Ann's; somebody grades it with this verdict."""
    monkeypatch.setattr("grader.site.submitting.POLL_SECONDS", 0.05)
    serving = serve()
    token = re.search(r"GRADER_TOKEN=(\S+)", serving.member("Ann").ask("POST", "/token").text)[1]

    def grade(verdict):
        while True:
            with serving.store() as store:
                if numbers := store.queue():
                    break
            time.sleep(0.05)
        note_phase(str(serving.contest.store), numbers[0], "epoch 2 of 6")
        time.sleep(2.5)  # longer than the site looks again
        with serving.store() as store:
            [submission] = store.submissions()
            store.add(submission, make_key(submission.code), make_record(verdict=verdict), "run")
            store.end(submission.id, serving.clock())

    def run(verdict, status, raw=None, to=None, token=token):
        monkeypatch.setenv("GRADER_TOKEN", token)
        file = tmp_path / "mine.ipynb"
        file.write_bytes(raw or notebook("submitted"))
        grading = threading.Thread(target=grade, args=(verdict,)) if verdict else None
        if grading:
            grading.start()
        try:
            return Contest.call("submit", file, "--to", to or serving.site.address, status=status)
        finally:
            if grading:
                grading.join()

    return run


@pytest.mark.parametrize(
    ("verdict", "status"), [(Verdict.OK, 0), (Verdict.RUNTIME_ERROR, 1), (Verdict.INFRASTRUCTURE_ERROR, 3)]
)
def test_the_exit_status_is_that_of_grade(submit, verdict, status):
    """It tells that the notebook was received, how far it is, and the verdict with points or message."""
    printed = submit(verdict, status)
    assert re.search(r"received: http://127.0.0.1:\d+/submissions/\S{22}", printed)
    assert "epoch 2 of 6" in printed
    assert verdict.value in printed
    assert ("83 points" in printed) is (verdict is Verdict.OK)
    assert ("it went wrong" in printed) is (verdict is Verdict.RUNTIME_ERROR)


def test_what_is_not_received_is_said(submit):
    """A wrong token, a file that is no notebook, no token and a place without TLS are one sentence, and status 2."""
    assert "token is not known" in submit(None, 2, token="wrong")
    assert "not a Jupyter notebook" in submit(None, 2, raw=b"nonsense")
    assert "no token" in submit(None, 2, token="")
    assert "https://" in submit(None, 2, to="http://contest.example.org")


def test_a_site_that_is_not_there_is_said(submit):
    """Where nothing listens, that is ours to say, with status 3."""
    assert "cannot be reached" in submit(None, 3, to="http://127.0.0.1:1")
