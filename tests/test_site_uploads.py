"""What the site takes in: who may hand in, how much, how fast, how often; what it keeps of it."""

import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from grader.contest.kept import kept_beside
from grader.verdicts import InfrastructureError
from tests.conftest import REPOSITORY
from tests.site import BOUNDARY, form, notebook, serve

__all__ = ["serve"]  # a fixture
KIND = f"multipart/form-data; boundary={BOUNDARY}"


def said(answer):
    """Return the sentence of an answer that refuses."""
    return answer.json["error"]


def rows(serving):
    """Return what is in the store: participant, submitted_at, file name."""
    with serving.store() as store:
        return [(each.participant, each.submitted_at, str(each.path)) for each in store.submissions()]


def raw_request(serving, head, parts=(), pause=0.0):
    """Send the head of a request, then each part of its body as it is made; return the answer, and what was sent."""
    sent = 0
    with socket.create_connection(("127.0.0.1", serving.port), timeout=30) as connection:
        connection.sendall(head)
        try:
            for part in parts:
                time.sleep(pause)
                connection.sendall(part)
                sent += len(part)
        except OSError:
            pass
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
        except OSError:
            pass
    return answer, sent


def head_of(client, length=None, **headers):
    """Write the head of an upload."""
    lines = ["POST /submissions HTTP/1.1", f"Host: 127.0.0.1:{client.port}", f"Content-Type: {KIND}"]
    lines += ["Sec-Fetch-Site: same-origin", "Accept: application/json"]
    lines += [f"{name}: {value}" for name, value in (client.headers | headers).items()]
    lines += ["Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_a_notebook_is_received_with_a_receipt(serve):
    """What is handed in is kept under its checksum, with the server's time, and its receipt tells all of that."""
    serving = serve()
    ann = serving.member("Ann")
    answer = ann.hand_in(notebook(), "résumé of <b>mine.ipynb")
    assert answer.status == 303
    place = answer.headers["location"]
    [(participant, submitted_at, path)] = rows(serving)
    assert (participant, path) == ("Ann", "résumé of <b>mine.ipynb")
    page = ann.get(place)
    assert "waiting, place 1 of 1" in page.text
    assert submitted_at.replace("T", " ").replace("+00:00", " UTC") in page.text
    with serving.store() as store:
        [submission] = store.submissions()
    assert submission.file_sha256 in page.text
    assert kept_beside(serving.contest.store).get(submission.file_sha256) == notebook()
    back = ann.get(f"{place}/notebook")
    assert back.body == notebook()
    assert back.headers["content-type"].startswith("text/plain")
    assert back.headers["content-disposition"].startswith("attachment")


def test_static_advice_comes_with_the_receipt_in_the_words_of_check(serve):
    """What can be said without running a notebook stands on its page at once."""
    ann = serve().member("Ann")
    raw = notebook("x").replace(b"return [list", b"return [lisst")
    answer = ann.hand_in(raw, Accept="application/json")
    assert answer.status == 201
    state = ann.get(answer.json["place"], Accept="application/json").json
    assert any("lisst" in notice for notice in state["notices"])
    assert "lisst" in ann.get(answer.json["place"]).text


def test_who_is_not_inside_sends_no_byte(serve):
    """Without a session the answer comes before any byte of a body was sent, and the connection ends."""
    serving = serve()
    answer, sent = raw_request(serving, head_of(serving.client(), 1_000_000))
    assert answer.startswith(b"HTTP/1.1 401")
    assert sent == 0
    assert rows(serving) == []


def test_others_than_participants_hand_in_nothing(serve):
    """An organizer and a screen have no submissions."""
    serving = serve()
    for role in ("organizer", "screen"):
        answer, _ = raw_request(serving, head_of(serving.role(role), 1_000_000))
        assert answer.startswith(b"HTTP/1.1 403")


def test_before_the_opening_and_after_the_closing_no_byte_is_read(serve):
    """The contest's times are asked before the body is."""
    now = datetime.now(UTC)
    serving = serve(rules={"opening": now + timedelta(hours=1), "closing": now + timedelta(hours=2)})
    ann = serving.member("Ann")
    answer, _ = raw_request(serving, head_of(ann, 1_000_000))
    assert b"403" in answer.splitlines()[0]
    assert b"opens at" in answer
    serving.clock.ahead = timedelta(hours=3)
    answer, _ = raw_request(serving, head_of(ann, 1_000_000))
    assert b"closed at" in answer
    serving.clock.ahead = timedelta(hours=1.5)
    assert ann.hand_in(notebook()).status == 303


def test_what_began_before_the_closing_counts(serve):
    """A body that begins before the closing and ends after it is received, under the time at which it began."""
    closing = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    serving = serve(rules={"closing": closing})
    ann = serving.member("Ann")
    serving.clock.ahead = closing - datetime.now(UTC) - timedelta(seconds=1)
    body = form(notebook())

    def parts():
        yield body[:100]
        serving.clock.ahead += timedelta(seconds=30)
        yield body[100:]

    answer, _ = raw_request(serving, head_of(ann, len(body)), parts(), pause=0.3)
    assert b"201" in answer.splitlines()[0], answer
    [(_, submitted_at, _)] = rows(serving)
    assert datetime.fromisoformat(submitted_at) <= closing
    assert ann.hand_in(notebook("late")).status == 403


def test_a_slow_body_is_ended(serve):
    """A body that does not arrive in time is told so, is not kept, and holds nothing up."""
    serving = serve(body_seconds=1.0)
    ann = serving.member("Ann")
    body = form(notebook())
    answer, _ = raw_request(serving, head_of(ann, len(body)), (body[:100], body[100:]), pause=1.5)
    assert b"408" in answer.splitlines()[0]
    assert rows(serving) == []
    assert ann.hand_in(notebook()).status == 303


def test_a_body_that_breaks_off_leaves_nothing(serve):
    """A connection that is lost in the middle of a body leaves no row, and the participant may try again."""
    serving = serve()
    ann = serving.member("Ann")
    body = form(notebook())
    with socket.create_connection(("127.0.0.1", serving.port)) as connection:
        connection.sendall(head_of(ann, len(body)) + body[:1000])
    deadline = time.monotonic() + 30
    while ann.hand_in(notebook()).status == 429:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(rows(serving)) == 1


def test_one_upload_at_a_time(serve):
    """While a participant's upload is under way, a second one is refused; somebody else's is not."""
    serving = serve()
    ann, bob = serving.member("Ann"), serving.member("Bob")
    body = form(notebook())
    with socket.create_connection(("127.0.0.1", serving.port)) as connection:
        connection.sendall(head_of(ann, len(body)) + body[:1000])
        while not serving.site.uploading:
            time.sleep(0.01)
        assert ann.hand_in(notebook(), Accept="application/json").status == 429
        assert bob.hand_in(notebook()).status == 303
        connection.sendall(body[1000:])
        assert b"201" in connection.recv(1000)
    assert {name for name, *_ in rows(serving)} == {"Ann", "Bob"}


@pytest.mark.parametrize("length", [True, False], ids=["declared", "chunked"])
def test_a_notebook_that_is_too_large_is_not_read_to_its_end(serve, length):
    """A length beyond the limit is refused before the body; without one the bytes are counted."""
    serving = serve(site={"largest_kib": 64})
    ann = serving.member("Ann")
    start, more = form(b"x" * 65536).rpartition(b"\r\n--")[0], b"x" * 65536
    parts = [] if length else [b"%x\r\n" % len(part) + part + b"\r\n" for part in (start, *[more] * 400)]
    answer, sent = raw_request(serving, head_of(ann, 10_000_000 if length else None), parts)
    assert answer == b"" or b"413" in answer.splitlines()[0]  # a system may throw an answer away that nobody has read
    assert sent < sum(map(len, parts)) or not parts
    assert rows(serving) == []
    refused = ann.hand_in(b'{"cells": "' + b" " * 65536 + b'"}', Accept="application/json")
    assert refused.status == 413
    assert "Clear the outputs" in said(refused)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"PK\x03\x04" + bytes(100), "not a Jupyter notebook"),
        (b"[]", "no list of cells"),
        (b'{"cells": []}', "cell"),
        (b"", "not a Jupyter notebook"),
    ],
    ids=["zip", "list", "no cell", "empty"],
)
def test_what_cannot_be_graded_is_refused_and_uses_up_nothing(serve, raw, reason):
    """A zip, or anything else without a solution cell, is refused in the words of the grader; no archive is opened."""
    serving = serve(rules={"daily_limit": 1})
    ann = serving.member("Ann")
    answer = ann.hand_in(raw, Accept="application/json")
    assert answer.status == 422
    assert reason in said(answer)
    assert "Nothing was received" in said(answer)
    assert ann.hand_in(notebook()).status == 303


