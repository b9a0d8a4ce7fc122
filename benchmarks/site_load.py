"""What does the site bear in the last two minutes, and with ten thousand submissions in its store?

    python -m benchmarks.site_load [--participants 300] [--seconds 120] [--stored 10000] [--out FILE.json]

On loopback alone, against ``grader serve`` with the debug data. Every participant has handed in once and listens to
that submission's events, while the closing time is extended as long as that takes; then all hand in again, spread
evenly over the last seconds before the closing, while gradings run and somebody looks at the board twice a second.
Every receipt must be in the store, with the file as it was sent, and a notebook that begins after the closing must be
refused. Then a store with many graded submissions is served, and every page is asked for, of every role. Times are the
client's: from the connection to the last byte of the answer.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import math
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from competition.build import build_data
from competition.notebook import graft, notebook_text
from competition.pool import fashion_pool
from competition.profiles import NOISE, PRACTICE_SEED, PROFILES
from grader.contest.desk import Act, extend
from grader.contest.reuse import grading_key
from grader.contest.rows import Entry, Kind
from grader.contest.site_store import SiteStore
from grader.contest.stated import stated_settings
from grader.contest.store import GRADING_COLUMNS
from grader.contest_file.reading import read_contest
from grader.grading import draft_record
from grader.verdicts import Verdict

HOST = "127.0.0.1"
MINUTE = 60.0
LOOK_SECONDS = 0.5
ASKED = 5  # times that each page is asked for
STORED_PARTICIPANTS = 300
CELL = """# {remark}
def your_select_indices(targets, losses):
    everything = list(range(len(targets)))
    return [everything, everything]
"""
CONTEST = """
title = "Load"
data = "data"
[grading]
device = "cpu"
threads = 1
[rules]
closing = {closing}
"""


@dataclass
class Answer:
    """What the site answered.

    Attributes:
        status: of HTTP.
        headers: by lower-case name.
        body: all of it.
        seconds: from the first byte sent to the last byte of the answer.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


