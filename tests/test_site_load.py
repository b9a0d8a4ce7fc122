"""The benchmark of the site, at its smallest: what it counts is true, and it leaves nothing running."""

import json
import socket
from datetime import UTC, datetime

import psutil
import pytest

from benchmarks import site_load
from grader.contest.entries import identify
from grader.contest.site_store import SiteStore, Upload


def free_port():
    """Return a port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.mark.slow
def test_a_small_crowd_loses_nothing(tmp_path):
    """Three participants in the last three seconds: all receipts are kept, the late one is refused, pages answer."""
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    file = tmp_path / "found.json"
    port = str(free_port())
    site_load.main(
        ["--participants", "3", "--seconds", "3", "--stored", "20", "--port", port, "--out", str(file)],
    )
    found = json.loads(file.read_text())
    crowd = found["crowd"]
    assert (crowd["lost"], crowd["refused"], crowd["late_status"]) == (0, 0, 403)
    assert (crowd["submissions"], crowd["listened"], crowd["broken_streams"]) == (6, 3, 0)
    assert crowd["receipt_seconds"]["number"] == 3
    assert len(found["pages"]["page_seconds"]) == 10
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before


def test_a_receipt_that_the_store_does_not_know_is_lost(tmp_path):
    """The benchmark finds a receipt that is missing, and one whose file is another."""
    now = datetime.now(UTC)
    receipts = []
    with SiteStore(tmp_path / "contest.sqlite") as store:
        store.invite(["ann"], now)
        for raw in (site_load.notebook_of(0, 1), b"something else"):
            sha256, code = identify(raw)
            upload = Upload(1, "x.ipynb", sha256, code, len(raw), now, now)
            receipts.append(store.take_in(upload, None, lambda sha256=sha256, raw=raw: store.kept.put(sha256, raw)))
    assert site_load.lost(tmp_path, receipts, 1) == receipts[1:]
    assert site_load.lost(tmp_path, [receipts[0], "unknown"], 1) == ["unknown"]