def test_a_form_without_a_file_says_what_to_do(serve):
    """No file, a field in the place of a file, and something else than a form are one sentence each."""
    ann = serve().member("Ann")
    empty = f"--{BOUNDARY}--\r\n"
    field = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="notebook"\r\n\r\nx\r\n--{BOUNDARY}--\r\n'
    broken = f"--{BOUNDARY}\r\nno header at all"
    for body, status in ((empty, 400), (field, 400), (broken, 400)):
        assert ann.ask("POST", "/submissions", body, Content_Type=KIND).status == status
    assert ann.ask("POST", "/submissions", b"{}", Content_Type="application/json").status == 415


def test_the_name_of_a_file_is_never_a_path(serve, tmp_path):
    """Whatever a file is called, it is kept under its checksum, and its name is shown as plain text."""
    serving = serve()
    ann = serving.member("Ann")
    names = [
        "../../../outside.ipynb",
        "..\\..\\outside.ipynb",
        "a\u202etxt.ipynb",
        "/etc/passwd",
        "x" * 3000 + ".ipynb",
    ]
    for number, name in enumerate(names):
        assert ann.hand_in(notebook(str(number)), name).status == 303
    assert not list(tmp_path.rglob("outside*"))
    assert "\u202e" not in ann.get("/mine").text
    assert len(rows(serving)) == len(names)
    folder = serving.contest.store.with_suffix(".received")
    assert all(len(path.name) == 64 for path in folder.rglob("*") if path.is_file())