async def ask(port: int, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    """Send one request over a connection of its own."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        lines = {"Host": f"{HOST}:{port}", "Connection": "close", "Content-Length": str(len(body))}
        lines |= {"Sec-Fetch-Site": "same-origin"} | {name.replace("_", "-"): text for name, text in headers.items()}
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {text}\r\n" for name, text in lines.items())
        writer.write(head.encode() + b"\r\n" + body)
        await writer.drain()
        found, _, rest = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    first, *given = found.decode().split("\r\n")
    pairs = (line.partition(": ")[::2] for line in given)
    return Answer(int(first.split()[1]), {name.lower(): text for name, text in pairs}, rest, time.monotonic() - began)


async def enter(port: int, secret: str) -> str:
    """Exchange a link's secret for a cookie."""
    answer = await ask(port, "POST", "/enter", f"secret={secret}".encode())
    assert answer.status == 303, answer.body
    return answer.headers["set-cookie"].partition(";")[0]


async def hand_in(port: int, cookie: str, raw: bytes) -> Answer:
    """Hand a notebook in."""
    head = b'--b\r\nContent-Disposition: form-data; name="notebook"; filename="load.ipynb"\r\n\r\n'
    form = head + raw + b"\r\n--b--\r\n"
    return await ask(port, "POST", "/submissions", form, Cookie=cookie, Content_Type="multipart/form-data; boundary=b")


class Listener:
    """A page that listens to the events of one submission.

    Attributes:
        events: how many came.
        broken: whether the connection ended before the submission was graded.
    """

    def __init__(self) -> None:
        self.events, self.broken, self._done = 0, False, False

    async def listen(self, port: int, cookie: str, place: str) -> None:
        """Listen until the submission is graded."""
        reader, writer = await asyncio.open_connection(HOST, port)
        try:
            writer.write(f"GET {place}/events HTTP/1.1\r\nHost: {HOST}:{port}\r\nCookie: {cookie}\r\n\r\n".encode())
            while line := await reader.readline():
                if line.startswith(b"data: "):
                    self.events += 1
                    self._done = json.loads(line.removeprefix(b"data: "))["done"]
            self.broken = not self._done
        finally:
            writer.close()


def notebook_of(number: int, attempt: int) -> bytes:
    """Return a notebook that nobody else hands in."""
    return notebook_text(graft(CELL.format(remark=f"participant {number}, attempt {attempt}"))).encode()


def make_contest(folder: Path, closing: datetime) -> None:
    """Build the debug data, and write a contest that closes then."""
    if not (folder / "data").is_dir():
        build_data(fashion_pool(), PROFILES["debug"], NOISE, PRACTICE_SEED, folder / "data")
    (folder / "contest.toml").write_text(CONTEST.format(closing=closing.isoformat(timespec="seconds")))


@contextmanager
def served(folder: Path, port: int) -> Any:
    """Serve a contest with ``grader serve``; yield its process."""
    command = [sys.executable, "-m", "grader", "serve", "--contest", str(folder), "--port", str(port)]
    process = subprocess.Popen(command, cwd=folder, env=os.environ | {"PYTHONPATH": str(Path.cwd())})
    try:
        for _ in range(600):
            with suppress(OSError):
                asyncio.run(ask(port, "GET", "/"))
                break
            assert process.poll() is None, "the site did not start"
            time.sleep(0.1)
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def memory_mb(process: psutil.Process) -> float:
    """Return how much memory the web process holds, in MB."""
    return float(process.memory_info().rss / 1e6)


def largest(seconds: Sequence[float]) -> dict[str, float]:
    """Return median and largest of some times."""
    return {"median": round(statistics.median(seconds), 3), "slowest": round(max(seconds), 3), "number": len(seconds)}


class Closing:
    """The closing time of a contest, which is extended as an organizer does it.

    Args:
        folder: of the contest.
    """

    def __init__(self, folder: Path) -> None:
        self._contest = read_contest(folder)
        assert self._contest.rules.closing is not None
        self.time = self._contest.rules.closing.timestamp()

    def extend_to(self, seconds: float) -> None:
        """See to it that so many seconds are left, and at most a minute more."""
        minutes = math.ceil((time.time() + seconds - self.time) / MINUTE)
        if minutes > 0:
            act = Act("benchmark", datetime.now(UTC), "all are to be inside")
            with SiteStore(self._contest.store) as store:
                event = store.act(extend(act, self._contest.rules.closing, minutes))
            self.time = datetime.fromisoformat(event.text).timestamp()


async def crowd(port: int, folder: Path, secrets: list[str], seconds: float) -> dict[str, Any]:
    """Have everybody hand in before the closing, and return what was seen; see the module."""
    closing = Closing(folder)
    cookies = [await enter(port, secret) for secret in secrets]
    firsts = []
    for number, cookie in enumerate(cookies):
        closing.extend_to(MINUTE)
        firsts.append(await hand_in(port, cookie, notebook_of(number, 1)))
    assert all(answer.status == 303 for answer in firsts)
    listeners = [Listener() for _ in cookies]
    listening = [
        asyncio.create_task(listener.listen(port, cookie, answer.headers["location"]))
        for listener, cookie, answer in zip(listeners, cookies, firsts, strict=True)
    ]
    await asyncio.sleep(1.0)
    connected = sum(listener.events > 0 for listener in listeners)
    closing.extend_to(seconds + 1.0)
    begins = closing.time - seconds
    await asyncio.sleep(begins - time.time())
    boards: list[float] = []
    over = asyncio.Event()

    async def look() -> None:
        while not over.is_set():
            answer = await ask(port, "GET", "/board")
            assert answer.status == 200
            boards.append(answer.seconds)
            await asyncio.sleep(LOOK_SECONDS)

    async def last_minute(number: int, cookie: str) -> Answer:
        await asyncio.sleep(max(begins + seconds * number / len(cookies) - time.time(), 0))
        return await hand_in(port, cookie, notebook_of(number, 2))

    looking = asyncio.create_task(look())
    seconds_ones = await asyncio.gather(*(last_minute(number, cookie) for number, cookie in enumerate(cookies)))
    over.set()
    await looking
    await asyncio.sleep(max(closing.time + 1.5 - time.time(), 0))
    late = await hand_in(port, cookies[0], notebook_of(0, 3))
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    receipts = [answer.headers.get("location", "").rpartition("/")[2] for answer in (*firsts, *seconds_ones)]
    return {
        "receipt_seconds": largest([answer.seconds for answer in seconds_ones]),
        "first_receipt_seconds": largest([answer.seconds for answer in firsts]),
        "board_seconds": largest(boards),
        "refused": sum(answer.status != 303 for answer in seconds_ones),
        "late_status": late.status,
        "listened": connected,
        "broken_streams": sum(listener.broken for listener in listeners),
        "receipts": receipts,
    }


def lost(folder: Path, receipts: Sequence[str], participants: int) -> list[str]:
    """Return the receipts that the store does not know, or whose file it does not keep as it was sent."""
    with sqlite3.connect(folder / "contest.sqlite") as connection:
        rows = connection.execute("SELECT receipt, file_sha256 FROM uploads JOIN submissions s ON s.id = submission_id")
        known = dict(rows.fetchall())
    connection.close()
    sent = [hashlib.sha256(notebook_of(n, attempt)).hexdigest() for attempt in (1, 2) for n in range(participants)]
    with SiteStore(folder / "contest.sqlite") as store:
        return [
            receipt
            for receipt, sha256 in zip(receipts, sent, strict=True)
            if known.get(receipt) != sha256 or not isinstance(store.kept.get(sha256), bytes)
        ]


def measure_crowd(folder: Path, port: int, participants: int, seconds: float) -> dict[str, Any]:
    """Measure the last seconds before the closing."""
    make_contest(folder, datetime.now(UTC) + timedelta(seconds=MINUTE))
    with SiteStore(folder / "contest.sqlite") as store:
        secrets = list(store.invite([f"p{number:03}" for number in range(participants)], datetime.now(UTC)).values())
    with served(folder, port) as process:
        before = memory_mb(process)
        seen = asyncio.run(crowd(port, folder, secrets, seconds))
        seen["memory_mb"] = {"before": round(before), "after": round(memory_mb(process))}
    receipts = seen.pop("receipts")
    with SiteStore(folder / "contest.sqlite") as store:
        seen["graded_meanwhile"] = len(store.gradings())
        seen["submissions"] = len(store.submissions())
    return seen | {"lost": len(lost(folder, receipts, participants))}


def fill(folder: Path, stored: int) -> dict[str, str]:
    """Fill a store with graded submissions; return a link for each role."""
    contest = read_contest(folder)
    settings = stated_settings(contest)
    key, draft = grading_key(settings, code=""), draft_record(settings)
    now = datetime.now(UTC).replace(microsecond=0)
    with SiteStore(contest.store) as store:
        names = [f"p{number:03}" for number in range(STORED_PARTICIPANTS)]
        links = dict(zip(("participant",), store.invite(names, now).values(), strict=False))
        links |= {role: store.invite_role(role, now) for role in ("organizer", "screen")}
        entries = [
            Entry(
                names[number % len(names)],
                Kind.PARTICIPANT,
                Path(f"{number}.ipynb"),
                now - timedelta(minutes=stored - number),
                hashlib.sha256(str(number).encode()).hexdigest(),
                f"cell:{number}",
            )
            for number in range(stored)
        ]
        received = store.receive(entries)
    rows = []
    for number, submission in enumerate(received):
        mean = 0.5 + 0.3 * (number * 7919 % stored) / stored
        record = replace(
            draft, verdict=Verdict.OK, points=round((mean - 0.5) / 0.003), bac=(mean, mean), bac_mean=mean, message="ok"
        )
        keyed = replace(key, code=submission.code)
        rows.append(
            (submission.id, None, "trained", *astuple(keyed), record.verdict.value, record.to_json(), f"run-{number}")
        )
    with sqlite3.connect(contest.store) as connection:
        marks = ", ".join("?" * len(GRADING_COLUMNS))
        connection.executemany(f"INSERT INTO gradings ({', '.join(GRADING_COLUMNS)}) VALUES ({marks})", rows)
        connection.executemany(
            "INSERT INTO uploads (submission_id, receipt, file_name, bytes, received_at, phase) "
            "VALUES (?, ?, ?, 1000, ?, 'done')",
            [(each.id, f"receipt-{each.id}", each.path.name, each.submitted_at) for each in received],
        )
    connection.close()
    return links


async def page_times(port: int, links: dict[str, str]) -> dict[str, dict[str, float]]:
    """Ask for every page of every role, some times each, once the board is there."""
    cookies = {role: await enter(port, secret) for role, secret in links.items()}
    for _ in range(600):
        if b"p000" in (await ask(port, "GET", "/board")).body:
            break
        await asyncio.sleep(0.5)
    pages = {
        "participant": ("/", "/board", "/mine", "/submissions/receipt-1"),
        "organizer": ("/desk", "/desk?find=p00", "/desk?find=777", "/board"),
        "screen": ("/hall", "/hall?from=100"),
    }
    times: dict[str, dict[str, float]] = {}
    for role, places in pages.items():
        for place in places:
            answers = [await ask(port, "GET", place, Cookie=cookies[role]) for _ in range(ASKED)]
            assert all(answer.status == 200 for answer in answers), (place, answers[0].status)
            times[f"{role} {place}"] = largest([answer.seconds for answer in answers])
    return times


def measure_pages(folder: Path, port: int, stored: int) -> dict[str, Any]:
    """Measure every page with so many submissions in the store."""
    make_contest(folder, datetime.now(UTC) + timedelta(days=1))
    links = fill(folder, stored)
    with served(folder, port) as process:
        began = time.monotonic()
        times = asyncio.run(page_times(port, links))
        return {
            "stored": stored,
            "page_seconds": times,
            "memory_mb": round(memory_mb(process)),
            "all_seconds": round(time.monotonic() - began, 1),
        }


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--participants", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=120.0, help="the last seconds, over which all hand in")
    parser.add_argument("--stored", type=int, default=10_000, help="submissions for the times of pages; 0 for none")
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    found: dict[str, Any] = {"participants": options.participants, "seconds": options.seconds}
    with tempfile.TemporaryDirectory() as folder:
        found["crowd"] = measure_crowd(Path(folder), options.port, options.participants, options.seconds)
    if options.stored:
        with tempfile.TemporaryDirectory() as folder:
            found["pages"] = measure_pages(Path(folder), options.port + 1, options.stored)
    print(json.dumps(found, indent=2))
    if options.out:
        options.out.write_text(json.dumps(found, indent=2) + "\n")
    return found


if __name__ == "__main__":
    main()