def test_the_daily_limit_holds_against_a_race(serve):
    """Of many notebooks that are kept at the same moment, as many are taken as the limit says: not one more."""
    from starlette.exceptions import HTTPException

    from grader.site.receiving import keep

    serving = serve(rules={"daily_limit": 3})
    serving.member("Ann")
    ends = []

    def hand_in(number):
        try:
            ends.append(keep(serving.site, 1, "a.ipynb", notebook(str(number)), serving.clock()))
        except HTTPException as error:
            ends.append(error.status_code)

    threads = [threading.Thread(target=hand_in, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends.count(429) == 7
    assert len({end for end in ends if end != 429}) == 3
    assert len(rows(serving)) == 3


def test_the_limit_begins_anew_with_the_utc_day(serve):
    """What is left today, and when more can be handed in, is told; the next day it can."""
    serving = serve(rules={"daily_limit": 1})
    serving.clock.ahead = datetime(2030, 5, 4, 22, tzinfo=UTC) - datetime.now(UTC)
    ann = serving.member("Ann")
    assert "1 of 1 left today" in ann.get("/mine").text
    assert ann.hand_in(notebook("1")).status == 303
    refused = ann.hand_in(notebook("2"), Accept="application/json")
    assert refused.status == 429
    assert "2030-05-05 00:00:00 UTC" in said(refused)
    assert "used up" in ann.get("/mine").text
    serving.clock.ahead += timedelta(hours=3)
    assert ann.hand_in(notebook("2")).status == 303


def test_the_same_file_within_a_second_is_one_submission(serve):
    """A second click on the button gets the receipt of the first one."""
    serving = serve()
    serving.clock.ahead = timedelta()
    frozen = datetime(2030, 5, 4, 12, tzinfo=UTC)
    serving.site.__dict__["clock"] = lambda: frozen
    ann = serving.member("Ann")
    places = {ann.hand_in(notebook()).headers["location"] for _ in range(3)}
    assert len(places) == 1
    assert len(rows(serving)) == 1


def test_a_clock_that_is_set_back_breaks_nothing(serve):
    """Receipts stay when the server's clock jumps a day back and forth."""
    serving = serve(rules={"daily_limit": 2})
    ann = serving.member("Ann")
    for number, days in enumerate((0, -1, 0, 1)):
        serving.clock.ahead = timedelta(days=days)
        assert ann.hand_in(notebook(str(number))).status == 303
        assert ann.get("/mine").status == 200
    assert len(rows(serving)) == 4


FULL_DISK = """
import subprocess, sys
from dataclasses import replace
from pathlib import Path
from starlette.exceptions import HTTPException
from grader.contest.kept import kept_beside
from grader.contest.site_store import SiteStore
from grader.contest_file import DEFAULT
from grader.site.receiving import keep
from grader.site.site import Site, utc_now
from tests.site import notebook

disk = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", disk], check=True)
site = Site(replace(DEFAULT, store=disk / "contest.sqlite"), "http://127.0.0.1:1")
with SiteStore(site.contest.store) as store:
    store.invite(["Ann"], utc_now())
received, refused = [], 0
for number in range(16):
    try:
        received.append(keep(site, 1, "a.ipynb", notebook(str(number)), utc_now()))
    except HTTPException as error:
        assert (error.status_code, "nothing is used up" in error.detail) == (507, True), error.detail
        refused += 1
assert refused >= 3 and len(received) >= 2, (refused, received)
subprocess.run(["mount", "-o", "remount,size=9000k", disk], check=True)
received.append(keep(site, 1, "a.ipynb", notebook("with room"), utc_now()))
with SiteStore(site.contest.store) as store:
    submissions = store.submissions()
    assert len(store.queue()) == len(submissions) == len(set(received)) == len(received)
assert all(isinstance(kept_beside(site.contest.store).get(each.file_sha256), bytes) for each in submissions)
"""


def test_on_a_full_disk_a_receipt_means_what_it_says(tmp_path):
    """While a disk fills up, a notebook is kept with its receipt or refused with a sentence; with room it goes on."""
    command = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", FULL_DISK, str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_cannot_be_kept_is_told_and_uses_up_nothing(serve, monkeypatch):
    """Where a notebook cannot be kept, that is said, no receipt is given, and nothing is used up."""
    serving = serve(rules={"daily_limit": 1})
    ann = serving.member("Ann")
    kept = serving.contest.store.with_suffix(".received")
    kept.write_text("a file in the place of the folder")
    refused = ann.hand_in(notebook(), Accept="application/json")
    assert refused.status == 507
    assert "nothing is used up" in said(refused)
    assert rows(serving) == []
    kept.unlink()

    def full(*arguments, **options):
        raise InfrastructureError("the store cannot be written: database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("grader.contest.site_store.SiteStore.take_in", full)
        assert ann.hand_in(notebook(), Accept="application/json").status == 507
    assert ann.hand_in(notebook()).status == 303
